import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type Cases, check, minute, newKey } from "./contractCase.js"

/** What a backend has to do with the secrets of groups. */
export const secretCases: Cases = {
  "keeps the secret of a group until it is replaced": (one, other) =>
    Effect.gen(function* () {
      const { group } = newKey()
      yield* one.acquire(group, "one", minute)
      yield* check(yield* one.writeSecret(group, "one", "a"), "the holder of the lease could not write")
      yield* one.writeSecret(group, "one", "b")
      yield* one.release(group, "one")
      yield* other.acquire(group, "other", minute)
      yield* check(
        Option.getOrNull(yield* other.readSecret(group)) === "b",
        "the secret is not the one that was written last"
      )
      yield* other.writeSecret(group, "other", "c")
      yield* check(
        Option.getOrNull(yield* one.readSecret(group)) === "c",
        "the secret is not the one that was written last"
      )
    })
}
