import { assert, describe, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import * as Alarm from "../../src/internal/cache/alarm.js"
import * as Fibers from "../../src/internal/cache/fibers.js"

/** An alarm, when it has rung, and until when it sleeps. */
const make = Effect.gen(function* () {
  const clock = yield* Effect.clock
  const rang: Array<number> = []
  const alarm = Alarm.make(clock, yield* Fibers.make, () => rang.push(clock.unsafeCurrentTimeMillis()))
  const sleeps = Effect.zipRight(
    TestClock.adjust(0),
    Effect.map(TestClock.sleeps(), (instants) => [...instants])
  )
  return { rang, set: alarm.set, sleeps }
})

describe("Alarm.set", () => {
  it.effect("sets no timer for an instant that never comes", () =>
    Effect.gen(function* () {
      const { set, sleeps } = yield* make
      set(Number.POSITIVE_INFINITY)
      assert.deepStrictEqual(yield* sleeps, [])
    })
  )

  it.effect("leaves an alarm that rings earlier or at the same time as it is", () =>
    Effect.gen(function* () {
      const { rang, set, sleeps } = yield* make
      set(1000)
      yield* TestClock.adjust("500 millis")
      set(1000)
      set(2000)
      set(Number.POSITIVE_INFINITY)
      assert.deepStrictEqual(yield* sleeps, [1000])
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(rang, [1000])
    })
  )

  it.effect("gives up an alarm that rings later", () =>
    Effect.gen(function* () {
      const { rang, set, sleeps } = yield* make
      set(2000)
      yield* sleeps
      set(1000)
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(rang, [1000])
    })
  )

  it.effect("rings anew once it has rung", () =>
    Effect.gen(function* () {
      const { rang, set } = yield* make
      set(1000)
      yield* TestClock.adjust("1 second")
      set(3000)
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(rang, [1000, 3000])
    })
  )

  it.effect("takes a millisecond for an instant that has come already", () =>
    Effect.gen(function* () {
      const { rang, set } = yield* make
      yield* TestClock.adjust("1 second")
      set(1000)
      assert.deepStrictEqual(rang, [])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(rang, [1001])
    })
  )

  it.effect("rings after a day, if the instant is further away", () =>
    Effect.gen(function* () {
      const { rang, set } = yield* make
      set(30 * 86_400_000)
      yield* TestClock.adjust("30 days")
      assert.deepStrictEqual(rang, [86_400_000])
    })
  )
})
