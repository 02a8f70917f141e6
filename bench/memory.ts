/**
 * Bytes per warm token over an empty cache, and the time to start and to close, beside a fiber, a Schedule and a
 * SubscriptionRef per token. The issuer is synchronous; a token is 180 characters. `npm run bench:memory`
 */
import { Duration, Effect, Exit, Layer, type Redacted, Schedule, Scope, SubscriptionRef } from "effect"
import { IssuedToken, TokenCache } from "effect-token-cache"
import { median, printTable } from "./support.js"

const sizes = process.argv[2] === undefined ? [1_000, 10_000, 100_000] : [Number(process.argv[2])]
const rounds = 3

// Holds what was started until its memory is measured.
const alive = new Set<unknown>()

let issued = 0
const issue = Effect.sync(() =>
  IssuedToken.make({ accessToken: Buffer.alloc(180, String(issued++)).toString("latin1"), expiresIn: "30 days" })
)

const settledHeap = Effect.promise(async () => {
  for (let i = 0; i < 4; i++) {
    await new Promise((resolve) => setTimeout(resolve, 20))
    globalThis.gc!()
  }
  return process.memoryUsage().heapUsed
})

const allIssued = (target: number) =>
  Effect.repeat(
    Effect.sync(() => issued >= target),
    { until: (all) => all, schedule: Schedule.spaced("1 millis") }
  )

const names = (size: number) => Array.from({ length: size }, (_, index) => `tenant-${index}`)

const cache = (size: number, scope: Scope.Scope) =>
  Effect.gen(function* () {
    const sources = Object.fromEntries(names(size).map((name) => [name, { issue }]))
    const before = yield* settledHeap
    const target = issued + size
    const startedAt = performance.now()
    const context = yield* Layer.buildWithScope(TokenCache.layer(sources), scope)
    yield* allIssued(target)
    return [before, performance.now() - startedAt, context] as const
  })

const fiberEach = (size: number, scope: Scope.Scope) =>
  Effect.gen(function* () {
    const all = names(size)
    const before = yield* settledHeap
    const target = issued + size
    const startedAt = performance.now()
    const refs = yield* Effect.forEach(all, () =>
      Effect.gen(function* () {
        const ref = yield* SubscriptionRef.make<Redacted.Redacted<string> | undefined>(undefined)
        yield* issue.pipe(
          Effect.tap((token) => SubscriptionRef.set(ref, token.accessToken)),
          Effect.retry(Schedule.exponential("30 seconds")),
          Effect.repeat(Schedule.spaced("20 days")),
          Effect.forkIn(scope)
        )
        return ref
      })
    )
    yield* allIssued(target)
    return [before, performance.now() - startedAt, refs] as const
  })

interface Measured {
  readonly bytes: number
  readonly started: number
  readonly closed: number
}

const measure = (
  start: (size: number, scope: Scope.Scope) => Effect.Effect<readonly [number, number, unknown], unknown>,
  size: number
): Effect.Effect<Measured, unknown> =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const [before, started, kept] = yield* start(size, scope)
    const bytes = ((yield* settledHeap) - before) / size
    alive.add(kept)
    alive.delete(kept)
    const closing = performance.now()
    yield* Scope.close(scope, Exit.void)
    return { bytes, started, closed: performance.now() - closing }
  })

const program = Effect.gen(function* () {
  yield* measure(cache, 1_000)
  yield* measure(fiberEach, 1_000)
  for (const size of sizes) {
    const ours: Array<Measured> = []
    const theirs: Array<Measured> = []
    for (let round = 0; round < rounds; round++) {
      ours.push(yield* measure(cache, size))
      theirs.push(yield* measure(fiberEach, size))
    }
    const of = (runs: ReadonlyArray<Measured>, key: keyof Measured) => median(runs.map((run) => run[key]))
    const row = (key: keyof Measured, digits: number) => [
      (of(theirs, key) / of(ours, key)).toFixed(1),
      of(ours, key).toFixed(digits),
      of(theirs, key).toFixed(digits)
    ]
    console.log(`\n${size.toLocaleString("en")} tokens`)
    printTable(
      ["", "fiber each / cache", "cache", "fiber each"],
      [
        ["bytes per warm token", ...row("bytes", 0)],
        ["start, ms", ...row("started", 0)],
        ["close, ms", ...row("closed", 0)]
      ]
    )
  }
})

console.log(`Node ${process.version}, medians of ${rounds}; ${Duration.format("30 days")} tokens`)
Effect.runPromise(program)
