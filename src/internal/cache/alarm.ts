import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type { Fibers } from "./fibers.js"
import { monotonicMillis, sleepSlice } from "./time.js"

/**
 * Makes an alarm that rings when an instant has come, or some time before it, so that whoever hears it has to look at
 * the clock. If it is set to an earlier instant, it sleeps anew; a later instant has to be set again once it has rung.
 */
export const make = (clock: Clock.Clock, fibers: Fibers, ring: () => void) => {
  let sleeping: { readonly until: number; readonly fiber: Fiber.RuntimeFiber<void> } | undefined
  return {
    /** Sets the alarm to an instant in epoch milliseconds. `Infinity` leaves it as it is. */
    set: (instant: number): void => {
      if (instant === Number.POSITIVE_INFINITY) {
        return
      }
      const millis = Math.max(1, instant - clock.unsafeCurrentTimeMillis())
      const until = monotonicMillis(clock) + millis
      if (sleeping !== undefined && sleeping.until <= until) {
        return
      }
      sleeping?.fiber.unsafeInterruptAsFork(FiberId.none)
      const wakeUp = Effect.sync(() => {
        sleeping = undefined
        ring()
      })
      const sleep = sleepSlice(millis)
      sleeping = { until, fiber: fibers.fork(Effect.zipRight(sleep, wakeUp)) }
    }
  }
}
