/**
 * An emulator of LINE's API on a local port, for tests of what talks to LINE.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Layer from "effect/Layer"
import * as LineControl from "./internal/lineControl.js"
import type * as LineState from "./internal/lineState.js"

export type { LineEmulatorService, LiveToken, LoggedRequest } from "./internal/lineControl.js"
export type { LineFault } from "./internal/lineFault.js"
export { LineKeyRejected, type LineKeyRule, type LinePublicJwk } from "./internal/lineKey.js"
export type { LineRequest } from "./internal/lineReply.js"
export type { AcceptedPush, LineTokenKind } from "./internal/lineState.js"

/**
 * The ID of the channel that the emulator has, unless `channels` says otherwise.
 *
 * @since 0.1.0
 * @category constants
 */
export const lineChannelId = "1234567890"

/**
 * The secret of the channel that the emulator has, unless `channels` says otherwise.
 *
 * @since 0.1.0
 * @category constants
 */
export const lineChannelSecret = "0123456789abcdef0123456789abcdef"

/**
 * Options of {@link LineEmulator}.
 *
 * @since 0.1.0
 * @category models
 */
export interface LineEmulatorOptions {
  /** The channels that the emulator has. Default: one, {@link lineChannelId} with {@link lineChannelSecret}. */
  readonly channels?:
    | ReadonlyArray<{
        /** The ID of the channel. */
        readonly channelId: string
        /** The secret of the channel. */
        readonly channelSecret: string
      }>
    | undefined
  /** The lifetime of stateless tokens. Default: 15 minutes. */
  readonly statelessLifetime?: Duration.DurationInput | undefined
  /** The lifetime of short-lived tokens. Default: 30 days. */
  readonly shortLivedLifetime?: Duration.DurationInput | undefined
  /** By how much the clock of a client that signs assertions may differ from the emulator's clock. Default: 0. */
  readonly assertionSkew?: Duration.DurationInput | undefined
  /**
   * The requests per second that a channel may send to one endpoint. Each channel has a token bucket of that size for
   * each endpoint. The buckets refill with the emulator's clock, so under `TestClock` only when a test moves it.
   */
  readonly rateLimit?:
    | {
        /** The limit of the endpoint that issues short-lived tokens. Default: 370. */
        readonly issueShortLived?: number | undefined
        /** The limit of each other endpoint. Default: 2000. */
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
 * An emulator of LINE's token endpoints, which issue, verify and revoke stateless, v2.1 and short-lived tokens and list
 * key IDs, and of the endpoint for push messages. It gives the answers and errors that LINE documents, checks assertions,
 * and keeps caps, rate limits, the monthly quota and retry keys. Faults can be injected on demand. Tests should not depend
 * on what LINE does not document, such as the order of the checks or the text of a 401.
 *
 * Its time is that of the Effect `Clock` with which the layer is built: under `TestClock` the emulator moves with it.
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
  LineControl.LineEmulatorService
>() {
  /**
   * Starts an emulator on a free port of 127.0.0.1. When its scope closes, it stops at once and breaks the connections
   * that are open. If no port is free, the layer dies.
   *
   * @since 0.1.0
   */
  static readonly layer = (options: LineEmulatorOptions = {}): Layer.Layer<LineEmulator> =>
    Layer.scoped(LineEmulator, LineControl.make(settings(options), options.channels ?? defaultChannels))
}

const defaultChannels = [{ channelId: lineChannelId, channelSecret: lineChannelSecret }]

const settings = (options: LineEmulatorOptions): LineState.LineSettings => ({
  statelessLifetime: Duration.toMillis(options.statelessLifetime ?? "15 minutes"),
  shortLivedLifetime: Duration.toMillis(options.shortLivedLifetime ?? "30 days"),
  assertionSkew: Duration.toMillis(options.assertionSkew ?? 0),
  issueShortLivedPerSecond: options.rateLimit?.issueShortLived ?? 370,
  othersPerSecond: options.rateLimit?.others ?? 2000,
  monthlyQuota: options.monthlyQuota ?? Number.POSITIVE_INFINITY
})
