/**
 * The cache: a layer that keeps named access tokens fresh, and the effects that read them.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as IssuedToken from "./IssuedToken.js"
import type { TokenCacheService } from "./internal/cache/service.js"
import type {
  AnySource,
  LookupOptions,
  NoExcess,
  SourceContext,
  SourceError,
  TokenCacheOptions
} from "./internal/layer.js"
import * as Cache from "./internal/layer.js"
import type { InvalidOptions, TokenUnavailable } from "./TokenError.js"
import type * as TokenSource from "./TokenSource.js"
import type { TokenEvent, TokenStatus } from "./TokenStatus.js"

export type { TokenCacheService } from "./internal/cache/service.js"
export type { AnySource, LookupOptions, TokenCacheOptions } from "./internal/layer.js"

/**
 * Keeps named access tokens warm. Provide one of its layers once, at the edge of your app, and read a token with
 * `TokenCache.token(name)`. The cache issues the next token before the current one expires.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { IssuedToken, TokenCache } from "effect-token-cache"
 *
 * const Tokens = TokenCache.layer({
 *   api: { issue: Effect.succeed(IssuedToken.make({ accessToken: "s3cr3t", expiresIn: "1 hour" })) }
 * })
 *
 * const program = Effect.gen(function* () {
 *   const token = yield* TokenCache.token("api")
 *   yield* Effect.log(token) // <redacted>
 * })
 *
 * program.pipe(Effect.provide(Tokens), Effect.runPromise)
 * ```
 *
 * @since 0.1.0
 * @category tags
 */
export class TokenCache extends /* @__PURE__ */ Context.Tag("effect-token-cache/TokenCache")<
  TokenCache,
  TokenCacheService
