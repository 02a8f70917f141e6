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
 * The error of a read whose name is in the cache: a `TokenUnavailable` with any reason except `UnknownName`.
 *
 * @since 0.1.0
 * @category errors
 */
export type KnownTokenUnavailable = TokenUnavailable & {
  /** Why there is no token, in one word. */
  readonly reason: Exclude<TokenUnavailableReason, "UnknownName">
}

/**
 * The effects of `TokenCache`, for the names that an app declares. They use the `TokenCache` in the context, as
 * `BearerClient` and `LineMessaging` do, so both can be used side by side.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenNames<Name extends string> {
  /**
   * Gives the name itself after the compiler has checked it, for functions that accept any string, such as
   * `BearerClient.make`.
   */
  readonly name: <N extends Name>(name: N) => N
  /** Gives a usable token: see `TokenCache.token`. */
  readonly token: (name: Name) => Effect.Effect<Redacted.Redacted<string>, KnownTokenUnavailable, TokenCache>
  /** Gives a usable token with its lifetime, generation, scope and key id: see `TokenCache.accessToken`. */
  readonly accessToken: (name: Name) => Effect.Effect<AccessToken, KnownTokenUnavailable, TokenCache>
  /** Looks a name up once and gives the effect that reads its token: see `TokenCache.reader`. */
  readonly reader: (
    name: Name
  ) => Effect.Effect<Effect.Effect<Redacted.Redacted<string>, KnownTokenUnavailable>, KnownTokenUnavailable, TokenCache>
  /** Issues a token now and gives it: see `TokenCache.refresh`. */
  readonly refresh: (name: Name) => Effect.Effect<Redacted.Redacted<string>, KnownTokenUnavailable, TokenCache>
  /** Reports that a token must not be used again: see `TokenCache.invalidate`. */
  readonly invalidate: (name: Name, token: Redacted.Redacted<string>) => Effect.Effect<void, never, TokenCache>
  /** Reports that an API answered 401 to a token: see `TokenCache.unauthorized`. */
  readonly unauthorized: (name: Name, token: Redacted.Redacted<string>) => Effect.Effect<void, never, TokenCache>
  /** Gives the status of a token: see `TokenCache.status`. */
  readonly status: (name: Name) => Effect.Effect<TokenStatus, KnownTokenUnavailable, TokenCache>
  /** Streams the status of a token, the current one first: see `TokenCache.changes`. */
  readonly changes: (name: Name) => Stream.Stream<TokenStatus, KnownTokenUnavailable, TokenCache>
}

/**
 * Declares the names of an app's tokens, as a union of strings or as the keys of its sources. The compiler then rejects
 * any other name, and reads cannot fail with `UnknownName`. If a declared name is not in the cache, that is a mistake
 * in the program: a read of it dies with the `TokenUnavailable` that lists the names in the cache.
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
