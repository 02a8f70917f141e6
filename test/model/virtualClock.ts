import { Clock, Duration, Effect } from "effect"

/** A clock that only moves when it is told to, much faster than a `TestClock`, whose wall clock can be set. */
export interface VirtualClock {
  readonly clock: Clock.Clock
  /** The monotonic clock, in milliseconds. */
  readonly monotonic: () => number
  /** The wall clock, in epoch milliseconds. */
  readonly wall: () => number
  /** Sets the wall clock ahead, or back if the milliseconds are negative. */
  readonly set: (millis: number) => void
  /** When the next sleep ends, on the monotonic clock. `Infinity` if nobody sleeps. */
  readonly next: () => number
  /** Moves both clocks to an instant of the monotonic clock, and wakes whose sleep is over. */
  readonly moveTo: (instant: number) => void
}

export const make = (start: number): VirtualClock => {
  const sleeps = new Set<{ readonly until: number; readonly wake: () => void }>()
  let monotonic = 0
  let ahead = start
  const wall = () => monotonic + ahead
  const nanos = () => BigInt(monotonic) * 1_000_000n
  const next = () => {
    let earliest = Infinity
    for (const { until } of sleeps) earliest = Math.min(earliest, until)
    return earliest
  }
  return {
    clock: {
      [Clock.ClockTypeId]: Clock.ClockTypeId,
      unsafeCurrentTimeMillis: wall,
      unsafeCurrentTimeNanos: nanos,
      currentTimeMillis: Effect.sync(wall),
      currentTimeNanos: Effect.sync(nanos),
      sleep: (duration) =>
        Effect.async((resume) => {
          const sleep = { until: monotonic + Duration.toMillis(duration), wake: () => resume(Effect.void) }
          sleeps.add(sleep)
          return Effect.sync(() => sleeps.delete(sleep))
        })
    },
    monotonic: () => monotonic,
    wall,
    set: (millis) => {
      ahead += millis
    },
    next,
    moveTo: (instant) => {
      monotonic = Math.max(monotonic, instant)
      for (const sleep of sleeps) {
        if (sleep.until <= monotonic) {
          sleeps.delete(sleep)
          sleep.wake()
        }
      }
    }
  }
}

/** Lets all fibers run until each of them waits: they go on in microtasks. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
