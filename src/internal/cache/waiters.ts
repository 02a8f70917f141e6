import type * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type { Fibers } from "./fibers.js"
import { monotonicMillis } from "./time.js"

/**
 * The fibers that wait for one outcome. Those that wait until the same millisecond share a timer, because an
 * `Effect.timeout` would cost two fibers for each of them.
 */
export interface Waiters<A, E> {
  /**
   * Waits until the outcome is there, or until the instant `until` of {@link monotonicMillis}. The waiting begins with
   * this call and not when the effect is run, because the outcome may come in between.
   */
  readonly await: (until: number) => Effect.Effect<A, E>
  /** Gives the outcome to all who wait for it. */
  readonly complete: (outcome: Exit.Exit<A, E>) => void
}

/** The `until` of somebody who waits for as long as it takes. */
export const noTimeout = Number.POSITIVE_INFINITY

/** Those who wait until the same millisecond. */
interface Group<A, E> {
  readonly outcome: Deferred.Deferred<A, E>
  timer: Fiber.RuntimeFiber<void> | undefined
}

/** Makes the waiters for one outcome. `timedOut` makes the error of those whose time is up. */
export const make = <A, E>(clock: Clock.Clock, fibers: Fibers, timedOut: () => E): Waiters<A, E> => {
  const groups = new Map<number, Group<A, E>>()

  const start = (until: number): Group<A, E> => {
    const group: Group<A, E> = { outcome: Deferred.unsafeMake(FiberId.none), timer: undefined }
    groups.set(until, group)
    if (until !== noTimeout) {
      const giveUp = Effect.sync(() => {
        groups.delete(until)
        Deferred.unsafeDone(group.outcome, Effect.fail(timedOut()))
      })
      group.timer = fibers.fork(Effect.zipRight(Effect.sleep(until - monotonicMillis(clock)), giveUp))
    }
    return group
  }

  return {
    await: (until) => {
      const whole = Math.ceil(until)
      return Deferred.await((groups.get(whole) ?? start(whole)).outcome)
    },
    complete: (exit) => {
      for (const { outcome, timer } of groups.values()) {
        timer?.unsafeInterruptAsFork(FiberId.none)
        Deferred.unsafeDone(outcome, exit)
      }
      groups.clear()
    }
  }
}
