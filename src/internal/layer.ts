import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as IssuedToken from "../IssuedToken.js"
import type { InvalidOptions } from "../TokenError.js"
import type * as TokenSource from "../TokenSource.js"
import { TokenStore } from "../TokenStore.js"
import * as Cache from "./cache/cache.js"
import * as Membership from "./cache/membership.js"
import * as Reader from "./cache/reader.js"
import * as RefreshLoop from "./cache/refreshLoop.js"
import * as Service from "./cache/service.js"
import * as Sharing from "./cache/sharing.js"
import * as Source from "./cache/source.js"
import * as Telemetry from "./cache/telemetry.js"
import * as Tenants from "./cache/tenants.js"
import { invalidCount, invalidDuration } from "./options.js"
import * as SharedTokens from "./sharing/sharedToken.js"
import * as StoreSharing from "./sharing/sharing.js"
import * as StoreSync from "./sharing/storeSync.js"

/**
 * The options of a cache, all of which have a default.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenCacheOptions {
  /**
   * Whether the layer waits for the first attempt of each token. With `"sync"` it does, and it fails with
   * `TokenUnavailable` if one of them fails. With `"async"` the layer is there at once, and the first readers wait.
   * Default: `"async"`.
   */
  readonly prefetch?: "async" | "sync" | undefined
  /**
   * How long a reader waits if there is no usable token. After that it fails with `TokenUnavailable` of reason
   * `TimedOut`, and the attempt that it waited for goes on. Default: 5 seconds.
   */
  readonly readTimeout?: Duration.DurationInput | undefined
  /**
   * How long before its expiry a token is no longer given out, so that it is still valid when it reaches the API. A
   * tenth of the lifetime at most counts. Default: 5 seconds.
   */
  readonly leeway?: Duration.DurationInput | undefined
  /**
   * How many attempts to issue a token may run at once. An attempt that a reader waits for starts in any case, and one
   * that has run for longer than `readTimeout` is not counted any more. Default: 16.
   */
  readonly concurrency?: number | undefined
}

/**
 * The options of `TokenCache.layerLookup`: when a token is dropped, and the options of every cache except `prefetch`.
 *
 * @since 0.1.0
 * @category models
 */
export interface LookupOptions extends Omit<TokenCacheOptions, "prefetch"> {
  /**
   * How long a token is kept after its last read. After that it is dropped, and the next read looks it up anew.
   * Default: 1 hour.
   */
  readonly idleTimeToLive?: Duration.DurationInput | undefined
  /**
   * How many tokens are kept. If there are more, the token that was read least recently is dropped, but tokens whose
   * last attempt failed are dropped last, and a token that somebody waits for is not dropped. Default: 10,000.
   */
  readonly capacity?: number | undefined
}

/**
 * A source of any kind, or an effect that makes one and is run once when the layer is built.
 *
 * @since 0.1.0
 * @category models
 */
export type AnySource =
  | TokenSource.TokenSource<unknown, unknown>
  | Effect.Effect<TokenSource.TokenSource<unknown, unknown>, unknown, unknown>

/** The errors that the making of a source can fail with. */
export type SourceError<S> = S extends Effect.Effect<infer _A, infer E, infer _R> ? E : never

/** The services that the making of a source and the issuing of its tokens need. */
export type SourceContext<S> =
  S extends Effect.Effect<infer A, infer _E, infer R> ? R | IssueContext<A> : IssueContext<S>

type IssueContext<S> = S extends TokenSource.TokenSource<infer _E, infer R> ? R : never

/**
 * Makes the compiler reject unknown options again: it does not check for them where it infers each source by itself.
 */
export type NoExcess<S> = {
  readonly [K in keyof S]: S[K] extends Effect.Effect<infer _A, infer _E, infer _R>
    ? S[K]
    : S[K] & { readonly [X in Exclude<keyof S[K], keyof TokenSource.TokenSource>]: never }
}

