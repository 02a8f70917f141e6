import { type Bar, type Column, format, type Result, type Row, type Table } from "./section.js"
import { printTable } from "./support.js"

export const print = ({ bars, tables }: Result): void => {
  for (const table of tables) {
    console.log(`\n${table.title}`)
    printTable(head(table), cells(table))
  }
  if (bars.length > 0) {
    console.log("")
    printTable(barHead, bars.map(barCells))
  }
}

export const markdown = (table: Table): string => markdownTable(head(table), cells(table))

export const markdownBars = (bars: ReadonlyArray<Bar>): string => markdownTable(barHead, bars.map(barCells))

const head = ({ columns, rows }: Table): ReadonlyArray<string> => [
  "",
  ...columns.map(({ title }) => title),
  ...(hasMarks(rows) ? ["does not do the job"] : [])
]

const cells = ({ columns, rows }: Table): ReadonlyArray<ReadonlyArray<string>> =>
  rows.map((row) => [
    row.name,
    ...columns.map((column) => cell(column, row)),
    ...(hasMarks(rows) ? [row.marks ?? ""] : [])
  ])

const hasMarks = (rows: ReadonlyArray<Row>): boolean => rows.some(({ marks }) => marks !== undefined)

const cell = ({ digits, key }: Column, { figures }: Row): string => {
  const figure = figures[key] ?? null
  return figure === null
    ? "-"
    : typeof figure === "number"
      ? format(figure, digits)
      : `${format(figure.median, digits)} (${format(figure.min, digits)}-${format(figure.max, digits)})`
}

const barHead = ["number to reach", "bar", "figure", ""]

const barCells = ({ bar, figure, met, what }: Bar) => [what, bar, figure, met ? "met" : "MISSED"]

const markdownTable = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [head, ["---", ...head.slice(1).map(() => "---:")], ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n")
