import { Effect } from "effect"

/**
 * Waits until something is so, in real time, which a test's clock does not hold. The test's own time limit is the only
 * one: how long it takes depends on the machine.
 */
export const until = (isSo: () => boolean): Effect.Effect<void> =>
  Effect.promise(async () => {
    while (!isSo()) {
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  })
