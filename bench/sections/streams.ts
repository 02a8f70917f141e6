/** What one refresh costs with 1,000 subscribers on 100,000 tokens. */
import { Deferred, Effect, FiberId, HashMap, Option, type Scope, Stream, SubscriptionRef } from "effect"
import { cache, nameOf, service, sharedIssuer } from "../fleet.js"
import type { Row, Section, Size } from "../section.js"
import { type Spread, spread } from "../support.js"

const sizes: Record<Size, { readonly tokens: number; readonly subscribers: number; readonly refreshes: number }> = {
  quick: { tokens: 1_000, subscribers: 100, refreshes: 3 },
  full: { tokens: 100_000, subscribers: 1_000, refreshes: 20 }
}

const month = 30 * 24 * 3_600_000

interface Cost {
  readonly cpuMillis: Spread
  readonly millis: Spread
}

/** Of effects that end when everybody who watches has seen the refresh. */
const costOf = (refreshes: ReadonlyArray<Effect.Effect<unknown, unknown>>): Effect.Effect<Cost, unknown> =>
  Effect.gen(function* () {
    const cpuMillis: Array<number> = []
    const millis: Array<number> = []
    for (const refresh of refreshes) {
      yield* Effect.sleep("10 millis")
      const startedAt = performance.now()
      const cpu = process.cpuUsage()
      yield* refresh
      millis.push(performance.now() - startedAt)
      const { system, user } = process.cpuUsage(cpu)
      cpuMillis.push((system + user) / 1000)
    }
    return { cpuMillis: spread(cpuMillis), millis: spread(millis) }
  })

/** Counts what subscribers see, each value once. */
const audience = () => {
  let left = 0
  let done = Deferred.unsafeMake<void>(FiberId.none)
  /** Waits for `views` calls of `see` while and after `effect` runs. */
  const until = <E, R>(views: number, effect: Effect.Effect<unknown, E, R>) =>
    Effect.suspend(() => {
      left = views
      done = Deferred.unsafeMake<void>(FiberId.none)
      return Effect.zipRight(effect, views === 0 ? Effect.void : Deferred.await(done))
    })
  const see = Effect.suspend(() => (--left === 0 ? Deferred.succeed(done, undefined) : Effect.void))
  return { until, see }
}

const range = (from: number, count: number) => Array.from({ length: count }, (_, index) => from + index)

const ours = (size: Size): Effect.Effect<ReadonlyArray<readonly [string, Cost]>, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const { refreshes, subscribers, tokens } = sizes[size]
    const tokenCache = service(yield* cache.start(tokens, sharedIssuer(month)))
    const { see, until } = audience()
    // A refresh changes the status more than once; what counts is that the new token is seen.
    const watch = (name: string) =>
      tokenCache.changes(name).pipe(
        Stream.filter(({ refreshing }) => !refreshing),
        Stream.map(({ generation }) => generation),
        Stream.changes,
        Stream.runForEach(() => see),
        Effect.forkScoped
      )
    const refresh = (index: number, watchers: number) => until(watchers, tokenCache.refresh(nameOf(index)))
    yield* until(
      subscribers,
      Effect.forEach(range(0, subscribers), (index) => watch(nameOf(index)))
    )
    const unwatched = yield* costOf(range(subscribers, refreshes).map((index) => refresh(index, 0)))
    const watchedByOne = yield* costOf(range(0, refreshes).map((index) => refresh(index, 1)))
    const last = tokens - 1
    yield* until(subscribers, Effect.replicateEffect(watch(nameOf(last)), subscribers))
    const watchedByAll = yield* costOf(range(0, refreshes).map(() => refresh(last, subscribers)))
    return [
      ["of a token that nobody watches", unwatched],
      ["of a token that one of them watches", watchedByOne],
      [`of a token that ${subscribers.toLocaleString("en")} more watch`, watchedByAll]
    ]
  })

/** One SubscriptionRef of a map of all tokens, where each subscriber looks for its own. */
const oneRef = (size: Size): Effect.Effect<Cost, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const { refreshes, subscribers, tokens } = sizes[size]
    const ref = yield* SubscriptionRef.make(HashMap.fromIterable(range(0, tokens).map((index) => [nameOf(index), 0])))
    const { see, until } = audience()
    const watch = (name: string) =>
      ref.changes.pipe(
        Stream.map((all) => Option.getOrElse(HashMap.get(all, name), () => -1)),
        Stream.changes,
        Stream.runForEach(() => see),
        Effect.forkScoped
      )
    yield* until(
      subscribers,
      Effect.forEach(range(0, subscribers), (index) => watch(nameOf(index)))
    )
    const refresh = (index: number) => until(1, SubscriptionRef.update(ref, HashMap.set(nameOf(index), 1)))
    // The last subscribers, so that the others have looked before.
    return yield* costOf(range(subscribers - refreshes, refreshes).map(refresh))
  })

export const section: Section = {
  nodeOptions: [],
  run: async (size) => {
    const costs = await Effect.runPromise(Effect.scoped(ours(size)))
    const other = await Effect.runPromise(Effect.scoped(oneRef(size)))
    const { subscribers, tokens } = sizes[size]
    const row = (name: string, ours: boolean, cost: Cost): Row => ({
      name,
      ours,
      figures: { cpuMillis: cost.cpuMillis, millis: cost.millis }
    })
    return {
      tables: [
        {
          id: "streams",
          title: `One refresh with ${subscribers.toLocaleString("en")} subscribers on ${tokens.toLocaleString("en")} tokens, until it is seen`,
          columns: [
            { key: "cpuMillis", title: "CPU, ms", digits: 2 },
            { key: "millis", title: "ms", digits: 2 }
          ],
          rows: [
            ...costs.map(([name, cost]) => row(`TokenCache.changes, ${name}`, true, cost)),
            row("one SubscriptionRef of a HashMap of all, of a token that one of them watches", false, other)
          ]
        }
      ],
      bars: []
    }
  }
}
