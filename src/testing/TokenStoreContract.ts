/**
 * What every backend of a `TokenStore` has to do.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as TokenStore from "../TokenStore.js"

/**
 * The backend under test does not do what it has to.
 *
 * @since 0.1.0
 * @category errors
 */
export class ContractBroken extends /* @__PURE__ */ Data.TaggedError("ContractBroken")<{ readonly message: string }> {}

/**
 * One thing that a backend has to do, for a test of this name. The effects take real time: they wait for leases and values
 * to run out.
 *
 * @since 0.1.0
 * @category models
 */
export interface ContractCase {
  readonly name: string
  readonly test: Effect.Effect<void, ContractBroken | TokenStore.StoreError, Scope.Scope>
}

type Test = (
  one: TokenStore.Backend,
  other: TokenStore.Backend
) => Effect.Effect<void, ContractBroken | TokenStore.StoreError, Scope.Scope>

/**
 * The cases, for a backend that `make` makes. It is run twice per case, and is to give two backends that share what they
 * store, as those of two processes.
 *
 * @example
 * ```ts
 * import { Effect, type Scope } from "effect"
 * import type { TokenStore } from "effect-token-cache"
 * import { tokenStoreContract } from "effect-token-cache/testing"
 *
 * declare const make: Effect.Effect<TokenStore.Backend, never, Scope.Scope>
 * declare const it: (name: string, test: () => Promise<void>) => void
 *
 * for (const { name, test } of tokenStoreContract(make)) {
 *   it(name, () => Effect.runPromise(Effect.scoped(test)))
 * }
 * ```
 *
 * @since 0.1.0
 * @category contracts
 */
export const tokenStoreContract = (
  make: Effect.Effect<TokenStore.Backend, TokenStore.StoreError, Scope.Scope>
): ReadonlyArray<ContractCase> =>
  Object.entries(cases).map(([name, test]) => ({
    name,
    test: Effect.flatMap(Effect.all([make, make]), ([one, other]) => test(one, other))
  }))

const minute = 60_000

const moment = 300

/** Longer than a moment, on a slow machine as well. */
const pause = Effect.sleep(Duration.millis(moment * 2))

/** New ones for each case, so that cases do not meet. */
const newKey = (): TokenStore.Key => ({ group: crypto.randomUUID(), id: crypto.randomUUID() })

const value = (generation: number, text: string, timeToLive = minute): TokenStore.BackendValue => ({
  generation,
  value: text,
  timeToLive
})

const check = (holds: boolean, message: string): Effect.Effect<void, ContractBroken> =>
  holds ? Effect.void : Effect.fail(new ContractBroken({ message }))

const checkStored = (backend: TokenStore.Backend, key: TokenStore.Key, generation: number, text: string) =>
  Effect.flatMap(backend.read(key), (stored) =>
    Option.match(stored, {
      onNone: () => check(false, `nothing is stored in place of generation ${generation}`),
      onSome: (stored) =>
        check(
          stored.generation === generation && stored.value === text,
          `generation ${stored.generation} is stored in place of ${generation}, or another value`
        )
    })
  )

