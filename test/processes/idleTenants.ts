import { Effect, Schedule } from "effect"
import { IssuedToken, TokenCache } from "effect-token-cache"

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

const idle = TokenCache.statuses.pipe(
  Effect.filterOrFail((statuses) => statuses.length === 0),
  Effect.retry({ schedule: Schedule.spaced("50 millis") })
)

const program = Effect.gen(function* () {
  yield* readAll(2_000)
  yield* idle
  const before = yield* heap
  yield* readAll(10_000)
  const full = (yield* TokenCache.statuses).length
  const held = (yield* heap) - before
  yield* idle
  console.log(JSON.stringify({ full, held, left: (yield* heap) - before }))
})

program.pipe(
  Effect.provide(
    TokenCache.layerLookup((name) => Effect.succeed(source(name)), {
      idleTimeToLive: "10 seconds",
      readTimeout: "1 minute"
    })
  ),
  Effect.runPromise
)
