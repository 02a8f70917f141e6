import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, TestClock } from "effect"
import * as Fibers from "../../src/internal/cache/fibers.js"
import * as Waiters from "../../src/internal/cache/waiters.js"

const make = Effect.gen(function* () {
  const clock = yield* Effect.clock
  return Waiters.make<string, string>(
    clock,
    yield* Fibers.make,
    () => `timed out at ${clock.unsafeCurrentTimeMillis()}`
  )
})

const sleeps = Effect.zipRight(
  TestClock.adjust(0),
  Effect.map(TestClock.sleeps(), (instants) => [...instants].sort((one, other) => one - other))
)

describe("Waiters", () => {
  it.effect("wait no longer than they want to, and those of one millisecond share a timer", () =>
    Effect.gen(function* () {
      const waiters = yield* make
      yield* TestClock.adjust("1 second")
      const all = [1500, 1499.5, 2000, Waiters.noTimeout].map((until) =>
        Effect.runFork(Effect.flip(waiters.await(until)))
      )
      assert.deepStrictEqual(yield* sleeps, [1500, 2000])
      yield* TestClock.adjust("1 hour")
      const errors = yield* Effect.forEach(all.slice(0, 3), Fiber.join)
      assert.deepStrictEqual(errors, ["timed out at 1500", "timed out at 1500", "timed out at 2000"])
      assert.strictEqual(all[3]?.unsafePoll(), null)
    })
  )

  it.effect("all get the outcome", () =>
    Effect.gen(function* () {
      const waiters = yield* make
      const all = [1000, 2000, Waiters.noTimeout].map((until) => Effect.runFork(waiters.await(until)))
      yield* sleeps
      waiters.complete(Exit.succeed("outcome"))
      assert.deepStrictEqual(yield* Effect.forEach(all, Fiber.join), ["outcome", "outcome", "outcome"])
    })
  )

  it.effect("of an outcome that has come wait for another", () =>
    Effect.gen(function* () {
      const waiters = yield* make
      const before = waiters.await(1000)
      waiters.complete(Exit.succeed("one"))
      const after = Effect.runFork(waiters.await(1000))
      waiters.complete(Exit.succeed("another"))
      assert.deepStrictEqual([yield* before, yield* Fiber.join(after)], ["one", "another"])
    })
  )
})
