import { Effect } from "effect"
import { IssuedToken, TokenCache } from "effect-token-cache"
import { settableClock } from "../support/settableClock.js"

const heap = Effect.sync(() => {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
})

const source = (name: string) => ({
  issue: Effect.sync(() => IssuedToken.make({ accessToken: `${name}-`.repeat(20), expiresIn: "1 hour" }))
})

const readAll = (tenants: number) =>
  Effect.forEach(
    Array.from({ length: tenants }, (_, n) => `tenant-${n}`),
    TokenCache.token,
    { concurrency: "unbounded", discard: true }
  )

const program = Effect.gen(function* () {
  const { clock, set } = yield* settableClock
  // As after a suspend: a status makes the cache notice.
  const dropped = Effect.sync(() => set(2 * 3_600_000)).pipe(
    Effect.zipRight(
      Effect.repeat(Effect.delay(TokenCache.statuses, "20 millis"), { until: (statuses) => statuses.length === 0 })
    )
  )
  const measured = Effect.gen(function* () {
    yield* readAll(2_000)
    yield* dropped
    const before = yield* heap
    yield* readAll(10_000)
    const full = (yield* TokenCache.statuses).length
    const held = (yield* heap) - before
    yield* dropped
    console.log(JSON.stringify({ full, held, left: (yield* heap) - before }))
  })
  const Tokens = TokenCache.layerLookup((name) => Effect.succeed(source(name)), {
    idleTimeToLive: "1 hour",
    readTimeout: "1 minute"
  })
  yield* Effect.withClock(Effect.provide(measured, Tokens), clock)
})

Effect.runPromise(program)
