/**
 * The cache: a layer that keeps named access tokens fresh, and the effects that read them.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as IssuedToken from "./IssuedToken.js"
import type { TokenCacheService } from "./internal/cache/service.js"
import type { AnySource, LookupOptions, TokenCacheOptions } from "./internal/layer.js"
import * as Cache from "./internal/layer.js"
import type { InvalidOptions, TokenUnavailable } from "./TokenError.js"
import type * as TokenSource from "./TokenSource.js"
import type { TokenEvent, TokenStatus } from "./TokenStatus.js"

export type { TokenCacheService } from "./internal/cache/service.js"
export type { AnySource, LookupOptions, TokenCacheOptions } from "./internal/layer.js"

/** What making the source can fail with. */
type SourceError<S> = S extends Effect.Effect<infer _A, infer E, infer _R> ? E : never

/** What making the source and issuing its tokens need. */
type SourceContext<S> = S extends Effect.Effect<infer A, infer _E, infer R> ? R | IssueContext<A> : IssueContext<S>

type IssueContext<S> = S extends TokenSource.TokenSource<infer _E, infer R> ? R : never

/** Brings back the check for unknown options, which inferring the sources one by one switches off. */
type NoExcess<S> = {
  readonly [K in keyof S]: S[K] extends Effect.Effect<infer _A, infer _E, infer _R>
    ? S[K]
    : S[K] & { readonly [X in Exclude<keyof S[K], keyof TokenSource.TokenSource>]: never }
}

