import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import { TokenCache } from "effect-token-cache"
import * as Issuer from "./support/issuer.js"

const names = Array.from({ length: 100 }, (_, index) => `tenant ${index}`)

const tenants = Effect.map(TokenCache.statuses, (statuses) => statuses.length)

const cacheOf = (behaviour: Issuer.Behaviour, lookupDelay = 0) => {
  const issuer = Issuer.scripted(behaviour)
  const lookup = () => Effect.delay(Effect.succeed({ issue: issuer.issue }), lookupDelay)
  return { issuer, layer: TokenCache.layerLookup(lookup, { capacity: 10 }) }
}

describe("the capacity of a cache of tenants", () => {
  it.effect("holds for tenants that were only refreshed", () => {
    const { layer } = cacheOf(Issuer.succeed("1 hour"))
    return Effect.gen(function* () {
      yield* Effect.forEach(names, TokenCache.refresh)
      assert.strictEqual(yield* tenants, 10)
    }).pipe(Effect.provide(layer))
  })

  it.effect("holds for tenants whose first reader was interrupted while the issuer hung", () => {
    const { layer } = cacheOf(Issuer.hang)
    return Effect.gen(function* () {
      for (const name of names) {
        const reader = yield* Effect.fork(TokenCache.token(name))
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(reader)
      }
      assert.strictEqual(yield* tenants, 10)
    }).pipe(Effect.provide(layer))
  })

  it.effect("holds for tenants whose first reader was interrupted during the lookup", () => {
    const { layer } = cacheOf(Issuer.succeed("1 hour"), 100)
    return Effect.gen(function* () {
      for (const name of names) {
        const reader = yield* Effect.fork(TokenCache.token(name))
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(reader)
      }
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* tenants, 10)
    }).pipe(Effect.provide(layer))
  })

  for (const delay of [0, 100]) {
    it.effect(`holds once many first reads at once have got their tokens, after lookups of ${delay} ms`, () => {
      const { issuer, layer } = cacheOf(Issuer.succeed("1 hour"), delay)
      return Effect.gen(function* () {
        const readers = yield* Effect.fork(Effect.forEach(names, TokenCache.token, { concurrency: "unbounded" }))
        yield* TestClock.adjust("1 second")
        // Nobody is dropped who waits: all get their tokens.
        assert.strictEqual(new Set((yield* Fiber.join(readers)).map(Issuer.value)).size, names.length)
        assert.strictEqual(issuer.calls.length, names.length)
        assert.strictEqual(yield* tenants, 10)
      }).pipe(Effect.provide(layer))
    })
  }
})
