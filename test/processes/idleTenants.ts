import { Effect, Stream } from "effect"
import { IssuedToken, TokenCache } from "effect-token-cache"

const tenants = 10_000

const heap = Effect.sync(() => {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
})

const source = (name: string) => ({
  issue: Effect.sync(() => IssuedToken.make({ accessToken: `${name}-`.repeat(20), expiresIn: "1 hour" }))
})

const program = Effect.gen(function* () {
  yield* TokenCache.token("warm-up")
  const before = yield* heap
  const dropped = yield* TokenCache.events.pipe(
    Stream.filter((event) => event._tag === "Dropped"),
    Stream.take(1),
    Stream.runDrain,
    Effect.fork
  )
  yield* Effect.forEach(
    Array.from({ length: tenants }, (_, n) => `tenant-${n}`),
    TokenCache.token,
    {
      concurrency: "unbounded",
      discard: true
    }
  )
  const full = (yield* TokenCache.statuses).length
  const held = (yield* heap) - before
  yield* dropped
  while ((yield* TokenCache.statuses).length > 0) {
    yield* Effect.sleep("50 millis")
  }
  console.log(JSON.stringify({ full, held, left: (yield* heap) - before }))
})

program.pipe(
  Effect.provide(TokenCache.layerLookup((name) => Effect.succeed(source(name)), { idleTimeToLive: "15 seconds", readTimeout: "1 minute" })),
  Effect.runPromise
)
