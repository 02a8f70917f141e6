import * as Duration from "effect/Duration"

/** How much is read of an answer that nobody needs before its connection is closed, in bytes. */
export const maxDrainSize = 64 * 1024

/** How long the rest of such an answer may take before its connection is closed. */
export const drainTimeout = Duration.seconds(1)
