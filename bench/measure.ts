import { Effect, Exit } from "effect"
import { sleep } from "./issuer.js"
import type { Reading, Token } from "./peers/peer.js"

/** Reads one after the other and gives the nanoseconds that all of them took. */
export const timeReads = (reading: Reading, reads: number): Effect.Effect<number> =>
  reading.style === "promise"
    ? Effect.promise(async () => {
        const startedAt = process.hrtime.bigint()
        for (let left = reads; left > 0; left--) await reading.read()
        return Number(process.hrtime.bigint() - startedAt)
      })
    : reading.use((read) =>
        Effect.suspend(() => {
          let left = reads
          const startedAt = process.hrtime.bigint()
          const loop = Effect.whileLoop({ while: () => left > 0, body: read, step: () => left-- })
          return Effect.map(Effect.orDie(loop), () => Number(process.hrtime.bigint() - startedAt))
        })
      )

export interface Latencies {
  /** Of each read, in nanoseconds. */
  readonly nanos: Float64Array
  readonly errors: number
}

/** The same, timing each read, and going on when one fails. */
export const timeEachRead = (reading: Reading, reads: number): Effect.Effect<Latencies> => {
  const nanos = new Float64Array(reads)
  let errors = 0
  if (reading.style === "promise") {
    return Effect.promise(async () => {
      for (let index = 0; index < reads; index++) {
        const startedAt = performance.now()
        try {
          await reading.read()
        } catch {
          errors++
        }
        nanos[index] = (performance.now() - startedAt) * 1e6
      }
      return { nanos, errors }
    })
  }
  return reading.use((read) =>
    Effect.suspend(() => {
      let index = 0
      let startedAt = 0
      const failed = () => Effect.sync(() => errors++)
      const loop = Effect.whileLoop({
        while: () => index < reads,
        body: () => {
          startedAt = performance.now()
          return Effect.catchAllCause(read(), failed)
        },
        step: () => {
          nanos[index++] = (performance.now() - startedAt) * 1e6
        }
      })
      return Effect.map(loop, () => ({ nanos, errors }))
    })
  )
}

/** Starts so many reads at once and gives what comes of each. */
export const readAtOnce = (reading: Reading, reads: number): Effect.Effect<ReadonlyArray<Exit.Exit<Token, unknown>>> =>
  reading.style === "promise"
    ? Effect.promise(() =>
        Promise.all(Array.from({ length: reads }, () => reading.read().then(Exit.succeed, Exit.fail<unknown>)))
      )
    : reading.use((read) =>
        Effect.all(
          Array.from({ length: reads }, () => Effect.exit(read())),
          { concurrency: "unbounded" }
        )
      )

/** The same for readers that wait no longer than `patience`. A read that cannot be interrupted is left behind. */
export const within = (
  patience: number,
  reading: Reading,
  reads: number
): Promise<ReadonlyArray<"reads" | "fails" | "waits">> =>
  Promise.all(
    Array.from({ length: reads }, () =>
      Promise.race([
        Effect.runPromise(readAtOnce(reading, 1)).then(([exit]) =>
          exit !== undefined && Exit.isSuccess(exit) ? "reads" : "fails"
        ),
        sleep(patience).then(() => "waits" as const)
      ])
    )
  )
