import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type { Fibers } from "./fibers.js"
import { monotonicMillis, sleepSlice } from "./time.js"

/**
 * Makes an alarm that rings when an instant has come, or some time before it, so whoever hears it looks at the clock.
 * Setting the alarm to an earlier instant replaces the sleep; a later instant waits until the sleep has ended.
 */
export const make = (clock: Clock.Clock, fibers: Fibers, ring: () => void) => {
  let sleeping: { readonly until: number; readonly fiber: Fiber.RuntimeFiber<void> } | undefined
  return {
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
