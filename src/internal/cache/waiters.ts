import type * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type { TokenUnavailable } from "../../TokenError.js"
import type { Fibers } from "./fibers.js"

/** All who wait for one outcome. Those who wait until the same millisecond share a timer: an `Effect.timeout` is two fibers each. */
export interface Waiting<A> {
  /** Waits from this call on, not from the run of the effect: the outcome may come in between. */
  readonly join: (until: number) => Effect.Effect<A, TokenUnavailable>
  readonly complete: (outcome: Exit.Exit<A, TokenUnavailable>) => void
}

export const forEver = Number.POSITIVE_INFINITY

interface Group<A> {
  readonly outcome: Deferred.Deferred<A, TokenUnavailable>
  timer: Fiber.RuntimeFiber<void> | undefined
}

export const make = <A>(clock: Clock.Clock, fibers: Fibers, timedOut: () => TokenUnavailable): Waiting<A> => {
  const groups = new Map<number, Group<A>>()

  const start = (until: number): Group<A> => {
    const group: Group<A> = { outcome: Deferred.unsafeMake(FiberId.none), timer: undefined }
    groups.set(until, group)
    if (until !== forEver) {
      const giveUp = Effect.sync(() => {
        groups.delete(until)
        Deferred.unsafeDone(group.outcome, Exit.fail(timedOut()))
      })
      group.timer = fibers.fork(Effect.zipRight(Effect.sleep(until - clock.unsafeCurrentTimeMillis()), giveUp))
    }
    return group
  }

  return {
    join: (until) => {
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
