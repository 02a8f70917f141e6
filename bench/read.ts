/** Nanoseconds per warm read in one fiber, each row run in turn, ratios first. `npm run bench:read` */
import { Cache, Context, Effect, Redacted } from "effect"
import { IssuedToken, TokenCache } from "effect-token-cache"
import { median, printTable } from "./support.js"

const rounds = 15
const reads = 200_000

class Constant extends Context.Tag("bench/Constant")<Constant, { readonly constant: Effect.Effect<string> }>() {}

const Tokens = TokenCache.layer({
  api: { issue: Effect.succeed(IssuedToken.make({ accessToken: "t".repeat(180), expiresIn: "30 days" })) }
})

const program = Effect.gen(function* () {
  const reader = yield* TokenCache.reader("api")
  yield* reader
  const service = yield* TokenCache
  const cache = yield* Cache.make({
    capacity: 10,
    timeToLive: "1 hour",
    lookup: () => Effect.succeed(Redacted.make("t"))
  })
  const rows: ReadonlyArray<readonly [string, () => Effect.Effect<unknown, unknown, TokenCache | Constant>]> = [
    ["Effect.succeed", () => Effect.succeed(1)],
    ["a tag read: flatMap(Tag, (s) => s.constant)", () => Effect.flatMap(Constant, (service) => service.constant)],
    ["TokenCache.reader", () => reader],
    ["TokenCache.token, service in hand", () => service.token("api")],
    ["TokenCache.token, through the tag", () => TokenCache.token("api")],
    ["Cache.get", () => cache.get("api")]
  ]
  const times = rows.map((): Array<number> => [])
  for (let round = 0; round < rounds; round++) {
    for (const [index, [, read]] of rows.entries()) {
      let left = reads
      const startedAt = process.hrtime.bigint()
      yield* Effect.whileLoop({ while: () => left > 0, body: read, step: () => left-- })
      times[index]!.push(Number(process.hrtime.bigint() - startedAt) / reads)
    }
  }
  const medians = times.map(median)
  printTable(
    ["read", "x succeed", "x tag read", "ns, median", "ns, min", "ns, max"],
    rows.map(([name], index) => [
      name,
      (medians[index]! / medians[0]!).toFixed(2),
      (medians[index]! / medians[1]!).toFixed(2),
      medians[index]!.toFixed(0),
      Math.min(...times[index]!).toFixed(0),
      Math.max(...times[index]!).toFixed(0)
    ])
  )
})

Effect.runPromise(
  program.pipe(Effect.provideService(Constant, { constant: Effect.succeed("t") }), Effect.provide(Tokens))
)
