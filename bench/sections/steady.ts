/** A steady 1,000 refreshes a second, of 1,000 to 100,000 tokens: CPU of each, and how late it starts. */
import { Effect, Exit, Scope } from "effect"
import { cache, type Fleet, fiberEach, fleetIssuer } from "../fleet.js"
import type { Row, Section, Size } from "../section.js"
import { quantile } from "../support.js"

const perSecond = 1000

const sizes: Record<Size, { readonly tokens: ReadonlyArray<number>; readonly seconds: number }> = {
  quick: { tokens: [1_000], seconds: 2 },
  full: { tokens: [1_000, 100_000], seconds: 6 }
}

/** More than a token takes to start, in milliseconds: the refreshes begin when all have started. */
const startMillis = (fleet: Fleet) => (fleet === cache ? 0.15 : 0.4)

interface Measured {
  readonly fleet: Fleet
  readonly tokens: number
  readonly refreshes: number
  readonly cpuMicros: number
  readonly lateMillis: ReadonlyArray<number>
}

const now = () => performance.timeOrigin + performance.now()

/**
 * Tokens that are due one after the other, a thousand a second, from an instant on when all have started. Both fleets
 * refresh at half of the lifetime.
 */
const timedIssuer = (tokens: number, beginsAt: number) => {
  const period = (tokens / perSecond) * 1000
  const dueAt = new Float64Array(tokens)
  const lateMillis: Array<number> = []
  let measuring = false
  const issuer = fleetIssuer((index) => {
    const at = now()
    const due = dueAt[index]!
    if (due === 0) {
      dueAt[index] = beginsAt + (index * 1000) / perSecond
      return 2 * Math.max(1000, Math.round(dueAt[index]! - at))
    }
    if (measuring) lateMillis.push(at - due)
    dueAt[index] = at + period
    return 2 * period
  })
  return {
    issuer,
    lateMillis,
    measure: (on: boolean) => {
      measuring = on
    }
  }
}

const measure = (fleet: Fleet, tokens: number, seconds: number): Effect.Effect<Measured, unknown> =>
  Effect.gen(function* () {
    const beginsAt = now() + 2000 + tokens * startMillis(fleet)
    const { issuer, lateMillis, measure } = timedIssuer(tokens, beginsAt)
    const scope = yield* Scope.make()
    yield* Scope.extend(fleet.start(tokens, issuer), scope)
    globalThis.gc!()
    // A second of it before anything is measured.
    yield* Effect.sleep(Math.max(1000, beginsAt + 1000 - now()))
    measure(true)
    const cpu = process.cpuUsage()
    yield* Effect.sleep(seconds * 1000)
    const { system, user } = process.cpuUsage(cpu)
    measure(false)
    yield* Scope.close(scope, Exit.void)
    return { fleet, tokens, refreshes: lateMillis.length, cpuMicros: (user + system) / lateMillis.length, lateMillis }
  })

const row = ({ cpuMicros, fleet, lateMillis, refreshes, tokens }: Measured, seconds: number): Row => ({
  name: `${tokens.toLocaleString("en")}, ${fleet.name}`,
  ours: fleet === cache,
  figures: {
    cpu: cpuMicros,
    p50: quantile(lateMillis, 0.5),
    p99: quantile(lateMillis, 0.99),
    max: quantile(lateMillis, 1),
    rate: refreshes / seconds
  }
})

export const section: Section = {
  nodeOptions: ["--expose-gc"],
  run: async (size) => {
    const { seconds, tokens } = sizes[size]
    const program = Effect.forEach(tokens, (count) =>
      Effect.forEach([cache, fiberEach], (fleet) => measure(fleet, count, seconds))
    )
    const measured = (await Effect.runPromise(program)).flat()
    return {
      tables: [
        {
          id: "steady",
          title: "A steady 1,000 refreshes a second with a synchronous issuer",
          columns: [
            { key: "cpu", title: "CPU per refresh, us", digits: 0 },
            { key: "p50", title: "late by, ms: p50", digits: 2 },
            { key: "p99", title: "p99", digits: 2 },
            { key: "max", title: "max", digits: 1 },
            { key: "rate", title: "refreshes a second", digits: 0 }
          ],
          rows: measured.map((each) => row(each, seconds))
        }
      ],
      bars: []
    }
  }
}
