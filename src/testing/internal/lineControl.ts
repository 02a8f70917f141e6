import { randomUUID } from "node:crypto"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as LineApp from "./lineApp.js"
import * as Fault from "./lineFault.js"
import * as LineKey from "./lineKey.js"
import type { LineRequest } from "./lineReply.js"
import * as LineState from "./lineState.js"
import * as LoopbackServer from "./loopbackServer.js"
import * as Recent from "./recent.js"

/**
 * A request that the emulator received.
 *
 * @since 0.1.0
 * @category models
 */
export interface LoggedRequest extends LineRequest {
  /** The status of the answer. Absent while there is none, which is for ever if the request was dropped. */
  readonly status?: number
}

/**
 * A token that the emulator accepts. Instants are epoch milliseconds of the emulator's clock.
 *
 * @since 0.1.0
 * @category models
 */
export interface LiveToken {
  /** The token itself, as clients send it. */
  readonly token: string
  /** Its kind, which says how it was issued and which endpoints accept it. */
  readonly kind: LineState.LineTokenKind
  /** When it was issued. */
  readonly issuedAt: number
  /** When it expires; `Infinity` for a long-lived token. */
  readonly expiresAt: number
  /** The `key_id` that a v2.1 token was issued with. Other kinds have none. */
  readonly keyId?: string
}

/**
 * What a test can see and do behind LINE's back. A channel ID that the emulator does not have is a defect.
 *
 * @since 0.1.0
 * @category models
 */
export interface LineEmulatorService {
  /** `http://127.0.0.1:PORT`, which a client is given in place of `https://api.line.me`. */
  readonly url: string
  /**
   * Registers the public half of an assertion signing key, as the LINE Developers Console does, and gives the `kid` that
   * was assigned to it. Fails with `LineKeyRejected` if the console would refuse the key.
   */
  readonly registerKey: (
    channelId: string,
    publicJwk: LineKey.LinePublicJwk
  ) => Effect.Effect<string, LineKey.LineKeyRejected>
  /** Replaces the channel secret. Tokens that were issued with the old one stay valid. */
  readonly rotateSecret: (channelId: string, channelSecret: string) => Effect.Effect<void>
  /**
   * Revokes a token of any kind, even a stateless one, which LINE's API cannot revoke. An unknown token is ignored.
   */
  readonly revoke: (token: string) => Effect.Effect<void>
  /** Revokes all tokens of a channel. */
  readonly revokeAll: (channelId: string) => Effect.Effect<void>
  /** The tokens of a channel that are neither expired nor revoked, the oldest first. */
  readonly liveTokens: (channelId: string) => Effect.Effect<ReadonlyArray<LiveToken>>
  /**
   * Issues a long-lived token, as the LINE Developers Console does. The channel's previous one is revoked at once.
   */
  readonly issueLongLived: (channelId: string) => Effect.Effect<string>
  /**
   * Moves the emulator's clock ahead of Effect's `Clock`, so that tokens expire. It does not shorten the delay of a fault.
   */
  readonly advance: (duration: Duration.DurationInput) => Effect.Effect<void>
  /** Adds a fault to the queue. */
  readonly fault: (fault: Fault.LineFault) => Effect.Effect<void>
  /** Removes all faults from the queue. */
  readonly clearFaults: Effect.Effect<void>
  /** The latest requests, at most 10,000, in the order in which they arrived. */
  readonly requests: Effect.Effect<ReadonlyArray<LoggedRequest>>
  /** Empties the log of requests. */
  readonly clearRequests: Effect.Effect<void>
  /** The latest accepted pushes, at most 10,000, the oldest first. */
  readonly messages: Effect.Effect<ReadonlyArray<LineState.AcceptedPush>>
}

/** Starts an emulator that closes with the scope. */
export const make = (
  settings: LineState.LineSettings,
  channels: LineState.ChannelCredentials
): Effect.Effect<LineEmulatorService, never, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Effect.clock
    const state = LineState.make(settings, channels)
    const faults = Fault.makeQueue()
    const log = Recent.make<LineApp.LogEntry>()
    let ahead = 0
    const now = () => clock.unsafeCurrentTimeMillis() + ahead
    const url = yield* Effect.orDie(LoopbackServer.serve(LineApp.make({ state, faults, log, clock, now })))
    const withChannel = channelsOf(state)

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

const channelsOf =
  ({ channels }: LineState.LineState) =>
  <A, E = never>(channelId: string, f: (channel: LineState.Channel) => Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.suspend(() => {
      const channel = channels.get(channelId)
      return channel === undefined
        ? Effect.dieMessage(`LineEmulator has no channel "${channelId}", only ${[...channels.keys()].join(", ")}`)
        : f(channel)
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
