import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Runtime from "effect/Runtime"
import { timeoutRealTime } from "./time.js"

type AnyFiber = Fiber.RuntimeFiber<unknown, unknown>

/** The fibers of one layer. Unlike with a `FiberSet`, closing does not wait for ever if one cannot be interrupted. */
export interface Fibers {
  /** Runs an effect in a fiber of the layer. */
  readonly fork: <A, E>(effect: Effect.Effect<A, E>) => Fiber.RuntimeFiber<A, E>
  /**
   * Runs an effect that has to end by itself, in a bounded time, in a fiber that is interrupted by nobody. `ended` waits
   * for it.
   */
  readonly forkToEnd: (effect: Effect.Effect<void>) => void
  /** Waits for the fibers of `forkToEnd`. */
  readonly ended: Effect.Effect<void>
  /** Interrupts these fibers and waits for their finalizers, for at most a second. */
  readonly interrupt: (fibers: Iterable<AnyFiber>) => Effect.Effect<void>
  /** Interrupts all fibers of the layer and waits for their finalizers, for at most a second. */
  readonly interruptAll: Effect.Effect<void>
}

/** How long the finalizers of interrupted fibers are waited for. */
const grace = Duration.seconds(1)

/**
 * Makes the fibers of a layer. The layer may be built in an uninterruptible region, and they can be interrupted all the
 * same.
 */
export const make: Effect.Effect<Fibers> = Effect.map(Effect.interruptible(Effect.runtime<never>()), (runtime) => {
  const runFork = Runtime.runFork(runtime)
  const running = new Set<AnyFiber>()
  const ending = new Set<AnyFiber>()
  const fork = <A, E>(effect: Effect.Effect<A, E>, fibers: Set<AnyFiber>) => {
    const fiber = runFork(effect)
    fibers.add(fiber)
    fiber.addObserver(() => fibers.delete(fiber))
    return fiber
  }
  const interrupt = (fibers: Iterable<AnyFiber>) =>
    Effect.asVoid(timeoutRealTime(grace)(Fiber.interruptAll([...fibers])))
  return {
    fork: (effect) => fork(effect, running),
    forkToEnd: (effect) => {
      fork(effect, ending)
    },
    ended: Effect.suspend(() => Effect.asVoid(Fiber.awaitAll([...ending]))),
    interrupt,
    interruptAll: Effect.suspend(() => interrupt(running))
  }
})
