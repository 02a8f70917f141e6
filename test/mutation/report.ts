import type { Mutant } from "./instrument.js"
import type { Verdict } from "./memory.js"
import { survivorOf, survivors } from "./survivors.js"

/** What became of the mutants of one file. */
export interface FileResult {
  readonly file: string
  readonly verdicts: ReadonlyArray<readonly [Mutant, Verdict]>
}

/** The least score over all files, in percent. */
const leastScore = 90

/** Prints what became of all mutants, and says whether that is good enough. */
export const report = (results: ReadonlyArray<FileResult>): boolean => {
  const width = Math.max(...results.map(({ file }) => file.length), 5)
  const row = (file: string, mutants: string, killed: string, score: string) =>
    console.log(`${file.padEnd(width)} ${mutants.padStart(8)} ${killed.padStart(8)} ${score.padStart(8)}`)

  console.log()
  row("file", "mutants", "killed", "score")
  for (const { file, verdicts } of results) {
    row(file, ...counts(verdicts))
  }
  const all = results.flatMap(({ verdicts }) => verdicts)
  row("all", ...counts(all))

  const survived = all.flatMap(([mutant, { killed }]) => (killed ? [] : [mutant]))
  const explained = survived.filter((mutant) => survivorOf(mutant) !== undefined)
  const unexplained = survived.filter((mutant) => survivorOf(mutant) === undefined)
  list("survivors that no test can tell from the original", explained)
  list("survivors without a reason in test/mutation/survivors.ts", unexplained)
  const stale = survivors.filter(
    (entry) =>
      results.some(({ file }) => file.endsWith(`/${entry.file}.ts`)) &&
      !explained.some((mutant) => survivorOf(mutant) === entry)
  )
  for (const { code, file } of stale) {
    console.log(`\nno survivor has the reason that test/mutation/survivors.ts gives for: ${file} ${code}`)
  }
  return unexplained.length === 0 && stale.length === 0 && scoreOf(all) >= leastScore
}

type Verdicts = FileResult["verdicts"]

const counts = (verdicts: Verdicts) =>
  [String(verdicts.length), String(killedOf(verdicts)), `${scoreOf(verdicts).toFixed(1)} %`] as const

const killedOf = (verdicts: Verdicts): number => verdicts.filter(([, { killed }]) => killed).length

const scoreOf = (verdicts: Verdicts): number =>
  verdicts.length === 0 ? 100 : (100 * killedOf(verdicts)) / verdicts.length

const list = (title: string, mutants: ReadonlyArray<Mutant>): void => {
  if (mutants.length === 0) {
    return
  }
  console.log(`\n${title}:`)
  for (const mutant of mutants) {
    const { file, line, mutated, original } = mutant
    console.log(`${file}:${line} ${original} -> ${mutated === "" ? "(left out)" : mutated}`)
    const reason = survivorOf(mutant)?.reason
    if (reason !== undefined) {
      console.log(`  ${reason}`)
    }
  }
}
