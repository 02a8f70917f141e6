import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Runtime from "effect/Runtime"
import { timeoutRealTime } from "./time.js"

type AnyFiber = Fiber.RuntimeFiber<unknown, unknown>

/** The fibers of one layer. Unlike a `FiberSet`, closing does not wait forever for a fiber that cannot be interrupted. */
export interface Fibers {
  readonly fork: <A, E>(effect: Effect.Effect<A, E>) => Fiber.RuntimeFiber<A, E>
  /** Interrupts fibers and lets them run their finalizers, for at most a second. */
  readonly interrupt: (fibers: Iterable<AnyFiber>) => Effect.Effect<void>
  readonly interruptAll: Effect.Effect<void>
}

const grace = Duration.seconds(1)

// The layer may be built in an uninterruptible region; its fibers can be interrupted all the same.
export const make: Effect.Effect<Fibers> = Effect.map(Effect.interruptible(Effect.runtime<never>()), (runtime) => {
  const runFork = Runtime.runFork(runtime)
  const running = new Set<AnyFiber>()
  const interrupt = (fibers: Iterable<AnyFiber>) =>
    Effect.asVoid(timeoutRealTime(grace)(Fiber.interruptAll([...fibers])))
  return {
    fork: (effect) => {
      const fiber = runFork(effect)
      running.add(fiber)
      fiber.addObserver(() => running.delete(fiber))
      return fiber
    },
    interrupt,
    interruptAll: Effect.suspend(() => interrupt(running))
  }
})
