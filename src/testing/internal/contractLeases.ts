import * as Effect from "effect/Effect"
import { type Cases, check, checkStored, minute, moment, newKey, pause, value } from "./contractCase.js"

/** What a backend has to do with leases. */
export const leaseCases: Cases = {
  "gives a lease to one owner at a time": (one, other) =>
    Effect.gen(function* () {
      const { group } = newKey()
      const taken = yield* Effect.forEach(
        Array.from({ length: 20 }, (_, index) => index),
        (index) => (index % 2 === 0 ? one : other).acquire(group, `owner ${index}`, minute),
        { concurrency: "unbounded" }
      )
      const winners = taken.filter((got) => got).length
      yield* check(winners === 1, `${winners} of 20 owners got the lease`)
      const winner = `owner ${taken.indexOf(true)}`
      yield* check(!(yield* other.acquire(group, winner, minute)), "the owner of a lease acquired it a second time")
    }),

  "gives a lease that has run out to the next owner, and takes it from the one before for good": (one, other) =>
    Effect.gen(function* () {
      const key = newKey()
      yield* one.acquire(key.group, "one", moment)
      yield* check(
        !(yield* other.acquire(key.group, "other", minute)),
        "the lease was given to another owner before it had run out"
      )
      yield* pause
      yield* check(
        yield* other.acquire(key.group, "other", minute),
        "the lease could not be acquired after it had run out"
      )
      yield* other.write(key, "other", value(2, "new"))
      yield* check(!(yield* one.renew(key.group, "one", minute)), "the owner before could renew the lease")
      yield* check(!(yield* one.write(key, "one", value(3, "late"))), "the owner before could write")
      yield* one.release(key.group, "one")
      yield* check(!(yield* one.acquire(key.group, "third", minute)), "the owner before could release the lease")
      yield* checkStored(one, key, 2, "new")
    }),

  "gives away a lease that runs for longer than the next owner asks for": (one, other) =>
    Effect.gen(function* () {
      const { group } = newKey()
      yield* one.acquire(group, "one", 2 * minute)
      yield* check(
        yield* other.acquire(group, "other", minute),
        "the lease could not be acquired although it runs for too long"
      )
      yield* check(!(yield* one.renew(group, "one", minute)), "the owner before could renew the lease")
    }),

  "does not renew a lease that has run out": (one) =>
    Effect.gen(function* () {
      const { group } = newKey()
      yield* one.acquire(group, "one", moment)
      yield* pause
      yield* check(!(yield* one.renew(group, "one", minute)), "a lease was renewed after it had run out")
    }),

  "lets a renewed lease run on": (one, other) =>
    Effect.gen(function* () {
      const { group } = newKey()
      yield* one.acquire(group, "one", moment)
      yield* check(yield* one.renew(group, "one", minute), "the lease could not be renewed")
      yield* pause
      yield* check(!(yield* other.acquire(group, "other", minute)), "the lease ran out although it had been renewed")
      yield* check(yield* one.renew(group, "one", minute), "the lease could not be renewed a second time")
    }),

  "gives a released lease to the next owner": (one, other) =>
    Effect.gen(function* () {
      const { group } = newKey()
      yield* one.release(group, "one")
      yield* one.acquire(group, "one", minute)
      yield* one.release(group, "one")
      yield* check(
        yield* other.acquire(group, "other", minute),
        "the lease could not be acquired after it had been released"
      )
    })
}
