/**
 * Token names that the compiler checks.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import type { AccessToken } from "./IssuedToken.js"
import { TokenCache } from "./TokenCache.js"
import type { TokenUnavailable, TokenUnavailableReason } from "./TokenError.js"
import type { TokenStatus } from "./TokenStatus.js"

/**
 * Why there is no token of a name that exists: any reason but `UnknownName`.
 *
 * @since 0.1.0
 * @category errors
 */
export type KnownTokenUnavailable = TokenUnavailable & {
  readonly reason: Exclude<TokenUnavailableReason, "UnknownName">
}

/**
 * The accessors of `TokenCache` for the names of an app. They work on the one `TokenCache` in the context, so that
 * `BearerClient`, `LineMessaging` and the rest work beside them.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenNames<Name extends string> {
  /** The name itself, checked: for what takes any string, such as `BearerClient.make`. */
  readonly name: <N extends Name>(name: N) => N
  /** See `TokenCache.token`. */
  readonly token: (name: Name) => Effect.Effect<Redacted.Redacted<string>, KnownTokenUnavailable, TokenCache>
  /** See `TokenCache.accessToken`. */
  readonly accessToken: (name: Name) => Effect.Effect<AccessToken, KnownTokenUnavailable, TokenCache>
  /** See `TokenCache.reader`. */
  readonly reader: (
    name: Name
  ) => Effect.Effect<Effect.Effect<Redacted.Redacted<string>, KnownTokenUnavailable>, KnownTokenUnavailable, TokenCache>
  /** See `TokenCache.refresh`. */
  readonly refresh: (name: Name) => Effect.Effect<Redacted.Redacted<string>, KnownTokenUnavailable, TokenCache>
  /** See `TokenCache.invalidate`. */
  readonly invalidate: (name: Name, token: Redacted.Redacted<string>) => Effect.Effect<void, never, TokenCache>
  /** See `TokenCache.unauthorized`. */
  readonly unauthorized: (name: Name, token: Redacted.Redacted<string>) => Effect.Effect<void, never, TokenCache>
  /** See `TokenCache.status`. */
  readonly status: (name: Name) => Effect.Effect<TokenStatus, KnownTokenUnavailable, TokenCache>
  /** See `TokenCache.changes`. */
  readonly changes: (name: Name) => Stream.Stream<TokenStatus, KnownTokenUnavailable, TokenCache>
}

/**
 * Declares the names of an app, as a union or as the keys of its sources. A name that is declared and yet not in the
 * cache is a fault of the program, and dies with the `TokenUnavailable` that lists the names there are.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { LineChannel, TokenCache, TokenNames } from "effect-token-cache"
 *
 * const sources = { line: LineChannel.statelessFromConfig, archive: LineChannel.v21FromConfig }
 *
 * const Tokens = TokenNames.make<keyof typeof sources>()
 * const Live = TokenCache.layer(sources)
 *
 * const program = Effect.gen(function* () {
 *   const token = yield* Tokens.token("line")
 *   // @ts-expect-error there is no such name
 *   yield* Tokens.token("lime")
 *   return token
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <Name extends string = never>(): TokenNames<Name> => ({
  name: (name) => name,
  token: (name) => known(TokenCache.token(name)),
  accessToken: (name) => known(TokenCache.accessToken(name)),
  reader: (name) => Effect.map(known(TokenCache.reader(name)), known),
  refresh: (name) => known(TokenCache.refresh(name)),
  invalidate: (name, token) => TokenCache.invalidate(name, token),
  unauthorized: (name, token) => TokenCache.unauthorized(name, token),
  status: (name) => known(TokenCache.status(name)),
  changes: (name) =>
    Stream.catchAll(TokenCache.changes(name), (error) => (isKnown(error) ? Stream.fail(error) : Stream.die(error)))
})

const known = <A, R>(self: Effect.Effect<A, TokenUnavailable, R>): Effect.Effect<A, KnownTokenUnavailable, R> =>
  Effect.catchAll(self, (error) => (isKnown(error) ? Effect.fail(error) : Effect.die(error)))

const isKnown = (error: TokenUnavailable): error is KnownTokenUnavailable => error.reason !== "UnknownName"
