/**
 * LINE's token endpoints and its push endpoint on a local port, for tests of what talks to LINE.
 *
 * @since 0.1.0
 */

import { randomUUID } from "node:crypto"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as LineApp from "./internal/lineApp.js"
import * as Fault from "./internal/lineFault.js"
import * as LineKey from "./internal/lineKey.js"
import type { LineRequest } from "./internal/lineReply.js"
import * as LineState from "./internal/lineState.js"
import * as LoopbackServer from "./internal/loopbackServer.js"
import * as Recent from "./internal/recent.js"

export type { LineFault } from "./internal/lineFault.js"
export { LineKeyRejected, type LineKeyRule, type LinePublicJwk } from "./internal/lineKey.js"
export type { LineRequest } from "./internal/lineReply.js"
export type { AcceptedPush, LineTokenKind } from "./internal/lineState.js"

/**
 * The id of the channel that the emulator has unless `channels` says otherwise.
 *
 * @since 0.1.0
 * @category constants
 */
export const lineChannelId = "1234567890"

/**
 * The secret of the channel that the emulator has unless `channels` says otherwise.
 *
 * @since 0.1.0
 * @category constants
 */
export const lineChannelSecret = "0123456789abcdef0123456789abcdef"

/**
 * @since 0.1.0
 * @category models
 */
export interface LineEmulatorOptions {
  /** Default: one channel, {@link lineChannelId} with {@link lineChannelSecret}. */
  readonly channels?: ReadonlyArray<{ readonly channelId: string; readonly channelSecret: string }> | undefined
  /** The lifetime of stateless tokens. Default: 15 minutes. */
  readonly statelessLifetime?: Duration.DurationInput | undefined
  /** The lifetime of short-lived tokens. Default: 30 days. */
  readonly shortLivedLifetime?: Duration.DurationInput | undefined
  /** By how much the clock of who signs an assertion may differ from the emulator's. Default: 0. */
  readonly assertionSkew?: Duration.DurationInput | undefined
  /**
   * The requests per second that a channel may send to one endpoint. Each channel has a token bucket for each endpoint,
   * of that size; a bucket refills with the emulator's clock, so under `TestClock` only when a test moves it.
   */
  readonly rateLimit?:
    | {
        /** For issuing short-lived tokens. Default: 370. */
        readonly issueShortLived?: number | undefined
        /** For every other endpoint, each. Default: 2000. */
        readonly others?: number | undefined
      }
    | undefined
  /**
   * How many pushes a channel may send in a calendar month (UTC). A push counts once, however many messages it holds.
   * Default: no limit.
   */
  readonly monthlyQuota?: number | undefined
}

/**
 * A request in the log. `status` is absent while it has no answer, which is for ever when it was dropped.
 *
 * @since 0.1.0
 * @category models
 */
export interface LoggedRequest extends LineRequest {
  readonly status?: number
}

/**
 * A token that LINE accepts. Instants are epoch milliseconds of the emulator's clock.
 *
 * @since 0.1.0
 * @category models
 */
export interface LiveToken {
  readonly token: string
  readonly kind: LineState.LineTokenKind
  readonly issuedAt: number
  /** `Infinity` for a long-lived token. */
  readonly expiresAt: number
  /** The `key_id` of a v2.1 token. */
  readonly keyId?: string
}

/**
 * What a test can see and do behind LINE's back. A channel id that the emulator does not have is a defect.
 *
 * @since 0.1.0
 * @category models
 */
export interface LineEmulatorService {
  /** `http://127.0.0.1:PORT`, to be given to the client in place of `https://api.line.me`. */
  readonly url: string
  /** Registers an assertion signing key as the console does, and gives its kid. */
  readonly registerKey: (
    channelId: string,
    publicJwk: LineKey.LinePublicJwk
  ) => Effect.Effect<string, LineKey.LineKeyRejected>
  /** Replaces the channel secret. Tokens that it issued stay valid. */
  readonly rotateSecret: (channelId: string, channelSecret: string) => Effect.Effect<void>
  /** Revokes a token of any kind, even a stateless one, which LINE's API cannot; an unknown one is ignored. */
  readonly revoke: (token: string) => Effect.Effect<void>
  readonly revokeAll: (channelId: string) => Effect.Effect<void>
  /** The oldest first. */
  readonly liveTokens: (channelId: string) => Effect.Effect<ReadonlyArray<LiveToken>>
  /** Issues a long-lived token as the console does; the channel's previous one is revoked at once. */
  readonly issueLongLived: (channelId: string) => Effect.Effect<string>
  /**
   * Moves the emulator's clock ahead of Effect's `Clock`, so that tokens expire. It does not shorten a fault's delay.
   */
  readonly advance: (duration: Duration.DurationInput) => Effect.Effect<void>
  /** Adds a fault to the queue. */
  readonly fault: (fault: Fault.LineFault) => Effect.Effect<void>
  /** Forgets the faults that no request has met yet. */
  readonly clearFaults: Effect.Effect<void>
  /** The latest requests, at most 10,000, in the order of their arrival. */
  readonly requests: Effect.Effect<ReadonlyArray<LoggedRequest>>
  readonly clearRequests: Effect.Effect<void>
  /** The latest pushes that LINE accepted, at most 10,000, the oldest first. */
  readonly messages: Effect.Effect<ReadonlyArray<LineState.AcceptedPush>>
}

