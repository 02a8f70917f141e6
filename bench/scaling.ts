/** What a fleet of tokens takes: bytes over an empty one, and the time to start and to close. */
import { Effect, Exit, Scope } from "effect"
import { type Fleet, type FleetIssuer, sharedIssuer } from "./fleet.js"
import { sleep } from "./issuer.js"

const month = 30 * 24 * 3_600_000

export interface Measured {
  readonly bytesPerToken: number
  readonly startMillis: number
  readonly closeMillis: number
}

/** Of a few tokens, several fleets are started, so that there is something to measure. */
export const measure = (fleet: Fleet, size: number): Effect.Effect<Measured, unknown> =>
  Effect.gen(function* () {
    const copies = Math.min(100, Math.max(1, Math.floor(1000 / size)))
    const issuer = sharedIssuer(month)
    const empty = yield* startMany(fleet, 0, copies, issuer)
    const full = yield* startMany(fleet, size, copies, issuer)
    yield* close(empty)
    const closing = performance.now()
    yield* close(full)
    return {
      bytesPerToken: (full.heapGrowth - empty.heapGrowth) / (copies * size),
      startMillis: full.millis / copies,
      closeMillis: (performance.now() - closing) / copies
    }
  })

interface Started {
  readonly scopes: ReadonlyArray<Scope.CloseableScope>
  readonly millis: number
  readonly heapGrowth: number
  /** Holds what was started until its memory is measured. */
  readonly kept: ReadonlyArray<unknown>
}

const startMany = (fleet: Fleet, size: number, copies: number, issuer: FleetIssuer) =>
  Effect.gen(function* () {
    const before = yield* settledHeap
    const startedAt = performance.now()
    const scopes = yield* Effect.replicateEffect(Scope.make(), copies)
    const kept = yield* Effect.forEach(scopes, (scope) => Scope.extend(fleet.start(size, issuer), scope))
    const millis = performance.now() - startedAt
    const started: Started = { scopes, millis, heapGrowth: (yield* settledHeap) - before, kept }
    return started
  })

const close = ({ scopes }: Started) =>
  Effect.forEach(scopes, (scope) => Scope.close(scope, Exit.void), { discard: true })

const settledHeap = Effect.promise(async () => {
  for (let i = 0; i < 4; i++) {
    await sleep(20)
    globalThis.gc!()
  }
  return process.memoryUsage().heapUsed
})
