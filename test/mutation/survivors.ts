import type { Mutant } from "./instrument.js"

/** A mutant that no test can tell from the original, and why. */
export interface Survivor {
  /** The name of its file, without path and ending. */
  readonly file: string
  /** The line of code that it is in. */
  readonly code: string
  readonly original: string
  readonly mutated: string
  readonly reason: string
}

/** The mutants that are allowed to survive. */
export const survivors: ReadonlyArray<Survivor> = [
  {
    file: "permits",
    code: "queue.shrink()",
    original: "queue.shrink()",
    mutated: "",
    reason: "It gives memory back, and changes nothing that anybody sees."
  },
  {
    file: "waiters",
    code: "groups.delete(until)",
    original: "groups.delete(until)",
    mutated: "",
    reason: "It gives memory back: whoever asks for a group whose time is up is told at once that it is, either way."
  },
  {
    file: "waiters",
    code: "timer?.unsafeInterruptAsFork(FiberId.none)",
    original: "timer?.unsafeInterruptAsFork(FiberId.none)",
    mutated: "",
    reason: "It gives a timer back, which would ring for a group that has its outcome."
  },
  {
    file: "fibers",
    code: "fiber.addObserver(() => fibers.delete(fiber))",
    original: "fiber.addObserver(() => fibers.delete(fiber))",
    mutated: "",
    reason: "It gives memory back: to interrupt a fiber that has ended changes nothing."
  },
  {
    file: "fibers",
    code: "fiber.addObserver(() => fibers.delete(fiber))",
    original: "fibers.delete(fiber)",
    mutated: "undefined",
    reason: "It gives memory back: to interrupt a fiber that has ended changes nothing."
  },
  {
    file: "time",
    code: "return Effect.sync(() => clearImmediate(turn))",
    original: "Effect.sync(() => clearImmediate(turn))",
    mutated: "undefined",
    reason: "It gives a timer back, to which an interrupted fiber does not listen."
  },
  {
    file: "time",
    code: "return Effect.sync(() => clearImmediate(turn))",
    original: "clearImmediate(turn)",
    mutated: "undefined",
    reason: "It gives a timer back, to which an interrupted fiber does not listen."
  },
  {
    file: "deadlineQueue",
    code: "sweep(queue)",
    original: "sweep(queue)",
    mutated: "",
    reason: "It gives memory back a little earlier than the next push."
  },
  {
    file: "deadlineQueue",
    code: "} else if (at < item.queuedAt) {",
    original: "at < item.queuedAt",
    mutated: "at <= item.queuedAt",
    reason: "It spares a dead slot."
  },
  {
    file: "deadlineQueue",
    code: "} else if (at < item.queuedAt) {",
    original: "at < item.queuedAt",
    mutated: "true",
    reason: "It spares a dead slot each time that a deadline moves later."
  }
]

/** Finds the entry of a mutant that has survived. */
export const survivorOf = (mutant: Mutant): Survivor | undefined =>
  survivors.find(
    ({ code, file, mutated, original }) =>
      mutant.file.endsWith(`/${file}.ts`) &&
      mutant.code === code &&
      mutant.original === original &&
      mutant.mutated === mutated
  )