/** Makes a cache of the tokens of these sources, by their names. */
export const make = (
  sources: Readonly<Record<string, AnySource>>,
  options: TokenCacheOptions
): Effect.Effect<Service.TokenCacheService, unknown, unknown> =>
  Effect.gen(function* () {
    const cacheOptions = yield* validate(options)
    const made = yield* Effect.forEach(Object.entries(sources), ([name, source]) =>
      Effect.map(Source.make(name, source), (source) => [name, source] as const)
    )
    const cache = yield* open(cacheOptions)
    const entries = yield* Effect.forEach(made, ([name, source]) => Membership.add(cache, name, source))
    if (options.prefetch === "sync") {
      yield* Effect.forEach(entries, (entry) => Reader.first(cache, entry), {
        concurrency: "unbounded",
        discard: true
      })
    }
    return Service.make(cache)
  })

/** Makes a cache of tokens that are added when they are first read. */
export const makeLookup = <E1, R1, E, R>(
  lookup: (name: string) => Effect.Effect<TokenSource.TokenSource<E1, R1>, E, R>,
  options: LookupOptions
): Effect.Effect<Service.TokenCacheService, InvalidOptions, R | R1 | Scope.Scope> =>
  Effect.gen(function* () {
    const { capacity = 10_000, idleTimeToLive = "1 hour" } = options
    const cacheOptions = yield* validate(options)
    const invalid = invalidDuration("idleTimeToLive", idleTimeToLive) ?? invalidCount("capacity", capacity)
    if (invalid !== undefined) {
      return yield* invalid
    }
    const cache = yield* open(cacheOptions)
    const tenants = Tenants.make(cache, {
      idleTimeToLive: Duration.toMillis(idleTimeToLive),
      capacity,
      lookup: (name) => Source.make(name, lookup(name)),
      // The type parameters end here: the context holds what the lookup and the issuers need.
      context: (yield* Effect.context<R | R1>()) as Context.Context<unknown>
    })
    yield* Effect.addFinalizer(() => Effect.sync(tenants.close))
    return Service.make(cache, tenants)
  })

/** Makes a cache of tokens that stay as they are, whatever is reported about them. */
export const makeFixed = (
  tokens: Readonly<Record<string, string | Redacted.Redacted<string>>>
): Effect.Effect<Service.TokenCacheService, unknown, Scope.Scope> => {
  const sources = Object.entries(tokens).map(([name, accessToken]): [string, TokenSource.TokenSource] => [
    name,
    { issue: Effect.succeed(IssuedToken.make({ accessToken, expiresIn: Duration.infinity })) }
  ])
  // These sources need nothing but the scope of the cache.
  const made = make(Object.fromEntries(sources), { prefetch: "sync" }) as ReturnType<typeof makeFixed>
  return Effect.map(made, (service) => {
    const fixed = { ...service, invalidate: () => Effect.void, unauthorized: () => Effect.void }
    return Telemetry.attach(fixed, service[Telemetry.key])
  })
}

/** Makes an empty cache, which keeps warm what is added to it until the scope closes. */
const open = (options: Cache.Options): Effect.Effect<Cache.Cache, never, Scope.Scope> =>
  Effect.gen(function* () {
    const store = yield* Effect.serviceOption(TokenStore)
    const shared = Option.getOrUndefined(Option.map(store, SharedTokens.make))
    const cache = yield* Cache.make(options, (cache) =>
      shared === undefined ? Sharing.none : StoreSharing.make(cache, shared)
    )
    yield* Effect.forkScoped(Effect.interruptible(RefreshLoop.run(cache)))
    if (shared !== undefined) {
      yield* Effect.interruptible(StoreSync.run(cache, shared))
    }
    yield* Effect.addFinalizer(() => Membership.close(cache))
    return cache
  })

const validate = (options: TokenCacheOptions): Effect.Effect<Cache.Options, InvalidOptions> => {
  const { concurrency = 16, leeway = "5 seconds", readTimeout = "5 seconds" } = options
  const invalid =
    invalidDuration("readTimeout", readTimeout) ??
    invalidDuration("leeway", leeway) ??
    invalidCount("concurrency", concurrency)
  return invalid === undefined
    ? Effect.succeed({
        readTimeout: Duration.toMillis(readTimeout),
        leeway: Duration.toMillis(leeway),
        concurrency
      })
    : Effect.fail(invalid)
}
