/** Readers of a token close to its expiry, while the issuer answers, hangs and fails; all peers in turn. */
import { Effect, Logger, LogLevel, Scope } from "effect"
import * as Issuer from "../issuer.js"
import { readAtOnce, timeEachRead, within } from "../measure.js"
import * as Peers from "../peers/index.js"
import type { Peer, Reading } from "../peers/peer.js"
import { atMost, type Bar, type Result, type Row, type Section, type Size } from "../section.js"
import { median, quantile } from "../support.js"
import * as WallClock from "../wallClock.js"

const lifetime = 900
const left = 55
/** When `Resource` refreshes, in milliseconds: it does not see the wall clock move. */
const resourceEvery = 200
/** How long a reader waits, in milliseconds. */
const patience = 1000
const readersAtOnce = 20
/** More than the 3 seconds between two attempts of the Azure cycler. */
const afterExpiry = 4000

const sizes: Record<Size, { readonly rounds: number; readonly reads: number }> = {
  quick: { rounds: 2, reads: 50 },
  full: { rounds: 15, reads: 400 }
}

const behaviours = ["answers", "hangs", "fails"] as const

interface Run {
  readonly reading: Reading
  readonly issuer: Issuer.Issuer
  /** Readers without an answer after `patience`. */
  waiting: number
  readonly p50: Array<number>
  readonly p99: Array<number>
  reads: number
  errors: number
}

type Runs = Record<(typeof behaviours)[number], Run>

const start = (peer: Peer) =>
  Effect.gen(function* () {
    const issuer = Issuer.make({ lifetime, delay: 0 })
    const reading = yield* peer.make(issuer.issue)
    yield* readAtOnce(reading, 1)
    const run: Run = { reading, issuer, waiting: 0, p50: [], p99: [], reads: 0, errors: 0 }
    return run
  })

const measure = (size: Size) =>
  Effect.gen(function* () {
    const { reads, rounds } = sizes[size]
    const clock = WallClock.install()
    const unhandled: unknown[] = []
    process.on("unhandledRejection", (error) => unhandled.push(error))
    const rows = yield* Effect.forEach(Peers.all(lifetime, resourceEvery), (peer) =>
      Effect.map(Effect.all({ answers: start(peer), hangs: start(peer), fails: start(peer) }), (runs: Runs) => ({
        peer,
        runs
      }))
    )
    for (const { runs } of rows) {
      for (const behaviour of behaviours) {
        runs[behaviour].issuer.becomes(behaviour)
        runs[behaviour].issuer.reset()
      }
    }
    clock.advance((lifetime - left) * 1000)
    const all = rows.flatMap(({ runs }) => behaviours.map((behaviour) => runs[behaviour]))
    yield* Effect.promise(() =>
      Promise.all(
        all.map(async (run) => {
          const results = await within(patience, run.reading, readersAtOnce)
          run.waiting = results.filter((result) => result === "waits").length
          run.errors = results.filter((result) => result === "fails").length
          run.reads = results.length
        })
      )
    )
    for (let round = 0; round < rounds; round++) {
      for (const run of all) {
        if (run.waiting === 0) {
          const { errors, nanos } = yield* timeEachRead(run.reading, reads)
          run.p50.push(quantile(nanos, 0.5))
          run.p99.push(quantile(nanos, 0.99))
          run.reads += reads
          run.errors += errors
        }
      }
    }
    clock.advance(left * 1000)
    yield* Effect.sleep(afterExpiry)
    return rows.map(({ peer, runs }) => ({
      peer,
      runs,
      endsProcess: unhandled.some((error) => runs.fails.issuer.threw(error))
    }))
  })

type Measured = Effect.Effect.Success<ReturnType<typeof measure>>

const micros = (nanos: ReadonlyArray<number>) => median(nanos) / 1000

const figures = ({ p50, p99, waiting }: Run) =>
  waiting > 0 ? { p50: patience * 1000, p99: patience * 1000 } : { p50: micros(p50), p99: micros(p99) }

/** Of the rounds one by one, which lie next to each other in time. */
const p99Ratio = ({ answers, hangs }: Runs) => median(hangs.p99.map((p99, round) => p99 / answers.p99[round]!))

const marks = ({ endsProcess, runs: { fails, hangs } }: Measured[number]): string | undefined => {
  const found = [
    hangs.waiting > 0 ? `while it hangs, ${hangs.waiting} of ${readersAtOnce} readers wait over ${patience} ms` : "",
    fails.errors > 0 ? `while it fails, ${Math.ceil((100 * fails.errors) / fails.reads)} % of reads fail` : "",
    fails.waiting > 0 ? `while it fails, ${fails.waiting} of ${readersAtOnce} readers wait over ${patience} ms` : "",
    endsProcess ? "an unhandled rejection when the old one expires ends the process" : "",
    hangs.issuer.issues() === 0 ? "asks for no new token before the old one expires" : ""
  ].filter((mark) => mark !== "")
  return found.length === 0 ? undefined : found.join("; ")
}

const row = (measured: Measured[number]): Row => {
  const { peer, runs } = measured
  const found = marks(measured)
  return {
    name: peer.name,
    ours: peer.kind === "ours",
    figures: {
      ratio: runs.hangs.waiting > 0 ? null : p99Ratio(runs),
      answersP50: figures(runs.answers).p50,
      answersP99: figures(runs.answers).p99,
      hangsP50: figures(runs.hangs).p50,
      hangsP99: figures(runs.hangs).p99,
      failsP50: figures(runs.fails).p50,
      failsP99: figures(runs.fails).p99,
      errors: (100 * runs.fails.errors) / runs.fails.reads,
      issues: (1000 * runs.fails.issuer.issues()) / runs.fails.reads
    },
    ...(found === undefined ? undefined : { marks: found })
  }
}

const bars = (measured: Measured): ReadonlyArray<Bar> =>
  measured
    .filter(({ peer }) => peer.kind === "ours")
    .map(({ peer, runs }) =>
      atMost(`p99 while a refresh hangs, times that while it does not, ${peer.name}`, 1.5, p99Ratio(runs))
    )

export const section: Section = {
  nodeOptions: [],
  run: async (size) => {
    // Left open: a `Resource` whose refresh hangs cannot be closed.
    const scope = await Effect.runPromise(Scope.make())
    const program = Logger.withMinimumLogLevel(Scope.extend(measure(size), scope), LogLevel.None)
    return result(await Effect.runPromise(program))
  }
}

const result = (measured: Measured): Result => ({
  tables: [
    {
      id: "refresh",
      title: `Readers of a token with ${left} s left, microseconds; issues per 1,000 reads`,
      columns: [
        { key: "ratio", title: "p99 hangs / answers", digits: 2 },
        { key: "answersP50", title: "answers: p50", digits: 2 },
        { key: "answersP99", title: "p99", digits: 2 },
        { key: "hangsP50", title: "hangs: p50", digits: 2 },
        { key: "hangsP99", title: "p99", digits: 2 },
        { key: "failsP50", title: "fails: p50", digits: 2 },
        { key: "failsP99", title: "p99", digits: 2 },
        { key: "errors", title: "errors, %", digits: 0 },
        { key: "issues", title: "issues", digits: 1 }
      ],
      rows: measured.map(row)
    }
  ],
  bars: bars(measured)
})
