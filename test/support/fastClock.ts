import { Clock, Duration, Effect } from "effect"

/** The live clock, so many times as fast: for faults that take time, over real sockets. */
export const fastClock = (speed: number): Clock.Clock => {
  const live = Clock.make()
  const start = live.unsafeCurrentTimeMillis()
  const startNanos = live.unsafeCurrentTimeNanos()
  const millis = () => start + (live.unsafeCurrentTimeMillis() - start) * speed
  const nanos = () => startNanos + (live.unsafeCurrentTimeNanos() - startNanos) * BigInt(speed)
  return {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: millis,
    unsafeCurrentTimeNanos: nanos,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanos: Effect.sync(nanos),
    sleep: (duration) => live.sleep(Duration.times(duration, 1 / speed))
  }
}
