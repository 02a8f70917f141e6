/**
 * Bytes per warm token over an empty cache, and the time to start and to close, beside a fiber, a Schedule and a
 * SubscriptionRef per token. The issuer is synchronous; a token is 180 characters. `npm run bench:memory`
 */
import { Effect } from "effect"
import { cache, fiberEach } from "./fleet.js"
import { type Measured, measure } from "./scaling.js"
import { median, printTable } from "./support.js"

const sizes = process.argv[2] === undefined ? [1_000, 10_000, 100_000] : [Number(process.argv[2])]
const rounds = 3

const program = Effect.gen(function* () {
  yield* measure(cache, 1_000)
  yield* measure(fiberEach, 1_000)
  for (const size of sizes) {
    const ours: Array<Measured> = []
    const theirs: Array<Measured> = []
    for (let round = 0; round < rounds; round++) {
      ours.push(yield* measure(cache, size))
      theirs.push(yield* measure(fiberEach, size))
    }
    const of = (runs: ReadonlyArray<Measured>, key: keyof Measured) => median(runs.map((run) => run[key]))
    const row = (key: keyof Measured, digits: number) => [
      (of(theirs, key) / of(ours, key)).toFixed(1),
      of(ours, key).toFixed(digits),
      of(theirs, key).toFixed(digits)
    ]
    console.log(`\n${size.toLocaleString("en")} tokens`)
    printTable(
      ["", "fiber each / cache", "cache", "fiber each"],
      [
        ["bytes per warm token", ...row("bytesPerToken", 0)],
        ["start, ms", ...row("startMillis", 0)],
        ["close, ms", ...row("closeMillis", 0)]
      ]
    )
  }
})

console.log(`Node ${process.version}, medians of ${rounds}; tokens of 30 days`)
Effect.runPromise(program)
