import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Fiber, FiberStatus, Runtime, Schedule, TestClock } from "effect"
import { TokenCache, type TokenUnavailable } from "effect-token-cache"
import * as Issuer from "./support/issuer.js"
import { layer, read, unavailable } from "./support/oneToken.js"

// A schedule that knows nothing of the token's lifetime.
const everyDay = Schedule.spaced("1 day")

describe("TokenCache.token", () => {
  describe("1. a usable token", () => {
    it.effect("is given without suspending the fiber", () => {
      const issuer = Issuer.scripted(Issuer.succeed("1 hour"))
      return Effect.gen(function* () {
        yield* read
        // A synchronous run can do no more than read what is there.
        const cache = yield* TokenCache
        const runSync = Runtime.runSync(yield* Effect.runtime<never>())
        assert.strictEqual(Issuer.value(runSync(cache.token("line"))), "token-1")
        assert.strictEqual(runSync(cache.accessToken("line")).generation, 1)
        assert.strictEqual(Issuer.value(runSync(yield* cache.reader("line"))), "token-1")
      }).pipe(Effect.provide(layer(issuer)))
    })

    it.effect("is given while the issuer hangs, until it runs out", () => {
      const issuer = Issuer.scripted(Issuer.succeed("15 minutes"), Issuer.hang)
      return Effect.gen(function* () {
        yield* TestClock.adjust("460 seconds")
        assert.strictEqual(issuer.calls.length, 2)
        assert.strictEqual(yield* read, "token-1")
        yield* TestClock.adjust("434 seconds")
        assert.strictEqual(yield* read, "token-1")
        yield* TestClock.adjust("1 seconds")
        const reader = yield* Effect.fork(unavailable)
        yield* TestClock.adjust("5 seconds")
        assert.include(["TimedOut", "IssueFailed"], (yield* Fiber.join(reader)).reason)
      }).pipe(Effect.provide(layer(issuer)))
    })

    it.effect("is given while the issuer fails, until it runs out", () => {
      const issuer = Issuer.scripted(Issuer.succeed("15 minutes"), Issuer.fail())
      return Effect.gen(function* () {
        yield* TestClock.adjust("894 seconds")
        assert.strictEqual(yield* read, "token-1")
        assert.strictEqual((yield* TokenCache.status("line")).state, "degraded")
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* unavailable).reason, "IssueFailed")
        assert.strictEqual((yield* TokenCache.status("line")).state, "down")
      }).pipe(Effect.provide(layer(issuer)))
    })

    it.effect("is not given within the leeway, which is at most a tenth of the lifetime", () => {
      const issuer = Issuer.scripted(Issuer.succeed("20 seconds"), Issuer.fail())
      return Effect.gen(function* () {
        yield* TestClock.adjust("17999 millis")
        assert.strictEqual(yield* read, "token-1")
        yield* TestClock.adjust("1 millis")
        assert.strictEqual((yield* unavailable).reason, "IssueFailed")
      }).pipe(Effect.provide(layer(issuer)))
    })

    it.effect("counts its lifetime from before the request", () => {
      const issuer = Issuer.scripted(
        Issuer.run(Effect.delay(Issuer.scripted(Issuer.succeed("100 seconds")).issue, "20 seconds")),
        Issuer.fail()
      )
      return Effect.gen(function* () {
        yield* TestClock.adjust("21 seconds")
        const token = yield* TokenCache.accessToken("line")
        assert.strictEqual(token.issuedAt, 0)
        assert.strictEqual(token.expiresAt, 100_000)
        assert.strictEqual(token.usableUntil, 95_000)
      }).pipe(Effect.provide(layer(issuer)))
    })
  })

  describe("2. an attempt in flight", () => {
    it.effect("is waited for", () => {
      const issuer = Issuer.scripted(
        Issuer.run(Effect.delay(Issuer.scripted(Issuer.succeed("1 hour", "slow")).issue, "3 seconds"))
      )
      return Effect.gen(function* () {
        const reader = yield* Effect.fork(read)
        yield* TestClock.adjust("3 seconds")
        assert.strictEqual(yield* Fiber.join(reader), "slow")
      }).pipe(Effect.provide(layer(issuer)))
    })

    it.effect("is waited for no longer than readTimeout, 5 seconds by default; it goes on", () => {
      const issuer = Issuer.scripted(
        Issuer.run(Effect.delay(Issuer.scripted(Issuer.succeed("1 hour", "slow")).issue, "8 seconds"))
      )
      return Effect.gen(function* () {
        const reader = yield* Effect.fork(unavailable)
        yield* TestClock.adjust("4999 millis")
        assert.isTrue(FiberStatus.isSuspended(yield* Fiber.status(reader)))
        yield* TestClock.adjust("1 millis")
        const error = yield* Fiber.join(reader)
        assert.strictEqual(error.reason, "TimedOut")
        assert.strictEqual(error.token, "line")
        assert.include(error.message, "readTimeout")
        yield* TestClock.adjust("3 seconds")
        assert.strictEqual(yield* read, "slow")
        assert.strictEqual(issuer.calls.length, 1)
      }).pipe(Effect.provide(layer(issuer)))
    })

    it.effect("goes on when a reader is interrupted", () => {
      const issuer = Issuer.scripted(
        Issuer.run(Effect.delay(Issuer.scripted(Issuer.succeed("1 hour", "slow")).issue, "3 seconds"))
      )
      return Effect.gen(function* () {
        const first = yield* Effect.fork(read)
        const second = yield* Effect.fork(read)
        yield* TestClock.adjust("1 second")
        yield* Fiber.interrupt(first)
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual(yield* Fiber.join(second), "slow")
        assert.strictEqual(issuer.calls.length, 1)
      }).pipe(Effect.provide(layer(issuer)))
    })
  })

  describe("3. a back-off", () => {
    it.effect("fails readers at once with the last error and the next attempt, and is not cut short by them", () => {
      const issuer = Issuer.scripted(
        Issuer.fail({ reason: "Throttled", status: 429, retryAfter: "10 minutes" }),
        Issuer.succeed("1 hour")
      )
      return Effect.gen(function* () {
        yield* TestClock.adjust("1 minute")
        const errors = yield* Effect.all(
          Array.from({ length: 100 }, () => unavailable),
          { concurrency: "unbounded" }
        )
        for (const error of errors) {
          assert.strictEqual(error.reason, "IssueFailed")
          assert.strictEqual(error.lastError?.reason, "Throttled")
          assert.strictEqual(error.nextAttemptAt, 600_000)
        }
        assert.deepStrictEqual(issuer.calls, [0])
        yield* TestClock.adjust("9 minutes")
        assert.strictEqual(yield* read, "token-2")
        assert.deepStrictEqual(issuer.calls, [0, 600_000])
      }).pipe(Effect.provide(layer(issuer)))
    })

    it.effect("says what to do", () => {
      const issuer = Issuer.scripted(
        Issuer.fail({
          reason: "Rejected",
          status: 400,
          code: "invalid_request",
          advice: "Check LINE_CHANNEL_ID and LINE_CHANNEL_SECRET."
        })
      )
      return Effect.gen(function* () {
        yield* TestClock.adjust(0)
        assert.strictEqual(
          (yield* unavailable).message,
          `no usable token for "line": issuer answered 400 invalid_request (attempt 1, next in 30s). Check LINE_CHANNEL_ID and LINE_CHANNEL_SECRET.`
        )
      }).pipe(Effect.provide(layer(issuer)))
    })
  })

  describe("4. no usable token otherwise", () => {
    it.effect("starts an attempt when the schedule waits too long", () => {
      const issuer = Issuer.scripted(Issuer.succeed("1 minute"))
      return Effect.gen(function* () {
        yield* TestClock.adjust("61 seconds")
        assert.deepStrictEqual(issuer.calls, [0])
        assert.strictEqual(yield* read, "token-2")
        assert.deepStrictEqual(issuer.calls, [0, 61_000])
      }).pipe(Effect.provide(TokenCache.layer({ line: { issue: issuer.issue, schedule: everyDay } })))
    })

    it.effect("leaves at least a second between attempts, however short the token's life", () => {
      const issuer = Issuer.scripted(Issuer.succeed("100 millis"))
      return Effect.gen(function* () {
        yield* TestClock.adjust("95 millis")
        const reader = yield* Effect.fork(read)
        yield* TestClock.adjust("904 millis")
        assert.deepStrictEqual(issuer.calls, [0])
        yield* TestClock.adjust("1 millis")
        assert.strictEqual(yield* Fiber.join(reader), "token-2")
        assert.deepStrictEqual(issuer.calls, [0, 1000])
      }).pipe(Effect.provide(layer(issuer)))
    })
  })

  describe("an unknown name", () => {
    it.effect("fails and lists the names there are", () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(TokenCache.token("lien"))
        assert.strictEqual(error.reason, "UnknownName")
        assert.strictEqual(error.token, "lien")
        assert.strictEqual(error.message, `no token is named "lien"; registered: "line"`)
        const every: ReadonlyArray<Effect.Effect<TokenUnavailable, unknown, TokenCache>> = [
          Effect.flip(TokenCache.accessToken("lien")),
          Effect.flip(TokenCache.reader("lien")),
          Effect.flip(TokenCache.refresh("lien")),
          Effect.flip(TokenCache.status("lien"))
        ]
        for (const each of yield* Effect.all(every)) {
          assert.strictEqual(each.reason, "UnknownName")
        }
      }).pipe(Effect.provide(TokenCache.layerTest({ line: "fixed" })))
    )

    it.effect("may be any string", () =>
      Effect.gen(function* () {
        for (const name of ["", "__proto__", "constructor", "toString"]) {
          assert.isTrue(Either.isLeft(yield* Effect.either(TokenCache.token(name))))
        }
      }).pipe(Effect.provide(TokenCache.layerTest({ line: "fixed" })))
    )
  })

  it.effect("100 cold readers cost one issue", () => {
    const issuer = Issuer.scripted(
      Issuer.run(Effect.delay(Issuer.scripted(Issuer.succeed("1 hour", "slow")).issue, "1 second"))
    )
    return Effect.gen(function* () {
      const readers = yield* Effect.fork(
        Effect.all(
          Array.from({ length: 100 }, () => read),
          { concurrency: "unbounded" }
        )
      )
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual([...new Set(yield* Fiber.join(readers))], ["slow"])
      assert.strictEqual(issuer.calls.length, 1)
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("100 readers at expiry cost one issue", () => {
    const issuer = Issuer.scripted(Issuer.succeed("1 minute"))
    return Effect.gen(function* () {
      yield* TestClock.adjust("1 minute")
      const tokens = yield* Effect.all(
        Array.from({ length: 100 }, () => read),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual([...new Set(tokens)], ["token-2"])
      assert.strictEqual(issuer.calls.length, 2)
    }).pipe(Effect.provide(TokenCache.layer({ line: { issue: issuer.issue, schedule: everyDay } })))
  })
})
