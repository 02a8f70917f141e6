/** Many readers at once, of a token that is not there yet and of one that has expired. */
import { Effect, Exit, Logger, LogLevel, Redacted, Scope } from "effect"
import * as Issuer from "../issuer.js"
import { readAtOnce } from "../measure.js"
import * as Peers from "../peers/index.js"
import type { Peer } from "../peers/peer.js"
import type { Bar, Row, Section, Size, Table } from "../section.js"
import { spread } from "../support.js"
import * as WallClock from "../wallClock.js"

const lifetime = 900
const issuerDelay = 20

const sizes: Record<Size, { readonly rounds: number; readonly readers: ReadonlyArray<number> }> = {
  quick: { rounds: 1, readers: [100, 1000] },
  full: { rounds: 3, readers: [100, 1_000, 10_000] }
}

interface Wave {
  readonly issues: number
  readonly millis: number
  readonly errors: number
  /** Readers that were given a token that had run out. */
  readonly expired: number
}

interface Outcome {
  readonly cold: Wave
  readonly expired: Wave
}

const outcome = (peer: Peer, readers: number, clock: WallClock.WallClock): Effect.Effect<Outcome> =>
  Effect.gen(function* () {
    const issuer = Issuer.make({ lifetime, delay: issuerDelay })
    const scope = yield* Scope.make()
    const startedAt = performance.now()
    const reading = yield* Scope.extend(peer.make(issuer.issue), scope)
    const wave = (from: number) =>
      Effect.map(readAtOnce(reading, readers), (results): Wave => {
        const issues = issuer.issues()
        issuer.reset()
        return {
          issues,
          millis: performance.now() - from,
          errors: results.filter(Exit.isFailure).length,
          expired: results.filter(
            (result) =>
              Exit.isSuccess(result) &&
              issuer.isExpired(Redacted.isRedacted(result.value) ? Redacted.value(result.value) : result.value)
          ).length
        }
      })
    const cold = yield* wave(startedAt)
    clock.advance((lifetime + 1) * 1000)
    const expired = yield* wave(performance.now())
    yield* Scope.close(scope, Exit.void)
    return { cold, expired }
  })

const measure = (size: Size) =>
  Effect.gen(function* () {
    const { readers, rounds } = sizes[size]
    const clock = WallClock.install()
    const rows = Peers.all(lifetime, lifetime * 500).flatMap((peer) =>
      readers.map((count) => ({ peer, count, outcomes: [] as Outcome[] }))
    )
    for (let round = 0; round < rounds; round++) {
      for (const { count, outcomes, peer } of rows) {
        outcomes.push(yield* outcome(peer, count, clock))
      }
    }
    return rows
  })

type Measured = Effect.Effect.Success<ReturnType<typeof measure>>

const most = (outcomes: ReadonlyArray<Outcome>, wave: keyof Outcome, key: keyof Wave) =>
  Math.max(...outcomes.map((outcome) => outcome[wave][key]))

const marks = (outcomes: ReadonlyArray<Outcome>): string | undefined => {
  const found = [
    most(outcomes, "cold", "issues") > 1 ? `issues ${most(outcomes, "cold", "issues").toLocaleString("en")} times` : "",
    most(outcomes, "expired", "expired") > 0 ? "gives out the expired token" : "",
    most(outcomes, "cold", "errors") + most(outcomes, "expired", "errors") > 0 ? "fails" : ""
  ].filter((mark) => mark !== "")
  return found.length === 0 ? undefined : found.join(", ")
}

const table = (measured: Measured, count: number): Table => ({
  id: `stampede-${count}`,
  title: `${count.toLocaleString("en")} readers at once; the issuer takes ${issuerDelay} ms`,
  columns: [
    { key: "coldIssues", title: "cold: issues", digits: 0 },
    { key: "coldMillis", title: "ms", digits: 0 },
    { key: "expiredIssues", title: "expired: issues", digits: 0 },
    { key: "expiredMillis", title: "ms", digits: 0 }
  ],
  rows: measured
    .filter((row) => row.count === count)
    .map(({ outcomes, peer }): Row => {
      const found = marks(outcomes)
      return {
        name: peer.name,
        ours: peer.kind === "ours",
        figures: {
          coldIssues: most(outcomes, "cold", "issues"),
          coldMillis: spread(outcomes.map(({ cold }) => cold.millis)),
          expiredIssues: most(outcomes, "expired", "issues"),
          expiredMillis: spread(outcomes.map(({ expired }) => expired.millis))
        },
        ...(found === undefined ? undefined : { marks: found })
      }
    })
})

const bars = (measured: Measured): ReadonlyArray<Bar> =>
  measured
    .filter(({ count, peer }) => peer.kind === "ours" && count === Math.max(...measured.map(({ count }) => count)))
    .flatMap(({ count, outcomes, peer }) =>
      (["cold", "expired"] as const).map((wave): Bar => {
        const issues = most(outcomes, wave, "issues")
        return {
          what: `issues for ${count.toLocaleString("en")} readers of ${wave === "cold" ? "a cold" : "an expired"} token, ${peer.name}`,
          bar: "exactly 1",
          figure: String(issues),
          met: issues === 1
        }
      })
    )

export const section: Section = {
  nodeOptions: [],
  run: async (size) => {
    const measured = await Effect.runPromise(Logger.withMinimumLogLevel(measure(size), LogLevel.None))
    return { tables: sizes[size].readers.map((count) => table(measured, count)), bars: bars(measured) }
  }
}
