/** 1 to 100,000 tokens that are warm and wait for their refresh. */
import { Effect } from "effect"
import { cache, fiberEach } from "../fleet.js"
import { type Measured, measure } from "../scaling.js"
import { atLeast, atMost, type Bar, type Row, type Section, type Size } from "../section.js"
import { median, spread } from "../support.js"

const sizes: Record<Size, ReadonlyArray<number>> = {
  quick: [1, 1_000],
  full: [1, 10, 100, 1_000, 10_000, 100_000]
}

const rounds = 3

interface Sized {
  readonly size: number
  readonly ours: ReadonlyArray<Measured>
  readonly theirs: ReadonlyArray<Measured>
}

const measureSize = (size: number): Effect.Effect<Sized, unknown> =>
  Effect.gen(function* () {
    const ours: Array<Measured> = []
    const theirs: Array<Measured> = []
    for (let round = 0; round < rounds; round++) {
      ours.push(yield* measure(cache, size))
      theirs.push(yield* measure(fiberEach, size))
    }
    return { size, ours, theirs }
  })

const middle = (runs: ReadonlyArray<Measured>, key: keyof Measured) => median(runs.map((run) => run[key]))

const ratio = ({ ours, theirs }: Sized, key: keyof Measured) => middle(theirs, key) / middle(ours, key)

const rows = (sized: Sized): ReadonlyArray<Row> => {
  const figures = (runs: ReadonlyArray<Measured>) => ({
    bytes: spread(runs.map(({ bytesPerToken }) => bytesPerToken)),
    start: spread(runs.map(({ startMillis }) => startMillis)),
    close: spread(runs.map(({ closeMillis }) => closeMillis))
  })
  const name = (fleet: string) => `${sized.size.toLocaleString("en")}, ${fleet}`
  return [
    {
      name: name(cache.name),
      ours: true,
      figures: {
        bytesRatio: ratio(sized, "bytesPerToken"),
        startRatio: ratio(sized, "startMillis"),
        closeRatio: ratio(sized, "closeMillis"),
        ...figures(sized.ours)
      }
    },
    {
      name: name(fiberEach.name),
      ours: false,
      figures: { bytesRatio: null, startRatio: null, closeRatio: null, ...figures(sized.theirs) }
    }
  ]
}

const bars = (all: ReadonlyArray<Sized>): ReadonlyArray<Bar> => {
  const thousand = all.find(({ size }) => size === 1_000)!
  const largest = all.at(-1)!
  const bytes = middle(largest.ours, "bytesPerToken")
  const flat = all.filter(({ size }) => size >= 1_000).map(({ ours }) => middle(ours, "bytesPerToken"))
  const of = `${largest.size.toLocaleString("en")} tokens`
  return [
    atMost(`bytes per warm token over an empty cache, ${of}`, 1024, bytes, 0),
    atMost(
      `the same from ${thousand.size.toLocaleString("en")} tokens on, most by least`,
      1.5,
      Math.max(...flat) / Math.min(...flat)
    ),
    atLeast(`start of ${of}, times faster than a fiber each`, 2, ratio(largest, "startMillis"))
  ]
}

export const section: Section = {
  nodeOptions: ["--expose-gc"],
  run: async (size) => {
    const program = Effect.gen(function* () {
      yield* measure(cache, 1_000)
      yield* measure(fiberEach, 1_000)
      return yield* Effect.forEach(sizes[size], measureSize)
    })
    const all = await Effect.runPromise(program)
    return {
      tables: [
        {
          id: "scale",
          title: "Warm tokens of 180 characters and 30 days from a synchronous issuer; a fiber each / TokenCache",
          columns: [
            { key: "bytesRatio", title: "times the bytes", digits: 1 },
            { key: "startRatio", title: "times the start", digits: 1 },
            { key: "closeRatio", title: "times the close", digits: 1 },
            { key: "bytes", title: "bytes each", digits: 0 },
            { key: "start", title: "start, ms", digits: 1 },
            { key: "close", title: "close, ms", digits: 1 }
          ],
          rows: all.flatMap(rows)
        }
      ],
      bars: bars(all)
    }
  }
}