const cases: Readonly<Record<string, Test>> = {
  "reads nothing where nothing was written": (one) =>
    Effect.gen(function* () {
      const key = newKey()
      yield* check(Option.isNone(yield* one.read(key)), "a value was read")
      yield* check(Option.isNone(yield* one.readSecret(key.group)), "a secret was read")
    }),

  "gives others what the holder of the lease writes, and how long it lives on": (one, other) =>
    Effect.gen(function* () {
      const key = newKey()
      yield* one.acquire(key.group, "one", minute)
      yield* check(yield* one.write(key, "one", value(3, "a")), "the holder could not write")
      yield* checkStored(other, key, 3, "a")
      const timeToLive = Option.getOrThrow(yield* other.read(key)).timeToLive
      yield* check(timeToLive > minute / 2 && timeToLive <= minute, `of a minute, ${timeToLive} ms are left`)
    }),

  "keeps a value as it is": (one, other) =>
    Effect.gen(function* () {
      const key = newKey()
      const text = `\n "ü" \u{1f512} ${"x".repeat(100_000)}`
      yield* one.acquire(key.group, "one", minute)
      yield* one.write(key, "one", value(1, text))
      yield* checkStored(other, key, 1, text)
      yield* one.writeSecret(key.group, "one", text)
      yield* check(Option.getOrNull(yield* other.readSecret(key.group)) === text, "a secret was changed")
    }),

  "does not mix up groups and ids": (one) =>
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
      yield* check(!(yield* one.write(stranger, "one", value(1, "c"))), "the lease of another group was taken for it")
      yield* check(yield* one.acquire(stranger.group, "two", minute), "the lease of another group was taken")
    }),

  "lets a value run out": (one) =>
    Effect.gen(function* () {
      const key = newKey()
      yield* one.acquire(key.group, "one", minute)
      yield* one.write(key, "one", value(1, "a", moment))
      yield* pause
      yield* check(Option.isNone(yield* one.read(key)), "a value that has run out was read")
      yield* check(yield* one.write(key, "one", value(1, "b")), "it could not be replaced")
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
      yield* check(!(yield* tryToWrite("one")), "it was written without any lease")
      yield* other.acquire(key.group, "other", moment)
      yield* check(!(yield* tryToWrite("one")), "it was written under the lease of another")
      yield* check(!(yield* tryToWrite("")), "it was written without an owner")
      yield* pause
      yield* check(!(yield* tryToWrite("other")), "it was written after the lease had run out")
      yield* one.acquire(key.group, "one", minute)
      yield* one.release(key.group, "one")
      yield* check(!(yield* tryToWrite("one")), "it was written after the lease had been given back")
      yield* check(!(yield* tryToWrite("")), "it was written without an owner")
      yield* check(Option.isNone(yield* one.read(key)), "it is stored all the same")
      yield* check(Option.isNone(yield* one.readSecret(key.group)), "it is stored all the same")
    }),

  "writes no generation but a higher one": (one) =>
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

  "removes a value of the generation alone that is meant, and keeps its number": (one, other) =>
    Effect.gen(function* () {
      const key = newKey()
      yield* one.acquire(key.group, "one", minute)
      yield* one.write(key, "one", value(2, "a"))
      yield* other.remove(key, 1)
      yield* checkStored(one, key, 2, "a")
      yield* other.remove(key, 2)
      yield* checkStored(one, key, 2, "")
      yield* check(!(yield* one.write(key, "one", value(2, "a"))), "what was removed came back")
      yield* check(yield* one.write(key, "one", value(3, "b")), "nothing can be written any more")
      yield* other.remove(newKey(), 1)
    }),

  "gives a lease to one alone": (one, other) =>
    Effect.gen(function* () {
      const { group } = newKey()
      const taken = yield* Effect.forEach(
        Array.from({ length: 20 }, (_, index) => index),
        (index) => (index % 2 === 0 ? one : other).acquire(group, `owner ${index}`, minute),
        { concurrency: "unbounded" }
      )
      const winners = taken.filter((got) => got).length
      yield* check(winners === 1, `${winners} of 20 got it`)
      const winner = `owner ${taken.indexOf(true)}`
      yield* check(!(yield* other.acquire(group, winner, minute)), "who has it got it again")
    }),

  "gives a lease that has run out to the next, and takes it for good from who had it": (one, other) =>
    Effect.gen(function* () {
      const key = newKey()
      yield* one.acquire(key.group, "one", moment)
      yield* check(!(yield* other.acquire(key.group, "other", minute)), "it was given away before it had run out")
      yield* pause
      yield* check(yield* other.acquire(key.group, "other", minute), "it was not given to the next")
      yield* other.write(key, "other", value(2, "new"))
      yield* check(!(yield* one.renew(key.group, "one", minute)), "who had it could renew it")
      yield* check(!(yield* one.write(key, "one", value(3, "late"))), "who had it could write")
      yield* one.release(key.group, "one")
      yield* check(!(yield* one.acquire(key.group, "third", minute)), "who had it could release it")
      yield* checkStored(one, key, 2, "new")
    }),

  "does not renew a lease that has run out": (one) =>
    Effect.gen(function* () {
      const { group } = newKey()
      yield* one.acquire(group, "one", moment)
      yield* pause
      yield* check(!(yield* one.renew(group, "one", minute)), "it was renewed")
    }),

  "renews a lease": (one, other) =>
    Effect.gen(function* () {
      const { group } = newKey()
      yield* one.acquire(group, "one", moment)
      yield* check(yield* one.renew(group, "one", minute), "it was not renewed")
      yield* pause
      yield* check(!(yield* other.acquire(group, "other", minute)), "it ran out all the same")
      yield* check(yield* one.renew(group, "one", minute), "it was not renewed again")
    }),

  "gives a lease on that was given back": (one, other) =>
    Effect.gen(function* () {
      const { group } = newKey()
      yield* one.release(group, "one")
      yield* one.acquire(group, "one", minute)
      yield* one.release(group, "one")
      yield* check(yield* other.acquire(group, "other", minute), "it was not given on")
    }),

  "keeps the secret of a group until it is replaced": (one, other) =>
    Effect.gen(function* () {
      const { group } = newKey()
      yield* one.acquire(group, "one", minute)
      yield* check(yield* one.writeSecret(group, "one", "a"), "the holder could not write")
      yield* one.writeSecret(group, "one", "b")
      yield* one.release(group, "one")
      yield* other.acquire(group, "other", minute)
      yield* check(Option.getOrNull(yield* other.readSecret(group)) === "b", "it is not what was written last")
      yield* other.writeSecret(group, "other", "c")
      yield* check(Option.getOrNull(yield* one.readSecret(group)) === "c", "it is not what was written last")
    }),

  "tells others what is written": (one, other) =>
    Effect.gen(function* () {
      const key = newKey()
      const ours = Stream.filter(other.changes, ({ key: { group, id } }) => group === key.group && id === key.id)
      const heard = yield* Effect.forkScoped(Stream.runCollect(Stream.take(ours, 2)))
      // There is no telling when the subscription has begun.
      yield* pause
      yield* one.acquire(key.group, "one", minute)
      yield* one.write(key, "one", value(1, "a"))
      yield* pause
      yield* one.write(key, "one", value(2, "b"))
      const changes = yield* Effect.timeoutFail(Fiber.join(heard), {
        duration: "5 seconds",
        onTimeout: () => new ContractBroken({ message: "nobody was told" })
      })
      const generations = Chunk.toReadonlyArray(changes).map(({ generation }) => generation)
      yield* check(generations.includes(2), `told of generations ${generations}`)
    })
}
