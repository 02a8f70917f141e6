import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as IssuedToken from "../../IssuedToken.js"
import type { AnySource, LookupOptions, TokenCacheOptions, TokenCacheService } from "../../TokenCache.js"
import type { InvalidOptions, TokenUnavailable } from "../../TokenError.js"
import * as TokenSource from "../../TokenSource.js"
import { invalidCount, invalidDuration } from "../options.js"
import * as Registry from "./cache.js"
import type * as Entry from "./entry.js"
import * as Invalidation from "./invalidation.js"
import * as Observing from "./observation.js"
import * as Reading from "./reader.js"
import * as Supervisor from "./supervisor.js"
import * as Tenants from "./tenants.js"
import * as Unavailable from "./tokenUnavailable.js"
import { forEver } from "./waiters.js"

/** What the `TokenCache` tag stands for, with the tokens of these sources. */
export const make = (
  sources: Readonly<Record<string, AnySource>>,
  options: TokenCacheOptions
): Effect.Effect<TokenCacheService, unknown, unknown> =>
  Effect.gen(function* () {
    const supervisorOptions = yield* validate(options)
    const made = yield* Effect.forEach(Object.entries(sources), ([name, source]) =>
      Effect.map(makeSource(name, source), (source) => [name, source] as const)
    )
    const supervisor = yield* Supervisor.make(supervisorOptions)
    const entries = yield* Effect.forEach(made, ([name, source]) => addSource(supervisor, name, source))
    if (options.prefetch === "sync") {
      yield* Effect.forEach(entries, (entry) => Reading.first(supervisor.registry, entry), {
        concurrency: "unbounded",
        discard: true
      })
    }
    return service(supervisor)
  })

/** The same with tokens that are made when they are first read. */
export const makeLookup = <E1, R1, E, R>(
  lookup: (name: string) => Effect.Effect<TokenSource.TokenSource<E1, R1>, E, R>,
  options: LookupOptions
): Effect.Effect<TokenCacheService, InvalidOptions, R | R1 | Scope.Scope> =>
  Effect.gen(function* () {
    const { capacity = 10_000, idleTimeToLive = "1 hour" } = options
    const supervisorOptions = yield* validate(options)
    const invalid = invalidDuration("idleTimeToLive", idleTimeToLive) ?? invalidCount("capacity", capacity)
    if (invalid !== undefined) {
      return yield* invalid
    }
    const supervisor = yield* Supervisor.make(supervisorOptions)
    const tenants = Tenants.make(supervisor, {
      idleTimeToLive: Duration.toMillis(idleTimeToLive),
      capacity,
      lookup: (name) => makeSource(name, lookup(name)),
      // As in addSource.
      context: (yield* Effect.context<R | R1>()) as Context.Context<unknown>
    })
    yield* Effect.addFinalizer(() => Effect.sync(tenants.close))
    return service(supervisor, tenants)
  })

const makeSource = <E1, R1, E, R>(
  name: string,
  source: TokenSource.TokenSource<E1, R1> | Effect.Effect<TokenSource.TokenSource<E1, R1>, E, R>
): Effect.Effect<TokenSource.TokenSource<E1, R1>, InvalidOptions | E, R> =>
  Effect.flatMap(Effect.isEffect(source) ? source : Effect.succeed(source), (made) => TokenSource.validate(name, made))

const addSource = <E, R>(
  supervisor: Supervisor.Supervisor,
  name: string,
  source: TokenSource.TokenSource<E, R>
): Effect.Effect<Entry.Entry, InvalidOptions, R> =>
  Effect.flatMap(Effect.context<R>(), (context) =>
    // The type parameters end here: the context holds what this very source needs.
    supervisor.add(name, source, context as Context.Context<unknown>)
  )

const service = (supervisor: Supervisor.Supervisor, tenants?: Tenants.Tenants): TokenCacheService => {
  const { registry } = supervisor

  const unknownName: Missing = (name) => Effect.fail(Unavailable.unknownName(name, registry.entries.keys()))

  const lookUp = (wait: number): Missing =>
    tenants === undefined
      ? unknownName
      : (name, f) => {
          const until = registry.now() + wait
          return Effect.flatMap(tenants.find(name, until), (entry) => f(entry, until))
        }

  const find = <A, E>(name: string, f: With<A, E>, missing = unknownName): Effect.Effect<A, E | TokenUnavailable> =>
    // When it is run, not when it is made: the name may be registered, or registered anew, in between.
    Effect.suspend((): Effect.Effect<A, E | TokenUnavailable> => {
      const entry = registry.entries.get(name)
      return entry === undefined ? missing(name, f) : f(entry)
    })

  const inTime = lookUp(registry.options.readTimeout)
  const inTheEnd = lookUp(forEver)

  const read = <A>(name: string, select: (token: IssuedToken.AccessToken) => A) =>
    find(name, (entry, until) => Reading.read(registry, entry, select, until), inTime)

  return {
    [Registry.key]: registry,
    register: (name, source) =>
      Effect.flatMap(makeSource(name, source), (made) =>
        Effect.acquireRelease(addSource(supervisor, name, made), supervisor.remove)
      ),
    token: (name) => read(name, value),
    accessToken: (name) => read(name, identity),
    reader: (name) =>
      find(
        name,
        // A tenant may be dropped, and come back.
        (entry) => Effect.succeed(entry.idle === undefined ? Reading.read(registry, entry, value) : read(name, value)),
        inTime
      ),
    refresh: (name) => find(name, (entry) => Effect.map(Reading.refresh(registry, entry), value), inTheEnd),
    invalidate: (name, token) =>
      Effect.suspend(() => {
        const entry = registry.entries.get(name)
        return entry === undefined ? Effect.void : Invalidation.invalidate(registry, entry, token)
      }),
    status: (name) => find(name, Observing.status),
    statuses: Observing.statuses(registry.entries),
    changes: (name) => Stream.unwrap(find(name, (entry) => Effect.succeed(Observing.changes(entry)))),
    events: Observing.events(registry)
  }
}

type With<A, E> = (entry: Entry.Entry, until?: number) => Effect.Effect<A, E>

/** What is done for a name that has no entry. */
type Missing = <A, E>(name: string, f: With<A, E>) => Effect.Effect<A, E | TokenUnavailable>

const validate = (options: Omit<TokenCacheOptions, "prefetch">): Effect.Effect<Registry.Options, InvalidOptions> => {
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

const value = (token: IssuedToken.AccessToken): Redacted.Redacted<string> => token.accessToken

const identity = (token: IssuedToken.AccessToken): IssuedToken.AccessToken => token