/**
 * Named access tokens, always warm. Provide a layer once, at the edge of the app, and read with
 * `TokenCache.token(name)`.
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
   * Keeps a token per source fresh for as long as the layer's scope is open. `R` is what the issuers need, `E` what
   * making the sources can fail with; the names and options are checked before anything is issued.
   *
   * Keep the layer in a constant and provide it once: each `Effect.provide` of it builds a cache of its own, and of two
   * `TokenCache.layer`s that are merged only one stays. A module that brings its own token uses {@link layerToken}.
   */
  static layer<const S extends Readonly<Record<string, AnySource>>>(
    sources: S & NoExcess<S>,
    options?: TokenCacheOptions & { readonly prefetch?: "async" | undefined }
  ): Layer.Layer<TokenCache, InvalidOptions | SourceError<S[keyof S]>, Exclude<SourceContext<S[keyof S]>, Scope.Scope>>
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
   * Tokens that are made when they are first read, such as one per tenant. `lookup` gives the source of a name; readers
   * at the same time share one lookup. It runs in a scope of its own, for at most 30 seconds, and a lookup that fails is
   * not kept: the read fails with `TokenUnavailable`, reason `UnknownName` if the lookup failed with
   * `NoSuchElementException` and `IssueFailed` otherwise, and the next read looks up again. `status`, `changes` and
   * `invalidate` know the names that are in the cache, and look nothing up.
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

  /** A layer of fixed tokens, for the tests of an app. `invalidate` and `unauthorized` leave them as they are. */
  static layerTest(tokens: Readonly<Record<string, string | Redacted.Redacted<string>>>): Layer.Layer<TokenCache> {
    const sources = Object.entries(tokens).map(([name, accessToken]) => [
      name,
      { issue: Effect.succeed(IssuedToken.make({ accessToken, expiresIn: Duration.infinity })) }
    ])
    return Layer.map(
      Layer.orDie(TokenCache.layer(Object.fromEntries(sources) as FixedSources, { prefetch: "sync" })),
      (context) =>
        Context.make(TokenCache, {
          ...Context.get(context, TokenCache),
          invalidate: () => Effect.void,
          unauthorized: () => Effect.void
        })
    )
  }

  /** Adds a token to the `TokenCache` in the context for as long as the layer is in use: see {@link register}. */
  static layerToken<E1, R1, E = never, R = never>(
    name: string,
    source: TokenSource.TokenSource<E1, R1> | Effect.Effect<TokenSource.TokenSource<E1, R1>, E, R>
  ): Layer.Layer<never, InvalidOptions | E, Exclude<TokenCache | Scope.Scope | R | R1, Scope.Scope>> {
    return Layer.scopedDiscard(TokenCache.register(name, source))
  }

  /**
   * Adds a token for as long as the scope is open. Fails with `InvalidOptions` if the name is taken or an option is
   * wrong.
   */
  static register<E1, R1, E = never, R = never>(
    name: string,
    source: TokenSource.TokenSource<E1, R1> | Effect.Effect<TokenSource.TokenSource<E1, R1>, E, R>
  ): Effect.Effect<void, InvalidOptions | E, TokenCache | Scope.Scope | R | R1> {
    return Effect.flatMap(TokenCache, (cache) => cache.register(name, source))
  }

  /**
   * A usable token. At once if there is one, whatever the issuer is doing; otherwise it waits for the attempt that is
   * running, for at most `readTimeout`, or fails at once while the cache backs off. Interrupting it leaves the attempt
   * alone.
   */
  static token(name: string): Effect.Effect<Redacted.Redacted<string>, TokenUnavailable, TokenCache> {
    // One operation instead of the three of `flatMap(TokenCache, ...)`: this is the hot path.
    return Effect.withFiberRuntime((fiber) => Context.unsafeGet(fiber.currentContext, TokenCache).token(name))
  }

  /** The same with lifetime, generation, scope and key id. */
  static accessToken(name: string): Effect.Effect<IssuedToken.AccessToken, TokenUnavailable, TokenCache> {
    return Effect.flatMap(TokenCache, (cache) => cache.accessToken(name))
  }

  /** Looks a name up once and gives the effect that reads it, for hot loops. */
  static reader(
    name: string
  ): Effect.Effect<Effect.Effect<Redacted.Redacted<string>, TokenUnavailable>, TokenUnavailable, TokenCache> {
    return Effect.flatMap(TokenCache, (cache) => cache.reader(name))
  }

  /**
   * Issues a token now and gives it. Callers at the same time, and an attempt that is running, share one issue. It
   * overrides a back-off but not a Retry-After. If it fails, the old token stays.
   */
  static refresh(name: string): Effect.Effect<Redacted.Redacted<string>, TokenUnavailable, TokenCache> {
    return Effect.flatMap(TokenCache, (cache) => cache.refresh(name))
  }

  /**
   * Reports that a token must not be used again, because it was leaked or revoked, say. If it is still the current one it
   * is dropped, and a new one is issued at once; a report about an older token changes nothing, and neither does an unknown
   * name. If the new token is invalidated as well, the next issue backs off, and readers fail meanwhile: each such report
   * in a row doubles the pause, up to an hour, until a token has been in use for `maxRetryAfter`. During a back-off the
   * token is dropped, and the back-off goes on. Where an API has answered 401, use {@link unauthorized}.
   */
  static invalidate(name: string, token: Redacted.Redacted<string>): Effect.Effect<void, never, TokenCache> {
    return Effect.flatMap(TokenCache, (cache) => cache.invalidate(name, token))
  }

  /**
   * Reports that an API answered 401 to a token, as `BearerClient` does by itself. The first report drops the token, if it
   * is still the current one, and a new one is issued at once. If the new token is refused as well, it is kept: one caller's
   * 401 is no reason to take the token from all others. The state is `degraded` then, the next issue backs off, each time
   * for twice as long, up to an hour, until a token has been in use for `maxRetryAfter` without a report, and further
   * reports change nothing meanwhile. A token is kept as well while the issuer fails, as no other can be had.
   */
  static unauthorized(name: string, token: Redacted.Redacted<string>): Effect.Effect<void, never, TokenCache> {
    return Effect.flatMap(TokenCache, (cache) => cache.unauthorized(name, token))
  }

  /** The state of one token. */
  static status(name: string): Effect.Effect<TokenStatus, TokenUnavailable, TokenCache> {
    return Effect.flatMap(TokenCache, (cache) => cache.status(name))
  }

  /** The state of each token. */
  static readonly statuses: Effect.Effect<ReadonlyArray<TokenStatus>, never, TokenCache> = Effect.flatMap(
    TokenCache,
    (cache) => cache.statuses
  )

  /** The states of one token, the current one first; who is slow sees the latest. Ends when the layer closes. */
  static changes(name: string): Stream.Stream<TokenStatus, TokenUnavailable, TokenCache> {
    return Stream.unwrap(Effect.map(TokenCache, (cache) => cache.changes(name)))
  }

  /** What happens to all tokens; who is slow loses the oldest past 256. Ends when the layer closes. */
  static readonly events: Stream.Stream<TokenEvent, never, TokenCache> = Stream.unwrap(
    Effect.map(TokenCache, (cache) => cache.events)
  )
}

type FixedSources = Readonly<Record<string, TokenSource.TokenSource>>
