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
 * `Effect.timeout` costs two fibers each.
 */
export interface Waiters<A, E> {
  /**
   * Waits until the outcome is there, or the instant `until` of {@link monotonicMillis} has come. It counts from this
   * call on, not from the run of the effect: the outcome may come in between.
   */
  readonly await: (until: number) => Effect.Effect<A, E>
  readonly complete: (outcome: Exit.Exit<A, E>) => void
}

export const noTimeout = Number.POSITIVE_INFINITY

interface Group<A, E> {
  readonly outcome: Deferred.Deferred<A, E>
  timer: Fiber.RuntimeFiber<void> | undefined
}

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
