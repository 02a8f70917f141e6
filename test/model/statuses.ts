import type { TokenStatus } from "effect-token-cache"
import * as Reference from "./reference.js"
import type { Now, World } from "./world.js"

/** Compares what the cache says of its tokens with the model. */
export const checkStatuses = (
  statuses: ReadonlyArray<TokenStatus>,
  world: World,
  now: Now,
  offsets: ReadonlyArray<number>
): void => {
  for (const status of statuses) {
    const member = world.members.get(status.name)
    if (member === undefined) throw new Error(`${status.name} is in the cache, and should not be`)
    const { state } = member
    const differ = (what: string, real: unknown, expected: unknown) => {
      if (real !== expected) throw new Error(`${status.name} has ${what} ${real}, and should have ${expected}`)
    }
    /** Instants are those of a clock that was set back, whether that was noticed yet or not. */
    const differInTime = (what: string, real: number | undefined, expected: number | undefined) => {
      if (real !== undefined && expected !== undefined && offsets.some((offset) => real === expected - offset)) return
      differ(what, real, expected)
    }
    differ("the state", status.state, Reference.stateName(state, now.wall))
    differ("the generation", status.generation, state.generation)
    differ("failures", status.consecutiveFailures, state.failures)
    differ("the error", status.lastError?.reason, state.error)
    differ("an attempt", status.refreshing, Reference.isBusy(state, now.wall))
    const busy = Reference.isBusy(state, now.wall)
    differInTime("the next attempt at", status.nextAttemptAt, busy ? undefined : state.due)
    differInTime("the expiry", status.expiresAt, state.token?.expiresAt)
  }
}