>() {
  /**
   * Makes a cache that keeps one token for each source warm, for as long as the layer's scope is open. A source is a
   * `TokenSource`, or an `Effect` that makes one and is run once when the layer is built. Its key is the name of the
   * token.
   *
   * The layer is there at once and does not wait for the issuers. It fails with `InvalidOptions`, before any request,
   * if an option cannot work, and with whatever the making of a source fails with. It needs what the issuers need.
   *
   * If there is a `TokenStore` in the context, the cache shares its tokens through it.
   *
   * Keep the layer in a constant and provide it once, because each `Effect.provide` of it builds a cache of its own. Of
   * two `TokenCache.layer`s that are merged, only one is used; a module that brings its own token uses {@link
   * layerToken}.
   */
  static layer<const S extends Readonly<Record<string, AnySource>>>(
    sources: S & NoExcess<S>,
    options?: TokenCacheOptions & {
      /** With `"async"`, the layer does not wait for the first attempts. Default: `"async"`. */
      readonly prefetch?: "async" | undefined
    }
  ): Layer.Layer<TokenCache, InvalidOptions | SourceError<S[keyof S]>, Exclude<SourceContext<S[keyof S]>, Scope.Scope>>
  /**
   * Makes a cache that keeps one token for each source warm, for as long as the layer's scope is open. With the option
   * `prefetch: "sync"`, the layer waits for the first attempt of each token, and fails with `TokenUnavailable` if one
   * of them fails. In all other respects it is the layer without that option.
   */
  static layer<const S extends Readonly<Record<string, AnySource>>>(
    sources: S & NoExcess<S>,
    options: TokenCacheOptions
  ): Layer.Layer<
    TokenCache,
    InvalidOptions | TokenUnavailable | SourceError<S[keyof S]>,
    Exclude<SourceContext<S[keyof S]>, Scope.Scope>
  >
  static layer(
    sources: Readonly<Record<string, AnySource>>,
    options: TokenCacheOptions = {}
  ): Layer.Layer<TokenCache, unknown, unknown> {
    return Layer.scoped(TokenCache, Cache.make(sources, options))
  }

  /**
   * Makes a cache whose tokens are added when they are first read, such as one token for each tenant of your app.
   * `lookup` gives the source of a name. Readers of a name at the same time share one lookup. It runs in a scope of its
   * own and may take 30 seconds. The options say when a token is dropped again.
   *
   * If a lookup fails, the read fails with `TokenUnavailable`. Its reason is `UnknownName` if the lookup failed with
   * `NoSuchElementException`, and `IssueFailed` otherwise. The failure is not kept: the next read looks the name up
   * again.
   *
   * `status`, `changes` and `invalidate` know only the names that are in the cache, and look nothing up.
   *
   * @example
   * ```ts
   * import { Effect } from "effect"
   * import { IssuedToken, TokenCache } from "effect-token-cache"
   *
   * declare const findSecret: (tenant: string) => Effect.Effect<string>
   * declare const issue: (secret: string) => Effect.Effect<IssuedToken.IssuedToken>
   *
   * const Tenants = TokenCache.layerLookup(
   *   (tenant) => Effect.map(findSecret(tenant), (secret) => ({ issue: issue(secret) })),
   *   { idleTimeToLive: "30 minutes", capacity: 5_000 }
   * )
   * ```
   */
  static layerLookup<E1, R1, E, R>(
    lookup: (name: string) => Effect.Effect<TokenSource.TokenSource<E1, R1>, E, R>,
    options: LookupOptions = {}
  ): Layer.Layer<TokenCache, InvalidOptions, Exclude<R | R1, Scope.Scope>> {
    return Layer.scoped(TokenCache, Cache.makeLookup(lookup, options))
  }

  /**
   * Makes a cache of fixed tokens, by their names, for the tests of an app. `invalidate` and `unauthorized` leave them
   * as they are.
   */
  static layerTest(tokens: Readonly<Record<string, string | Redacted.Redacted<string>>>): Layer.Layer<TokenCache> {
    return Layer.scoped(TokenCache, Effect.orDie(Cache.makeFixed(tokens)))
  }

  /**
   * Adds a token to the `TokenCache` in the context, for as long as the layer is in use, so that a module can bring its
   * own token. The layer fails with `InvalidOptions` if the name is taken or an option cannot work.
   */
  static layerToken<E1, R1, E = never, R = never>(
    name: string,
    source: TokenSource.TokenSource<E1, R1> | Effect.Effect<TokenSource.TokenSource<E1, R1>, E, R>
  ): Layer.Layer<never, InvalidOptions | E, Exclude<TokenCache | Scope.Scope | R | R1, Scope.Scope>> {
    return Layer.scopedDiscard(TokenCache.register(name, source))
  }

  /**
   * Adds a token to the `TokenCache` in the context, for as long as the scope is open. It fails with `InvalidOptions`
   * if the name is taken or an option cannot work. When the scope closes, the token is dropped, and revoked if its
   * source says how.
   */
  static register<E1, R1, E = never, R = never>(
    name: string,
    source: TokenSource.TokenSource<E1, R1> | Effect.Effect<TokenSource.TokenSource<E1, R1>, E, R>
  ): Effect.Effect<void, InvalidOptions | E, TokenCache | Scope.Scope | R | R1> {
    return Effect.flatMap(TokenCache, (cache) => cache.register(name, source))
  }

  /**
   * Gives a usable token. If there is one, it does so at once, whatever the issuer is doing. Otherwise it waits for an
   * attempt, for at most `readTimeout` (5 seconds by default), or fails at once while the cache backs off. It fails
   * with `TokenUnavailable`. Interrupting it does not interrupt the attempt.
   */
  static token(name: string): Effect.Effect<Redacted.Redacted<string>, TokenUnavailable, TokenCache> {
    // One operation instead of the three of `flatMap(TokenCache, ...)`: this is the hot path.
    return Effect.withFiberRuntime((fiber) => Context.unsafeGet(fiber.currentContext, TokenCache).token(name))
  }

  /**
   * Gives a usable token together with its lifetime, generation, scope and key id. It waits and fails as {@link token}
   * does.
   */
  static accessToken(name: string): Effect.Effect<IssuedToken.AccessToken, TokenUnavailable, TokenCache> {
    return Effect.flatMap(TokenCache, (cache) => cache.accessToken(name))
  }

  /**
   * Looks a name up once and gives the effect that reads its token, for hot loops. It fails with `TokenUnavailable` of
   * reason `UnknownName` if the name is not in the cache. The effect that it gives waits and fails as {@link token}
   * does.
   */
  static reader(
    name: string
  ): Effect.Effect<Effect.Effect<Redacted.Redacted<string>, TokenUnavailable>, TokenUnavailable, TokenCache> {
    return Effect.flatMap(TokenCache, (cache) => cache.reader(name))
  }

  /**
   * Issues a token now and gives it. Callers at the same time share one issue, also with an attempt that is running
   * already. It overrides a back-off but not a Retry-After, and waits for as long as the attempt may take. If it fails
   * with `TokenUnavailable`, the current token stays.
   */
  static refresh(name: string): Effect.Effect<Redacted.Redacted<string>, TokenUnavailable, TokenCache> {
    return Effect.flatMap(TokenCache, (cache) => cache.refresh(name))
  }

  /**
   * Reports that a token must not be used again, for example because it was leaked or revoked. If an API has answered
   * 401, use {@link unauthorized} instead.
   *
   * If it is the current token, it is dropped, and a new one is issued at once. If the new one is invalidated as well,
   * the next one is issued only after a pause, and readers fail meanwhile. Each further report in a row doubles the
   * pause, up to an hour, until a token has been in use for `maxRetryAfter` without a report. If the cache backs off
   * already, the token is dropped and the back-off goes on. A report about an older token, or about a name that is not
   * in the cache, changes nothing.
   */
  static invalidate(name: string, token: Redacted.Redacted<string>): Effect.Effect<void, never, TokenCache> {
    return Effect.flatMap(TokenCache, (cache) => cache.invalidate(name, token))
  }

  /**
   * Reports that an API answered 401 to a token. `BearerClient` does this by itself.
   *
   * If it is the current token, the first report drops it, and a new one is issued at once. If the new one is refused
   * as well, it is kept, because one caller's 401 is no reason to take the token from all others. The state is then
   * `degraded`, and the next token is issued after a pause, which doubles with each further report in a row, up to an
   * hour, until a token has been in use for `maxRetryAfter` without a report. Other reports of a token that is kept
   * change nothing. A token is kept as well while the issuer fails, because no other can be had. A report about an
   * older token, or about a name that is not in the cache, changes nothing.
   */
  static unauthorized(name: string, token: Redacted.Redacted<string>): Effect.Effect<void, never, TokenCache> {
    return Effect.flatMap(TokenCache, (cache) => cache.unauthorized(name, token))
  }

  /**
   * Gives the status of one token, computed from the clock at this moment. It fails with `TokenUnavailable` of reason
   * `UnknownName` if the name is not in the cache.
   */
  static status(name: string): Effect.Effect<TokenStatus, TokenUnavailable, TokenCache> {
    return Effect.flatMap(TokenCache, (cache) => cache.status(name))
  }

  /** Gives the status of each token in the cache, computed from the clock at this moment. */
  static readonly statuses: Effect.Effect<ReadonlyArray<TokenStatus>, never, TokenCache> = Effect.flatMap(
    TokenCache,
    (cache) => cache.statuses
  )

  /**
   * Streams the status of one token: the current status first, and then a new one after each change, also when the
   * token expires. A slow consumer misses statuses, but always gets the latest. The stream ends when the token is
   * dropped or the layer closes, with the status `stopped`. It fails with `TokenUnavailable` if the name is not in the
   * cache.
   */
  static changes(name: string): Stream.Stream<TokenStatus, TokenUnavailable, TokenCache> {
    return Stream.unwrap(Effect.map(TokenCache, (cache) => cache.changes(name)))
  }

  /**
   * Streams what happens to all tokens of the cache, from the moment of the subscription. A consumer that is more than
   * 256 events behind loses the oldest ones. The stream ends when the layer closes.
   */
  static readonly events: Stream.Stream<TokenEvent, never, TokenCache> = Stream.unwrap(
    Effect.map(TokenCache, (cache) => cache.events)
  )
}
