/**
 * Runs the sections, each in a process of its own, and prints their tables. `npm run bench` runs all of them and writes
 * bench/results.json, docs/charts and the tables of docs/performance.md; `npm run bench -- scale streams` runs these and
 * writes nothing, and neither does `npm run bench -- --quick`, which is for working on the benchmark.
 */
import { fork } from "node:child_process"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { availableParallelism, cpus } from "node:os"
import { fileURLToPath } from "node:url"
import { fill } from "./document.js"
import * as Report from "./report.js"
import type { Result, Size, Table } from "./section.js"
import { sections } from "./sections/index.js"

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url))

const runSection = async (name: string, size: Size): Promise<Result> => {
  const { section } = await sections[name]!()
  return new Promise((resolve, reject) => {
    const child = fork(file("runSection.ts"), [name, size], {
      execArgv: ["--import", "tsx", ...section.nodeOptions]
    })
    // What `runSection.ts` sends is a `Result`.
    child.on("message", (result) => resolve(result as Result))
    child.on("exit", (code, signal) => reject(new Error(`section ${name} ended with ${signal ?? code}`)))
  })
}

const machine = () => ({
  date: new Date().toISOString().slice(0, 10),
  node: process.versions.node,
  cores: availableParallelism(),
  cpu: cpus()[0]?.model ?? "unknown"
})

const write = async (results: ReadonlyMap<string, Result>): Promise<void> => {
  const { draw } = await import("./charts.js")
  const tables = new Map<string, Table>()
  for (const { tables: all } of results.values()) {
    for (const table of all) tables.set(table.id, table)
  }
  const bars = [...results.values()].flatMap(({ bars }) => bars)
  const taken = machine()
  writeFileSync(
    file("results.json"),
    `${JSON.stringify({ machine: taken, bars, sections: Object.fromEntries(results) }, null, 2)}\n`
  )
  mkdirSync(file("../docs/charts"), { recursive: true })
  for (const [name, svg] of Object.entries(draw(tables))) {
    writeFileSync(file(`../docs/charts/${name}.svg`), svg)
  }
  const parts = new Map([
    ["machine", `Taken on ${taken.date}: Node ${taken.node}, ${taken.cores} virtual cores.`],
    ["bars", Report.markdownBars(bars)],
    ...[...tables.values()].map((table): [string, string] => [table.id, Report.markdown(table)])
  ] satisfies ReadonlyArray<[string, string]>)
  for (const path of ["../docs/performance.md", "../README.md"].map(file)) {
    const text = readFileSync(path, "utf8")
    const filled = fill(text, parts)
    if (filled !== text) writeFileSync(path, filled)
  }
}

const main = async (args: ReadonlyArray<string>): Promise<void> => {
  const size: Size = args.includes("--quick") ? "quick" : "full"
  const asked = args.filter((arg) => arg !== "--quick")
  const unknown = asked.find((name) => !(name in sections))
  if (unknown !== undefined) {
    throw new Error(`no section "${unknown}": ${Object.keys(sections).join(", ")}`)
  }
  const results = new Map<string, Result>()
  for (const name of asked.length === 0 ? Object.keys(sections) : asked) {
    const startedAt = performance.now()
    const result = await runSection(name, size)
    console.log(`\n# ${name}, ${Math.round((performance.now() - startedAt) / 1000)} s`)
    Report.print(result)
    results.set(name, result)
  }
  if (size === "full" && asked.length === 0) {
    await write(results)
  }
  const missed = [...results.values()].flatMap(({ bars }) => bars).filter(({ met }) => !met)
  console.log(`\n${missed.length} of the numbers to reach ${missed.length === 1 ? "is" : "are"} missed.`)
}

await main(process.argv.slice(2))
