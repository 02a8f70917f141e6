import type { Spread } from "./support.js"

/** A part of the benchmark, run in a process of its own. */
export interface Section {
  /** Of its process, on top of the loader. */
  readonly nodeOptions: ReadonlyArray<string>
  readonly run: (size: Size) => Promise<Result>
}

/** `quick` is for working on the benchmark: its figures mean nothing. */
export type Size = "quick" | "full"

export interface Result {
  readonly tables: ReadonlyArray<Table>
  readonly bars: ReadonlyArray<Bar>
}

export interface Table {
  /** Names it in results.json, and in the documents that show it. */
  readonly id: string
  readonly title: string
  readonly columns: ReadonlyArray<Column>
  readonly rows: ReadonlyArray<Row>
}

export interface Column {
  readonly key: string
  readonly title: string
  /** Behind the decimal point. */
  readonly digits: number
}

export interface Row {
  readonly name: string
  /** Whether it is a row of this library. */
  readonly ours: boolean
  /** `null` where there is nothing to measure. */
  readonly figures: Readonly<Record<string, number | Spread | null>>
  /** What it does not do, as measured. */
  readonly marks?: string
}

/** A number to reach. */
export interface Bar {
  readonly what: string
  readonly bar: string
  readonly figure: string
  readonly met: boolean
}

export const atMost = (what: string, limit: number, figure: number, digits = 2): Bar => ({
  what,
  bar: `at most ${limit.toLocaleString("en")}`,
  figure: format(figure, digits),
  met: figure <= limit
})

export const atLeast = (what: string, limit: number, figure: number, digits = 2): Bar => ({
  what,
  bar: `at least ${limit.toLocaleString("en")}`,
  figure: format(figure, digits),
  met: figure >= limit
})

export const format = (value: number, digits: number): string =>
  value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })
