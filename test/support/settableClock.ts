import { Clock, type Duration, Effect, TestClock } from "effect"

/**
 * The test's clock with a wall clock that can be set, as by a suspend (ahead) or by NTP (either way); the monotonic clock
 * and sleeping are left alone.
 */
export const settableClock = Effect.map(Effect.clock, (clock) => {
  let offset = 0
  const millis = () => clock.unsafeCurrentTimeMillis() + offset
  const settable: Clock.Clock = {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: millis,
    unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos(),
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanos: clock.currentTimeNanos,
    sleep: (duration) => clock.sleep(duration)
  }
  return {
    clock: settable,
    // TestClock.adjust moves the clock in the context, which has to be the test's own.
    adjust: (duration: Duration.DurationInput) => Effect.withClock(TestClock.adjust(duration), clock),
    set: (by: number) => {
      offset += by
    }
  }
})
