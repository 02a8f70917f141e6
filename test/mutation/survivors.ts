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