/**
 * An emulator of LINE's token endpoints (stateless, v2.1, short-lived: issue, verify, revoke, key ids) and of push:
 * success and documented errors, assertion checks, caps, rate limits, monthly quota, retry keys; and faults on demand.
 * What LINE documents is emulated as documented. What it does not (the order of checks, the text of a 401) is not to be
 * depended on.
 *
 * Time is Effect's `Clock` as of the layer's build: under `TestClock` the emulator moves with it.
 *
 * @example
 * ```ts
 * import { LineEmulator } from "effect-token-cache/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const line = yield* LineEmulator
 *   yield* line.fault({ match: "/oauth2/v3/token", status: 503 })
 *   // point the client under test at line.url, with lineChannelId and lineChannelSecret
 *   return yield* line.requests
 * })
 *
 * program.pipe(Effect.provide(LineEmulator.layer()))
 * ```
 *
 * @since 0.1.0
 * @category tags
 */
export class LineEmulator extends Context.Tag("effect-token-cache/testing/LineEmulator")<
  LineEmulator,
  LineEmulatorService
>() {
  /**
   * Starts an emulator. It closes with the scope at once, whatever connections are open; that the loopback has no port
   * left is a defect.
   *
   * @since 0.1.0
   */
  static readonly layer = (options?: LineEmulatorOptions): Layer.Layer<LineEmulator> =>
    Layer.scoped(LineEmulator, make(options ?? {}))
}

const make = (options: LineEmulatorOptions): Effect.Effect<LineEmulatorService, never, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Effect.clock
    const state = LineState.make(settings(options), options.channels ?? defaultChannels)
    const faults = Fault.makeQueue()
    const log = Recent.make<LineApp.LogEntry>()
    let ahead = 0
    const now = () => clock.unsafeCurrentTimeMillis() + ahead
    const url = yield* Effect.orDie(LoopbackServer.serve(LineApp.make({ state, faults, log, clock, now })))

    const withChannel = <A, E = never>(channelId: string, f: (channel: LineState.Channel) => Effect.Effect<A, E>) =>
      Effect.suspend(() => {
        const channel = state.channels.get(channelId)
        return channel === undefined
          ? Effect.dieMessage(
              `LineEmulator has no channel "${channelId}", only ${Array.from(state.channels.keys()).join(", ")}`
            )
          : f(channel)
      })

    return {
      url,
      registerKey: (channelId, publicJwk) =>
        withChannel(channelId, (channel) =>
          Effect.map(LineKey.fromJwk(publicJwk), (key) => {
            const kid = randomUUID()
            state.keys.set(kid, { channel, key })
            return kid
          })
        ),
      rotateSecret: (channelId, channelSecret) =>
        withChannel(channelId, (channel) =>
          Effect.sync(() => {
            channel.channelSecret = channelSecret
          })
        ),
      revoke: (token) => Effect.sync(() => LineState.revoke(state.tokens.get(token))),
      revokeAll: (channelId) =>
        withChannel(channelId, (channel) =>
          Effect.sync(() => LineState.liveTokens(state, channel, now()).forEach(LineState.revoke))
        ),
      liveTokens: (channelId) =>
        withChannel(channelId, (channel) =>
          Effect.sync(() => LineState.liveTokens(state, channel, now()).map(toLiveToken))
        ),
      issueLongLived: (channelId) =>
        withChannel(channelId, (channel) => Effect.sync(() => LineState.issueLongLived(state, channel, now()))),
      advance: (duration) =>
        Effect.sync(() => {
          ahead += Duration.toMillis(duration)
        }),
      fault: (fault) => Effect.sync(() => faults.add(fault)),
      clearFaults: Effect.sync(faults.clear),
      requests: Effect.sync(() => log.all().map(toLoggedRequest)),
      clearRequests: Effect.sync(log.clear),
      messages: Effect.sync(state.messages.all)
    }
  })

const defaultChannels = [{ channelId: lineChannelId, channelSecret: lineChannelSecret }]

const settings = (options: LineEmulatorOptions): LineState.LineSettings => ({
  statelessLifetime: Duration.toMillis(options.statelessLifetime ?? "15 minutes"),
  shortLivedLifetime: Duration.toMillis(options.shortLivedLifetime ?? "30 days"),
  assertionSkew: Duration.toMillis(options.assertionSkew ?? 0),
  issueShortLivedPerSecond: options.rateLimit?.issueShortLived ?? 370,
  othersPerSecond: options.rateLimit?.others ?? 2000,
  monthlyQuota: options.monthlyQuota ?? Number.POSITIVE_INFINITY
})

const toLiveToken = ({ token, kind, issuedAt, expiresAt, keyId }: LineState.Token): LiveToken => ({
  token,
  kind,
  issuedAt,
  expiresAt,
  ...(keyId === undefined ? {} : { keyId })
})

const toLoggedRequest = ({ request, status }: LineApp.LogEntry): LoggedRequest =>
  status === undefined ? request : { ...request, status }
