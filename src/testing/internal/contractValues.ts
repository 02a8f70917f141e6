import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type Cases, ContractBroken, check, checkStored, minute, moment, newKey, pause, value } from "./contractCase.js"

/** What a backend has to do with the values that it keeps. */
export const valueCases: Cases = {
  "reads nothing where nothing was written": (one) =>
    Effect.gen(function* () {
      const key = newKey()
      yield* check(Option.isNone(yield* one.read(key)), "a value was read where none was written")
      yield* check(Option.isNone(yield* one.readSecret(key.group)), "a secret was read where none was written")
    }),

  "gives other processes what the holder of the lease writes, with the time it has left": (one, other) =>
    Effect.gen(function* () {
      const key = newKey()
      yield* one.acquire(key.group, "one", minute)
      yield* check(yield* one.write(key, "one", value(3, "a")), "the holder of the lease could not write")
      yield* checkStored(other, key, 3, "a")
      const timeToLive = Option.getOrThrow(yield* other.read(key)).timeToLive
      yield* check(timeToLive > minute / 2 && timeToLive <= minute, `of 60,000 milliseconds, ${timeToLive} are left`)
    }),

  "keeps values as they are": (one, other) =>
    Effect.gen(function* () {
      const key = newKey()
      const text = `\n "ü" \u{1f512} ${"x".repeat(100_000)}`
      yield* one.acquire(key.group, "one", minute)
      yield* one.write(key, "one", value(1, text))
      yield* checkStored(other, key, 1, text)
      yield* one.writeSecret(key.group, "one", text)
      yield* check(Option.getOrNull(yield* other.readSecret(key.group)) === text, "a secret was changed")
    }),

  "keeps groups and ids apart": (one) =>
    Effect.gen(function* () {
      const key = newKey()
      const sibling = { ...key, id: newKey().id }
      const stranger = { ...key, group: newKey().group }
      yield* one.acquire(key.group, "one", minute)
      yield* one.write(key, "one", value(1, "a"))
      yield* one.write(sibling, "one", value(5, "b"))
      yield* checkStored(one, key, 1, "a")
      yield* checkStored(one, sibling, 5, "b")
      yield* check(Option.isNone(yield* one.read(stranger)), "a value was found in another group")
      yield* check(
        !(yield* one.write(stranger, "one", value(1, "c"))),
        "the lease of one group let its owner write in another"
      )
      yield* check(
        yield* one.acquire(stranger.group, "two", minute),
        "the lease of a group is held after another group was acquired"
      )
    }),

  "lets a value expire": (one) =>
    Effect.gen(function* () {
      const key = newKey()
      yield* one.acquire(key.group, "one", minute)
      yield* one.write(key, "one", value(1, "a", moment))
      yield* pause
      yield* check(Option.isNone(yield* one.read(key)), "a value was read after it had expired")
      yield* check(yield* one.write(key, "one", value(1, "b")), "an expired value could not be replaced")
      yield* checkStored(one, key, 1, "b")
    }),

  "writes nothing without the lease": (one, other) =>
    Effect.gen(function* () {
      const key = newKey()
      const tryToWrite = (owner: string) =>
        Effect.zipWith(
          one.write(key, owner, value(9, "wrong")),
          one.writeSecret(key.group, owner, "wrong"),
          (value, secret) => value || secret
        )
      yield* check(!(yield* tryToWrite("one")), "something was written while nobody held the lease")
      yield* other.acquire(key.group, "other", moment)
      yield* check(!(yield* tryToWrite("one")), "something was written under the lease of another owner")
      yield* check(!(yield* tryToWrite("")), "something was written without an owner")
      yield* pause
      yield* check(!(yield* tryToWrite("other")), "something was written after the lease had run out")
      yield* one.acquire(key.group, "one", minute)
      yield* one.release(key.group, "one")
      yield* check(!(yield* tryToWrite("one")), "something was written after the lease had been released")
      yield* check(!(yield* tryToWrite("")), "something was written without an owner")
      yield* check(Option.isNone(yield* one.read(key)), "a value is stored although its write was refused")
      yield* check(Option.isNone(yield* one.readSecret(key.group)), "a secret is stored although its write was refused")
    }),

  "writes a value only if its generation is higher": (one) =>
    Effect.gen(function* () {
      const key = newKey()
      yield* one.acquire(key.group, "one", minute)
      yield* one.write(key, "one", value(10, "a"))
      yield* check(!(yield* one.write(key, "one", value(10, "b"))), "the same generation was written again")
      yield* check(!(yield* one.write(key, "one", value(9, "b"))), "an older generation was written")
      yield* checkStored(one, key, 10, "a")
      yield* check(yield* one.write(key, "one", value(11, "c")), "a newer generation was not written")
      yield* checkStored(one, key, 11, "c")
    }),

  "removes a value only if it is of the given generation, and remembers that generation": (one, other) =>
    Effect.gen(function* () {
      const key = newKey()
      yield* one.acquire(key.group, "one", minute)
      yield* one.write(key, "one", value(2, "a"))
      yield* other.remove(key, 1)
      yield* checkStored(one, key, 2, "a")
      yield* other.remove(key, 2)
      yield* checkStored(one, key, 2, "")
      yield* check(!(yield* one.write(key, "one", value(2, "a"))), "the removed generation was written again")
      yield* check(
        yield* one.write(key, "one", value(3, "b")),
        "the next generation could not be written after a removal"
      )
      yield* other.remove(newKey(), 1)
    }),

  "reports to other processes what is written": (one, other) =>
    Effect.gen(function* () {
      const key = newKey()
      const ours = Stream.filter(other.changes, ({ key: { group, id } }) => group === key.group && id === key.id)
      const heard = yield* Effect.forkScoped(Stream.runCollect(Stream.take(ours, 2)))
      // Nothing says when the subscription has begun.
      yield* pause
      yield* one.acquire(key.group, "one", minute)
      yield* one.write(key, "one", value(1, "a"))
      yield* pause
      yield* one.write(key, "one", value(2, "b"))
      const changes = yield* Effect.timeoutFail(Fiber.join(heard), {
        duration: "5 seconds",
        onTimeout: () => new ContractBroken({ message: "two changes were not reported within 5 seconds" })
      })
      const generations = Chunk.toReadonlyArray(changes).map(({ generation }) => generation)
      yield* check(generations.includes(2), `only the generations ${generations} were reported`)
    })
}
