import { Effect } from "effect"
import { vi } from "vitest"

/**
 * Holds the timers of the platform until the scope closes; time passes for them when the test says so. For limits that
 * are in real time on purpose, since nobody moves a test's clock while a scope closes.
 */
export const heldTimers = Effect.acquireRelease(
  Effect.sync(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
    return { pass: (millis: number) => Effect.promise(() => vi.advanceTimersByTimeAsync(millis)) }
  }),
  () => Effect.sync(() => vi.useRealTimers())
)
