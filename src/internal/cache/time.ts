import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/** The longest that a fiber sleeps at a stretch, in milliseconds. */
const longestSleep = Duration.toMillis("1 day")

/**
 * Sleeps for a number of milliseconds, or for the first day of them. The caller has to look at the clock when it wakes.
 * An `Effect.sleep` of more than 2^31-1 ms never ends, and timers neither count the time that the machine is suspended
 * nor notice that its clock is set.
 */
export const sleepSlice = (millis: number): Effect.Effect<void> =>
  Effect.sleep(Math.ceil(Math.min(millis, longestSleep)))

/** Lets the event loop take a turn, so that a large batch of work does not hold up timers and sockets. */
export const yieldToEventLoop: Effect.Effect<void> = Effect.async((resume) => {
  const turn = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(turn))
})

/**
 * Gives `undefined` if the effect takes longer than the duration, and leaves the effect behind. It measures real time,
 * because nobody moves a test's clock while a scope closes.
 */
export const timeoutRealTime = (duration: Duration.Duration) =>
  timeout(Effect.withClock(Effect.sleep(duration), Clock.make()))

/**
 * Gives `undefined` if the effect takes longer than the duration, by Effect's `Clock`, and leaves the effect behind.
 */
export const timeoutClock = (duration: Duration.Duration) => timeout(Effect.sleep(duration))

const timeout =
  (tooLong: Effect.Effect<void>) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A | undefined, E, R> =>
    Effect.raceFirst(Effect.disconnect(self), Effect.as(tooLong, undefined)).pipe(
      Effect.interruptible,
      // In a fiber of its own: that of a closing scope may have been interrupted, and then it can wait for nothing.
      Effect.forkDaemon,
      Effect.flatMap((fiber) => Effect.onInterrupt(Fiber.join(fiber), () => Fiber.interruptFork(fiber)))
    )

/** Gives the time of the monotonic clock, which nobody sets, in milliseconds since some instant. */
export const monotonicMillis = (clock: Clock.Clock): number => Number(clock.unsafeCurrentTimeNanos() / 1_000_000n)

/** How far the wall clock may fall behind the monotonic clock, in milliseconds, before it counts as set back. */
const setBackTolerance = 1000

/**
 * Makes a function that says how far the wall clock was set back since its last call, as a negative number of whole
 * milliseconds. It gives 0 if the clock was not set back.
 */
export const clockSetBack = (clock: Clock.Clock): (() => number) => {
  const aheadOfMonotonic = () => Math.floor(clock.unsafeCurrentTimeMillis()) - monotonicMillis(clock)
  let ahead = aheadOfMonotonic()
  return () => {
    const skew = aheadOfMonotonic() - ahead
    ahead += skew
    return skew < -setBackTolerance ? skew : 0
  }
}
