import { createHash } from "node:crypto"
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import type { Mutant } from "./instrument.js"
import type { RanTest } from "./protocol.js"

/** What became of a mutant. */
export interface Verdict {
  readonly killed: boolean
  /** What failed, or why the mutant survived. */
  readonly what: string
}

/** What earlier runs found out, as far as no code has changed that it depends on. */
export interface Memory {
  /** What the tests of a file run. */
  readonly coverage: (test: string) => ReadonlyArray<RanTest> | undefined
  readonly rememberCoverage: (test: string, tests: ReadonlyArray<RanTest>) => void
  readonly verdict: (mutant: Mutant, tests: ReadonlyArray<string>) => Verdict | undefined
  /** `tests` are the files that the verdict depends on: the one that failed, or all of them. */
  readonly rememberVerdict: (mutant: Mutant, verdict: Verdict, tests: ReadonlyArray<string>) => void
}

interface Stored {
  readonly coverage: Record<string, { readonly hash: string; readonly tests: ReadonlyArray<RanTest> }>
  readonly verdicts: Record<string, Verdict & { readonly hash: string; readonly tests: ReadonlyArray<string> }>
}

/** Opens the memory of earlier runs in `node_modules/.cache`. */
export const open = (root: string): Memory => {
  const path = join(root, "node_modules/.cache/mutants.json")
  const stored = read(path)
  const common = hashOf([
    ...["src", "test/support"].flatMap((directory) => contentsOf(join(root, directory))),
    ...["mutators", "instrument", "testRunner"].map((name) => readFileSync(join(root, `test/mutation/${name}.ts`)))
  ])
  const hashes = new Map<string, string>()
  const hashOfTests = (tests: ReadonlyArray<string>) =>
    hashOf([
      common,
      ...tests.map((test) => {
        const hash = hashes.get(test) ?? hashOf([readFileSync(join(root, test))])
        hashes.set(test, hash)
        return hash
      })
    ])

  const save = () => {
    mkdirSync(dirname(path), { recursive: true })
    // A run may be broken off at any time, and has to find a whole file again.
    writeFileSync(`${path}.new`, JSON.stringify(stored))
    renameSync(`${path}.new`, path)
  }

  return {
    coverage: (test) => {
      const known = stored.coverage[test]
      return known?.hash === hashOfTests([test]) ? known.tests : undefined
    },
    rememberCoverage: (test, tests) => {
      stored.coverage[test] = { hash: hashOfTests([test]), tests }
      save()
    },
    verdict: (mutant, tests) => {
      const known = stored.verdicts[keyOf(mutant)]
      // A test that killed a mutant still does, whatever other tests there are by now.
      const current = known !== undefined && (known.killed || known.tests.join() === tests.join())
      return current && known.hash === hashOfTests(known.tests) ? known : undefined
    },
    rememberVerdict: (mutant, verdict, tests) => {
      stored.verdicts[keyOf(mutant)] = { ...verdict, hash: hashOfTests(tests), tests }
      save()
    }
  }
}

const keyOf = ({ file, id, mutated, original }: Mutant): string => `${file} ${id} ${original} -> ${mutated}`

const read = (path: string): Stored => {
  try {
    return JSON.parse(readFileSync(path, "utf8"))
  } catch {
    return { coverage: {}, verdicts: {} }
  }
}

const contentsOf = (directory: string): ReadonlyArray<Buffer> =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name, parentPath }) => join(parentPath, name))
    .toSorted()
    .map((path) => readFileSync(path))

const hashOf = (parts: ReadonlyArray<string | Buffer>): string => {
  const hash = createHash("sha256")
  for (const part of parts) {
    hash.update(part)
  }
  return hash.digest("hex")
}
