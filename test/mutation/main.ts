/**
 * Changes the code of the cache in one place after the other, and looks whether a test fails each time: `npm run
 * test:mutants`. A word restricts it to the files whose name contains it.
 */
import { fileURLToPath } from "node:url"
import { instrumentAll } from "./files.js"
import type { Mutant } from "./instrument.js"
import * as Memory from "./memory.js"
import type { Failure, RanTest } from "./protocol.js"
import { type FileResult, report } from "./report.js"
import * as TestProcess from "./testProcess.js"
import { testsOf } from "./tests.js"

const root = fileURLToPath(new URL("../..", import.meta.url))
const words = process.argv.slice(2)
const memory = Memory.open(root)
const tests = TestProcess.make()

process.once("exit", tests.restart)
process.once("SIGINT", () => process.exit(130))
process.once("SIGTERM", () => process.exit(143))

/** Gives what the tests of a file run while nothing is mutated, when all of them have to pass. */
const coverageOf = async (file: string): Promise<ReadonlyArray<RanTest>> => {
  const known = memory.coverage(file)
  if (known !== undefined) {
    return known
  }
  const { failure, tests: ran } = await tests.run({ mutant: undefined, limit: 0, files: [file] })
  if (failure !== undefined) {
    throw new Error(`${file} fails although nothing is mutated: ${failure.what}`)
  }
  console.log(`${file}: ${ran.length} tests`)
  memory.rememberCoverage(file, ran)
  return ran
}

const judge = async (mutant: Mutant, files: ReadonlyArray<string>, all: ReadonlyArray<RanTest>) => {
  const known = memory.verdict(mutant, files)
  if (known !== undefined) {
    return known
  }
  // What runs while a module is loaded belongs to no test.
  const ran = mutant.isStatic ? all : all.filter(({ hits }) => hits[mutant.id] !== undefined)
  if (ran.length === 0) {
    const verdict = { killed: false, what: "no test runs it" }
    memory.rememberVerdict(mutant, verdict, files)
    return verdict
  }
  const failure = mutant.isStatic
    ? await failureOf(mutant, files, ran)
    : ((await failureOf(mutant, files, ran.filter(isQuick))) ??
      (await failureOf(
        mutant,
        files,
        ran.filter((test) => !isQuick(test))
      )))
  const verdict = { killed: failure !== undefined, what: failure?.what ?? `all of ${ran.length} tests pass` }
  memory.rememberVerdict(mutant, verdict, failure?.file === undefined ? files : [failure.file])
  return verdict
}

/** Most mutants fail in tests that take no time, so the others are asked last. */
const isQuick = ({ millis }: RanTest): boolean => millis < 300

/** Runs tests with a mutant until one fails. */
const failureOf = async (
  mutant: Mutant,
  files: ReadonlyArray<string>,
  asked: ReadonlyArray<RanTest>
): Promise<Failure | undefined> => {
  if (asked.length === 0) {
    return undefined
  }
  if (mutant.isStatic) tests.restart()
  const { failure } = await tests.run({
    mutant: mutant.id,
    limit: 10_000 + 10 * Math.max(...asked.map(({ hits }) => hits[mutant.id] ?? 0)),
    files: files.filter((file) => asked.some((test) => test.file === file)),
    tests: asked.map(({ name }) => name)
  })
  if (mutant.isStatic) tests.restart()
  return failure
}

const results: Array<FileResult> = []
const instrumented = instrumentAll(root)
  .filter(({ file }) => words.length === 0 || words.some((word) => file.includes(word)))
  .toSorted((one, other) => one.mutants.length - other.mutants.length)

for (const { file, mutants } of instrumented) {
  const files = testsOf(file)
  const all: Array<RanTest> = []
  for (const test of files) {
    all.push(...(await coverageOf(test)))
  }
  const verdicts: Array<FileResult["verdicts"][number]> = []
  // What runs while a module is loaded comes last, because it takes a process of its own.
  for (const mutant of mutants.toSorted((one, other) => Number(one.isStatic) - Number(other.isStatic))) {
    const verdict = await judge(mutant, files, all)
    verdicts.push([mutant, verdict])
    const seconds = Math.round(process.uptime())
    const progress = `${seconds} s ${file} ${verdicts.length}/${mutants.length}`
    console.log(
      `${progress} ${verdict.killed ? "killed" : "SURVIVED"} line ${mutant.line}: ${verdict.what.slice(0, 120)}`
    )
  }
  results.push({ file, verdicts })
}

process.exit(report(results) ? 0 : 1)
