import { assert, describe, it } from "@effect/vitest"
import { Effect, Random, Schedule, TestClock } from "effect"
import { TokenCache } from "effect-token-cache"
import * as Issuer from "./support/issuer.js"

const token = TokenCache.token("line")

const read = Effect.map(token, Issuer.value)

const refresh = TokenCache.refresh("line")

const status = TokenCache.status("line")

const layer = (issuer: ReturnType<typeof Issuer.scripted>, options = {}) =>
  TokenCache.layer({ line: { issue: issuer.issue, jitter: 0, ...options } })

const seconds = (issuer: { readonly calls: ReadonlyArray<number> }) => issuer.calls.map((at) => at / 1000)

/** Uses the token, and says that it must not be used again. */
const invalidated = Effect.tap(token, (token) => TokenCache.invalidate("line", token))

const refused = Effect.tap(token, (token) => TokenCache.unauthorized("line", token))

/** An issuer that takes 20 seconds to ask for a pause of a minute. */
const slowlyThrottled = () =>
  Issuer.scripted(
    Issuer.run(
      Effect.delay(Issuer.scripted(Issuer.fail({ reason: "Throttled", retryAfter: "1 minute" })).issue, "20 seconds")
    ),
    Issuer.succeed("1 hour")
  )

describe("a Retry-After", () => {
  it.effect("counts from the end of the attempt for a schedule that knows nothing of it", () => {
    const issuer = slowlyThrottled()
    return Effect.gen(function* () {
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(seconds(issuer).slice(0, 2), [0, 80])
    }).pipe(Effect.provide(TokenCache.layer({ line: { issue: issuer.issue, schedule: Schedule.spaced("5 seconds") } })))
  })

  it.effect("counts from the end of the attempt for a refresh", () => {
    const issuer = slowlyThrottled()
    return Effect.gen(function* () {
      yield* TestClock.adjust("79 seconds")
      const error = yield* Effect.flip(refresh)
      assert.deepStrictEqual([error.reason, error.nextAttemptAt], ["IssueFailed", 80_000])
      assert.strictEqual(issuer.calls.length, 1)
    }).pipe(Effect.provide(layer(issuer, { retryAfter: "1 second" })))
  })
})

describe("a report that counts as a failure", () => {
  for (const [verb, report] of [
    ["invalidate", invalidated],
    ["unauthorized", refused]
  ] as const) {
    it.effect(`is one more in a row, whatever was issued in between: ${verb}`, () => {
      const issuer = Issuer.scripted(Issuer.succeed("30 days"))
      return Effect.gen(function* () {
        yield* report
        const counted: Array<number> = []
        for (const pause of [30, 60, 120, 240]) {
          yield* report
          counted.push((yield* status).consecutiveFailures)
          yield* TestClock.adjust(`${pause} seconds`)
        }
        assert.deepStrictEqual(counted, [1, 2, 3, 4])
        yield* read
        assert.strictEqual((yield* status).consecutiveFailures, 0)
        assert.deepStrictEqual(seconds(issuer), [0, 0, 30, 90, 210, 450])
      }).pipe(Effect.provide(layer(issuer)))
    })
  }

  it.effect("is one more than the issuer's own", () => {
    const issuer = Issuer.scripted(Issuer.succeed("15 minutes"), Issuer.fail())
    return Effect.gen(function* () {
      yield* TestClock.adjust("540 seconds")
      assert.deepStrictEqual(seconds(issuer), [0, 450, 480, 540])
      assert.strictEqual((yield* status).consecutiveFailures, 3)
      yield* invalidated
      assert.strictEqual((yield* status).consecutiveFailures, 4)
    }).pipe(Effect.provide(layer(issuer)))
  })
})

describe("a token that was invalidated", () => {
  it.effect("does not come back after another one either", () => {
    const issuer = Issuer.scripted(
      Issuer.succeed("1 hour", "leaked"),
      Issuer.succeed("1 hour", "new"),
      Issuer.succeed("1 hour", "leaked")
    )
    return Effect.gen(function* () {
      yield* invalidated
      assert.strictEqual(yield* read, "new")
      const error = yield* Effect.flip(refresh)
      assert.strictEqual(error.lastError?.reason, "InvalidResponse")
      assert.strictEqual(yield* read, "new")
    }).pipe(Effect.provide(layer(issuer)))
  })
})

describe("jitter", () => {
  it.effect(
    "makes a refresh earlier by a tenth of the time between due and expiry, and a retry later by a tenth",
    () => {
      const issuer = Issuer.scripted(Issuer.succeed("15 minutes"), Issuer.fail(), Issuer.succeed("15 minutes"))
      return Effect.gen(function* () {
        yield* read
        yield* TestClock.adjust("450 seconds")
        assert.deepStrictEqual(seconds(issuer), [0, 405, 438])
      }).pipe(Effect.provide(TokenCache.layer({ line: { issue: issuer.issue } })), Effect.withRandom(Random.fixed([1])))
    }
  )
})
