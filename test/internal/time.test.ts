import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, TestClock } from "effect"
import * as Time from "../../src/internal/cache/time.js"
import { settableClock } from "../support/settableClock.js"

describe("clockSetBack", () => {
  it.effect("says how far the clock was set back since the last call, from more than a second on", () =>
    Effect.gen(function* () {
      const { adjust, clock, set } = yield* settableClock
      const setBackBy = Time.clockSetBack(clock)
      const said: Array<number> = []
      for (const by of [0, -1000, 5000, -1001, -2000, 0]) {
        yield* adjust("1 minute")
        set(by)
        said.push(setBackBy())
      }
      assert.deepStrictEqual(said, [0, 0, 0, -1001, -2000, 0])
    })
  )
})

describe("sleepSlice", () => {
  it.effect("sleeps for whole milliseconds, and for a day at most", () =>
    Effect.gen(function* () {
      const sleeps = [0.5, 1000, 86_400_000, 86_400_001, Number.POSITIVE_INFINITY].map(Time.sleepSlice)
      const fibers = yield* Effect.forEach(sleeps, (sleep) =>
        Effect.fork(
          Effect.zipRight(
            sleep,
            Effect.clockWith((clock) => clock.currentTimeMillis)
          )
        )
      )
      yield* TestClock.adjust("10 days")
      const ends = yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual(ends, [1, 1000, 86_400_000, 86_400_000, 86_400_000])
    })
  )
})

describe("monotonicMillis", () => {
  it.effect("counts milliseconds", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("90 seconds")
      assert.strictEqual(Time.monotonicMillis(yield* Effect.clock), 90_000)
    })
  )
})

describe("timeoutClock", () => {
  const limited = (effect: Effect.Effect<string, string>) => Effect.fork(Time.timeoutClock(Duration.seconds(5))(effect))

  it.effect("gives what the effect gives", () =>
    Effect.gen(function* () {
      const fiber = yield* limited(Effect.delay(Effect.succeed("done"), "4 seconds"))
      const failed = yield* limited(Effect.fail("failed"))
      yield* TestClock.adjust("4 seconds")
      assert.strictEqual(yield* Fiber.join(fiber), "done")
      assert.strictEqual(yield* Effect.flip(Fiber.join(failed)), "failed")
    })
  )

  it.effect("leaves an effect behind that takes longer, and cannot be interrupted", () =>
    Effect.gen(function* () {
      const fiber = yield* limited(Effect.uninterruptible(Effect.never))
      yield* TestClock.adjust("4999 millis")
      assert.strictEqual(fiber.unsafePoll(), null)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Fiber.join(fiber), undefined)
    })
  )

  it.effect("interrupts the effect with the fiber that waits for it", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const fiber = yield* limited(Effect.onInterrupt(Effect.never, () => Effect.sync(() => log.push("interrupted"))))
      yield* TestClock.adjust(0)
      yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(log, ["interrupted"])
    })
  )
})
