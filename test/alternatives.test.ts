import { assert, describe, it } from "@effect/vitest"
import { Cache, Effect, Fiber, Resource, Schedule, TestClock } from "effect"
import { vi } from "vitest"

/** A lookup that counts: it gives 1, 2, 3, ... and fails where it is told to. */
const counting = (failsAt: ReadonlyArray<number> = []) => {
  const calls = { count: 0 }
  const lookup = Effect.suspend(() => {
    calls.count++
    return failsAt.includes(calls.count) ? Effect.fail("down") : Effect.succeed(calls.count)
  })
  return { calls, lookup }
}

const cacheOf = (lookup: Effect.Effect<number, string>) =>
  Cache.make({ capacity: 10, timeToLive: "15 minutes", lookup: () => lookup })

// What the README says of the alternatives in Effect itself.
describe("Cache and cachedWithTTL", () => {
  it.effect("refresh nothing without a reader, and have no old value while the issuer fails", () =>
    Effect.gen(function* () {
      const { calls, lookup } = counting([2])
      const cache = yield* cacheOf(lookup)
      yield* cache.get("api")
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(calls.count, 1)
      assert.strictEqual(yield* Effect.flip(cache.get("api")), "down")
    })
  )

  it.effect("cache a failure", () =>
    Effect.gen(function* () {
      const cached = counting([1])
      const cache = yield* cacheOf(cached.lookup)
      const once = counting([1])
      const withTTL = yield* Effect.cachedWithTTL(once.lookup, "15 minutes")
      for (const read of [cache.get("api"), cache.get("api"), withTTL, withTTL]) {
        assert.strictEqual(yield* Effect.flip(read), "down")
      }
      assert.deepStrictEqual([cached.calls.count, once.calls.count], [1, 1])
    })
  )

  it.effect("issue once per report of a refused token", () =>
    Effect.gen(function* () {
      const { calls, lookup } = counting()
      const cache = yield* cacheOf(lookup)
      yield* cache.get("api")
      yield* Effect.replicateEffect(Effect.zipRight(cache.invalidate("api"), cache.get("api")), 100, {
        concurrency: "unbounded"
      })
      assert.strictEqual(calls.count, 101)
    })
  )
})

describe("Resource.auto", () => {
  it.scoped("ends at its first failed refresh, and gives the old value for ever", () =>
    Effect.gen(function* () {
      const { calls, lookup } = counting([2])
      const resource = yield* Resource.auto(lookup, Schedule.spaced("10 minutes"))
      yield* TestClock.adjust("1 day")
      assert.strictEqual(calls.count, 2)
      assert.strictEqual(yield* Resource.get(resource), 1)
    })
  )

  it.scoped("issues once per report of a refused token", () =>
    Effect.gen(function* () {
      const { calls, lookup } = counting()
      const resource = yield* Resource.manual(lookup)
      yield* Effect.replicateEffect(Resource.refresh(resource), 100, { concurrency: "unbounded" })
      assert.strictEqual(calls.count, 101)
    })
  )

  it.live("cannot wait for 25 days: Effect.sleep sets no timer", () =>
    Effect.gen(function* () {
      const timers = vi.spyOn(globalThis, "setTimeout")
      const sleeps = yield* Effect.forEach(["24 days", "25 days"] as const, (days) => Effect.fork(Effect.sleep(days)))
      yield* Effect.yieldNow()
      const days = timers.mock.calls.map(([, millis = 0]) => millis / 86_400_000).filter((days) => days >= 24)
      timers.mockRestore()
      yield* Fiber.interruptAll(sleeps)
      assert.deepStrictEqual(days, [24])
    })
  )
})
