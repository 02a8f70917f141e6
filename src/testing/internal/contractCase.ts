import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Backend, BackendValue, Key, StoreError } from "../../TokenStore.js"

/**
 * The backend under test broke the contract of stores.
 *
 * @since 0.1.0
 * @category errors
 */
export class ContractBroken extends /* @__PURE__ */ Data.TaggedError("ContractBroken")<{
  /** What the backend did wrong. */
  readonly message: string
}> {}

/**
 * One thing that every backend has to do, to be run as one test.
 *
 * @since 0.1.0
 * @category models
 */
export interface ContractCase {
  /** What the backend has to do, for the name of the test. */
  readonly name: string
  /**
   * Succeeds if the backend does it. It needs a real clock, because it waits for leases and values to run out, and takes up
   * to a few seconds.
   */
  readonly test: Effect.Effect<void, ContractBroken | StoreError, Scope.Scope>
}

/** What two backends that share their storage have to do, by what each test is called. */
export type Cases = Readonly<
  Record<string, (one: Backend, other: Backend) => Effect.Effect<void, ContractBroken | StoreError, Scope.Scope>>
>

/** A time to live that no test sees the end of, in milliseconds. */
export const minute = 60_000

/** A time to live that ends within a test, in milliseconds. */
export const moment = 300

/** Waits for longer than a moment, also on a slow machine. */
export const pause = Effect.sleep(Duration.millis(moment * 2))

/** Makes a key that no other test uses. */
export const newKey = (): Key => ({ group: crypto.randomUUID(), id: crypto.randomUUID() })

export const value = (generation: number, text: string, timeToLive = minute): BackendValue => ({
  generation,
  value: text,
  timeToLive
})

/** Fails with the message unless the condition holds. */
export const check = (holds: boolean, message: string): Effect.Effect<void, ContractBroken> =>
  holds ? Effect.void : Effect.fail(new ContractBroken({ message }))

/** Fails unless this text is stored under the key, with this generation. */
export const checkStored = (
  backend: Backend,
  key: Key,
  generation: number,
  text: string
): Effect.Effect<void, ContractBroken | StoreError> =>
  Effect.flatMap(
    backend.read(key),
    Option.match({
      onNone: () => check(false, `nothing is stored instead of generation ${generation}`),
      onSome: (stored) =>
        check(
          stored.generation === generation && stored.value === text,
          stored.generation === generation
            ? `generation ${generation} is stored with another value`
            : `generation ${stored.generation} is stored instead of generation ${generation}`
        )
    })
  )
