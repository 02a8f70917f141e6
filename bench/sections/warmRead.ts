/** The nanoseconds and the bytes of one read of a warm token, all rows in turn. */
import { Context, Effect } from "effect"
import * as Issuer from "../issuer.js"
import { timeReads } from "../measure.js"
import { bare } from "../peers/bare.js"
import * as Peers from "../peers/index.js"
import type { Peer, Reading } from "../peers/peer.js"
import { atMost, type Bar, type Row, type Section, type Size } from "../section.js"
import { median, type Spread, spread } from "../support.js"

const lifetime = 3600

const sizes: Record<Size, { readonly rounds: number; readonly nanosPerRound: number; readonly bytes: number }> = {
  quick: { rounds: 3, nanosPerRound: 3e6, bytes: 4e6 },
  full: { rounds: 25, nanosPerRound: 2e7, bytes: 3e7 }
}

class Constant extends Context.Tag("bench/Constant")<Constant, { readonly constant: Effect.Effect<string> }>() {}

const succeed: Peer = {
  name: "Effect.succeed",
  kind: "bare",
  make: () => Effect.succeed({ style: "fiber", use: (body) => body(() => Effect.succeed("token")) })
}

const tagRead: Peer = {
  name: "a tag read: flatMap(Tag, (s) => s.constant)",
  kind: "bare",
  make: () =>
    Effect.succeed({
      style: "fiber",
      use: (body) =>
        Effect.provideService(
          body(() => Effect.flatMap(Constant, (service) => service.constant)),
          Constant,
          { constant: Effect.succeed("token") }
        )
    })
}

interface Measured {
  readonly peer: Peer
  readonly nanos: Spread
  readonly bytes: number
}

const measure = (size: Size) =>
  Effect.gen(function* () {
    const { bytes, nanosPerRound, rounds } = sizes[size]
    const { issue } = Issuer.make({ lifetime, delay: 0 })
    const rows = yield* Effect.forEach([succeed, tagRead, bare, ...Peers.all(lifetime, lifetime * 500)], (peer) =>
      Effect.map(peer.make(issue), (reading) => ({ peer, reading }))
    )
    const counted = yield* Effect.forEach(rows, ({ peer, reading }) =>
      Effect.map(readsIn(reading, nanosPerRound), (reads) => ({
        peer,
        reading,
        reads,
        nanos: [] as number[],
        bytes: [] as number[]
      }))
    )
    for (let round = 0; round < rounds; round++) {
      for (const { nanos, reading, reads } of counted) {
        nanos.push((yield* timeReads(reading, reads)) / reads)
      }
    }
    for (let round = 0; round < 5; round++) {
      for (const row of counted) {
        row.bytes.push(yield* allocated(row.reading, row.reads, bytes))
      }
    }
    return counted.map(({ bytes, nanos, peer }): Measured => ({ peer, nanos: spread(nanos), bytes: median(bytes) }))
  })

/** How many reads take about so long, once they have run often enough to be compiled. */
const readsIn = (reading: Reading, nanos: number) =>
  Effect.gen(function* () {
    let reads = 10
    let took = yield* timeReads(reading, reads)
    while (took < nanos) {
      reads *= 2
      took = yield* timeReads(reading, reads)
    }
    return reads
  })

/** Bytes per read, of so few reads that nothing is collected in between. */
const allocated = (reading: Reading, mostReads: number, bytes: number) =>
  Effect.gen(function* () {
    const probe = yield* heapGrowth(reading, Math.min(mostReads, 1000))
    const reads = Math.min(mostReads, Math.max(1, Math.floor(bytes / Math.max(probe, 1))))
    return yield* heapGrowth(reading, reads)
  })

const heapGrowth = (reading: Reading, reads: number) =>
  Effect.gen(function* () {
    globalThis.gc!()
    const before = process.memoryUsage().heapUsed
    yield* timeReads(reading, reads)
    return Math.max(0, process.memoryUsage().heapUsed - before) / reads
  })

const named = (measured: ReadonlyArray<Measured>, name: string): number =>
  measured.find(({ peer }) => peer.name === name)?.nanos.median ?? Number.NaN

const bars = (measured: ReadonlyArray<Measured>): ReadonlyArray<Bar> => {
  const token = named(measured, "TokenCache.token")
  const reader = named(measured, "TokenCache.reader")
  return [
    atMost("warm read through the tag, times a tag read", 2, token / named(measured, tagRead.name)),
    atMost("warm read through a reader, times Effect.succeed", 3, reader / named(measured, succeed.name)),
    ...measured
      .filter(({ peer }) => peer.kind === "npm" || peer.name === "Effect Cache.get")
      .map(({ nanos, peer }) => atMost(`warm read through the tag, times ${peer.name}`, 1, token / nanos.median))
  ]
}

export const section: Section = {
  nodeOptions: ["--expose-gc", "--min-semi-space-size=64", "--max-semi-space-size=64"],
  run: async (size) => {
    const measured = await Effect.runPromise(Effect.scoped(measure(size)))
    const token = named(measured, "TokenCache.token")
    return {
      tables: [
        {
          id: "warm-read",
          title: "Warm read: in one fiber, or awaited one after the other",
          columns: [
            { key: "ratio", title: "times TokenCache.token", digits: 2 },
            { key: "nanos", title: "ns", digits: 0 },
            { key: "bytes", title: "bytes", digits: 0 }
          ],
          rows: measured.map(
            ({ bytes, nanos, peer }): Row => ({
              name: peer.name,
              ours: peer.kind === "ours",
              figures: { ratio: nanos.median / token, nanos, bytes }
            })
          )
        }
      ],
      bars: bars(measured)
    }
  }
}
