import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import type * as IssuedToken from "../IssuedToken.js"
import { invalidDuration } from "../RefreshPolicy.js"
import type { AnySource, TokenCacheOptions, TokenCacheService } from "../TokenCache.js"
import { InvalidOptions, type TokenUnavailable } from "../TokenError.js"
import * as TokenSource from "../TokenSource.js"
import type * as Entry from "./entry.js"
import * as Invalidation from "./invalidation.js"
import * as Observing from "./observing.js"
import * as Reading from "./reading.js"
import type * as Registry from "./registry.js"
import * as Supervisor from "./supervisor.js"
import * as Unavailable from "./unavailable.js"

/** What the `TokenCache` tag stands for. */
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
      yield* Effect.forEach(entries, (entry) => Reading.first(entry), {
        concurrency: "unbounded",
        discard: true
      })
    }
    return service(supervisor)
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

const service = (supervisor: Supervisor.Supervisor): TokenCacheService => {
  const { registry } = supervisor
  const lookup = <A, E>(
    name: string,
    f: (entry: Entry.Entry) => Effect.Effect<A, E>
  ): Effect.Effect<A, E | TokenUnavailable> =>
    // When it is run, not when it is made: the name may be registered, or registered anew, in between.
    Effect.suspend((): Effect.Effect<A, E | TokenUnavailable> => {
      const entry = registry.entries.get(name)
      return entry === undefined ? Effect.fail(Unavailable.unknownName(name, registry.entries.keys())) : f(entry)
    })
  return {
    register: (name, source) =>
      Effect.flatMap(makeSource(name, source), (made) =>
        Effect.acquireRelease(addSource(supervisor, name, made), supervisor.remove)
      ),
    token: (name) => lookup(name, (entry) => Reading.read(registry, entry, value)),
    accessToken: (name) => lookup(name, (entry) => Reading.read(registry, entry, identity)),
    reader: (name) => lookup(name, (entry) => Effect.succeed(Reading.read(registry, entry, value))),
    refresh: (name) => lookup(name, (entry) => Effect.map(Reading.refresh(registry, entry), value)),
    invalidate: (name, token) =>
      Effect.suspend(() => {
        const entry = registry.entries.get(name)
        return entry === undefined ? Effect.void : Invalidation.invalidate(registry, entry, token)
      }),
    status: (name) => lookup(name, Observing.status),
    statuses: Observing.statuses(registry.entries),
    changes: (name) => Stream.unwrap(lookup(name, (entry) => Effect.succeed(Observing.changes(entry)))),
    events: Observing.events(registry)
  }
}

const validate = (options: TokenCacheOptions): Effect.Effect<Registry.Options, InvalidOptions> => {
  const { concurrency = 16, leeway = "5 seconds", readTimeout = "5 seconds" } = options
  const invalid =
    invalidDuration("readTimeout", readTimeout) ??
    invalidDuration("leeway", leeway) ??
    (Number.isInteger(concurrency) && concurrency > 0
      ? undefined
      : new InvalidOptions({
          option: "concurrency",
          message: `concurrency is a whole number of at least 1, not ${concurrency}`
        }))
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
