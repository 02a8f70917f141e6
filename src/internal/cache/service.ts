import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as IssuedToken from "../../IssuedToken.js"
import type { InvalidOptions, TokenUnavailable } from "../../TokenError.js"
import type * as TokenSource from "../../TokenSource.js"
import type { TokenEvent, TokenStatus } from "../../TokenStatus.js"
import { type Cache, declaredNames } from "./cache.js"
import type { Entry } from "./entry.js"
import * as Invalidation from "./invalidation.js"
import * as Membership from "./membership.js"
import * as Observation from "./observation.js"
import * as Reader from "./reader.js"
import * as Source from "./source.js"
import * as Telemetry from "./telemetry.js"
import type { Tenants } from "./tenants.js"
import { monotonicMillis } from "./time.js"
import * as Unavailable from "./tokenUnavailable.js"
import { noTimeout } from "./waiters.js"

/**
 * What the `TokenCache` tag stands for. Each member does what the static member of the same name does for the
 * `TokenCache` in the context.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenCacheService {
  /** Adds a token for as long as the scope is open: see `TokenCache.register`. */
  readonly register: <E1, R1, E = never, R = never>(
    name: string,
    source: TokenSource.TokenSource<E1, R1> | Effect.Effect<TokenSource.TokenSource<E1, R1>, E, R>
  ) => Effect.Effect<void, InvalidOptions | E, Scope.Scope | R | R1>
  /** Gives a usable token: see `TokenCache.token`. */
  readonly token: (name: string) => Effect.Effect<Redacted.Redacted<string>, TokenUnavailable>
  /** Gives a usable token with its lifetime, generation, scope and key id: see `TokenCache.accessToken`. */
  readonly accessToken: (name: string) => Effect.Effect<IssuedToken.AccessToken, TokenUnavailable>
  /** Looks a name up once and gives the effect that reads its token: see `TokenCache.reader`. */
  readonly reader: (
    name: string
  ) => Effect.Effect<Effect.Effect<Redacted.Redacted<string>, TokenUnavailable>, TokenUnavailable>
  /** Issues a token now and gives it: see `TokenCache.refresh`. */
  readonly refresh: (name: string) => Effect.Effect<Redacted.Redacted<string>, TokenUnavailable>
  /** Reports that a token must not be used again: see `TokenCache.invalidate`. */
  readonly invalidate: (name: string, token: Redacted.Redacted<string>) => Effect.Effect<void>
  /** Reports that an API answered 401 to a token: see `TokenCache.unauthorized`. */
  readonly unauthorized: (name: string, token: Redacted.Redacted<string>) => Effect.Effect<void>
  /** Gives the status of one token: see `TokenCache.status`. */
  readonly status: (name: string) => Effect.Effect<TokenStatus, TokenUnavailable>
  /** Gives the status of each token: see `TokenCache.statuses`. */
  readonly statuses: Effect.Effect<ReadonlyArray<TokenStatus>>
  /** Streams the status of one token, the current one first: see `TokenCache.changes`. */
  readonly changes: (name: string) => Stream.Stream<TokenStatus, TokenUnavailable>
  /** Streams what happens to all tokens: see `TokenCache.events`. */
  readonly events: Stream.Stream<TokenEvent>
  /**
   * What `TokenMetrics` and `StatusPage` may see of the cache.
   *
   * @internal
   */
  readonly [Telemetry.key]?: Telemetry.Telemetry
}

/** Makes the service of a cache. With `tenants`, a name that is read for the first time is looked up. */
export const make = (cache: Cache, tenants?: Tenants): TokenCacheService => {
  const unknownName: Missing = (name) => Effect.fail(Unavailable.unknownName(name, declaredNames(cache)))

  const lookUp = (wait: number): Missing =>
    tenants === undefined
      ? unknownName
      : (name, f) => {
          const until = monotonicMillis(cache.clock) + wait
          return tenants.use(name, until, (entry) => f(entry, until))
        }

  const find = <A, E>(name: string, f: With<A, E>, missing = unknownName): Effect.Effect<A, E | TokenUnavailable> =>
    // The name is looked up when the effect is run: it may have been registered since the effect was made.
    Effect.suspend((): Effect.Effect<A, E | TokenUnavailable> => {
      const entry = cache.entries.get(name)
      return entry === undefined ? missing(name, f) : f(entry)
    })

  const withinReadTimeout = lookUp(cache.options.readTimeout)
  const withoutTimeout = lookUp(noTimeout)

  const read = <A>(name: string, select: (token: IssuedToken.AccessToken) => A) =>
    find(name, (entry, until) => Reader.read(cache, entry, select, until), withinReadTimeout)

  const report = (name: string, f: (entry: Entry) => Effect.Effect<void>) =>
    Effect.suspend(() => {
      const entry = cache.entries.get(name)
      return entry === undefined ? Effect.void : f(entry)
    })

  const service: TokenCacheService = {
    register: (name, source) =>
      Effect.flatMap(Source.make(name, source), (made) =>
        Effect.acquireRelease(Membership.add(cache, name, made), (entry) => Membership.remove(cache, entry))
      ),
    token: (name) => read(name, value),
    accessToken: (name) => read(name, identity),
    reader: (name) =>
      find(
        name,
        // A tenant may be dropped and come back with another entry, so its name is looked up again for each read.
        (entry) => Effect.succeed(entry.idle === undefined ? Reader.read(cache, entry, value) : read(name, value)),
        withinReadTimeout
      ),
    refresh: (name) => find(name, (entry) => Effect.map(Reader.refresh(cache, entry), value), withoutTimeout),
    invalidate: (name, token) => report(name, (entry) => Invalidation.invalidate(cache, entry, token)),
    unauthorized: (name, token) => report(name, (entry) => Invalidation.unauthorized(cache, entry, token)),
    status: (name) => find(name, (entry) => Observation.status(cache, entry)),
    statuses: Observation.statuses(cache),
    changes: (name) => Stream.unwrap(find(name, (entry) => Effect.succeed(Observation.changes(cache, entry)))),
    events: Observation.events(cache)
  }
  return Telemetry.attach(service, Observation.telemetry(cache))
}

/**
 * What is done with the entry of a name. The instant until which to wait is given if the entry had to be made first.
 */
type With<A, E> = (entry: Entry, until?: number) => Effect.Effect<A, E>

/** Says what is done with a name that has no entry. */
type Missing = <A, E>(name: string, f: With<A, E>) => Effect.Effect<A, E | TokenUnavailable>

const value = (token: IssuedToken.AccessToken): Redacted.Redacted<string> => token.accessToken

const identity = (token: IssuedToken.AccessToken): IssuedToken.AccessToken => token
