import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { type Instrumented, instrument } from "./instrument.js"

/** The files that are mutated, by their paths from the root of the repository. */
const mutated = (root: string): ReadonlyArray<string> => [
  ...readdirSync(join(root, "src/internal/cache"))
    .map((name) => `src/internal/cache/${name}`)
    .toSorted(),
  "src/RefreshPolicy.ts"
]

/** Gives each file with its mutants, whose numbers go on from file to file. */
export const instrumentAll = (root: string): ReadonlyArray<Instrumented & { readonly file: string }> => {
  let firstId = 0
  return mutated(root).map((file) => {
    const instrumented = instrument(file, readFileSync(join(root, file), "utf8"), firstId)
    firstId += instrumented.mutants.length
    return { file, ...instrumented }
  })
}
