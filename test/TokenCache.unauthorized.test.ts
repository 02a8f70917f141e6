import { assert, describe, it } from "@effect/vitest"
import { Effect, type Redacted, TestClock } from "effect"
import { TokenCache, type TokenSource } from "effect-token-cache"
import * as Issuer from "./support/issuer.js"

const token = TokenCache.token("line")

const read = Effect.map(token, Issuer.value)

const status = TokenCache.status("line")

/** Reads the token, and says that an API answered 401 to it. */
const refused = Effect.tap(token, (token) => TokenCache.unauthorized("line", token))

const invalidated = Effect.tap(token, (token) => TokenCache.invalidate("line", token))

const layer = (issuer: { readonly issue: TokenSource.TokenSource<unknown>["issue"] }, options = {}) =>
  TokenCache.layer({ line: { issue: issuer.issue, jitter: 0, ...options } })

const seconds = (issuer: { readonly calls: ReadonlyArray<number> }) => issuer.calls.map((at) => at / 1000)

/** Calls two endpoints for an hour, one of which answers 401 to every token; gives how often the other one had no token. */
const hourWithBadEndpoint = (every: number, report = TokenCache.unauthorized) =>
  Effect.gen(function* () {
    let failed = 0
    for (let second = 0; second < 3600; second += every) {
      yield* Effect.catchAll(token, () => Effect.sync(() => failed++))
      const sent: Redacted.Redacted<string> | undefined = yield* Effect.orElseSucceed(token, () => undefined)
      if (sent !== undefined) {
        yield* report("line", sent)
      }
      yield* TestClock.adjust(`${every} seconds`)
    }
    return failed
  })

describe("TokenCache.unauthorized", () => {
  it.effect("drops the token that is reported first, and issues at once", () => {
    const issuer = Issuer.scripted(Issuer.succeed("1 hour"))
    return Effect.gen(function* () {
      yield* refused
      assert.strictEqual(yield* read, "token-2")
      assert.deepStrictEqual(issuer.calls, [0, 0])
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("does nothing for a token that is no longer the current one, nor for an unknown name", () => {
    const issuer = Issuer.scripted(Issuer.succeed("1 hour"))
    return Effect.gen(function* () {
      const old = yield* token
      yield* TokenCache.refresh("line")
      yield* TokenCache.unauthorized("line", old)
      yield* TokenCache.unauthorized("other", old)
      assert.strictEqual(yield* read, "token-2")
      assert.strictEqual(issuer.calls.length, 2)
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("keeps a token that answered a report: others go on with it, and the next issue follows a back-off", () => {
    const issuer = Issuer.scripted(Issuer.succeed("1 hour"))
    return Effect.gen(function* () {
      yield* refused
      yield* refused
      assert.strictEqual(yield* read, "token-2")
      const { consecutiveFailures, lastError, nextAttemptAt, state } = yield* status
      assert.deepStrictEqual([state, consecutiveFailures, nextAttemptAt], ["degraded", 1, 30_000])
      assert.strictEqual(lastError?.reason, "Rejected")
      assert.match(lastError?.message ?? "", /refused/)
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* read, "token-3")
      assert.strictEqual((yield* status).state, "ready")
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("changes nothing when a token that is kept is reported again", () => {
    const issuer = Issuer.scripted(Issuer.succeed("1 hour"))
    return Effect.gen(function* () {
      yield* refused
      yield* refused
      const before = yield* status
      for (let report = 0; report < 100; report++) {
        yield* TestClock.adjust("100 millis")
        yield* refused
      }
      assert.deepStrictEqual({ ...(yield* status), reads: 0 }, { ...before, reads: 0 })
    }).pipe(Effect.provide(layer(issuer)))
  })

  for (const every of [1, 10, 31, 60]) {
    it.effect(
      `a call each ${every} s that is always refused takes the token from nobody, for 16 issues at most`,
      () => {
        const issuer = Issuer.scripted(Issuer.succeed("30 days"))
        return Effect.gen(function* () {
          assert.strictEqual(yield* hourWithBadEndpoint(every), 0)
          assert.isAtMost(issuer.calls.length, 16)
        }).pipe(Effect.provide(layer(issuer)))
      }
    )
  }

  it.effect("pauses longer from issue to issue while the refusals go on, up to an hour", () => {
    const issuer = Issuer.scripted(Issuer.succeed("30 days"))
    return Effect.gen(function* () {
      for (let second = 0; second < 4 * 3600; second += 5) {
        yield* refused
        // Every instant in between is like the last.
        yield* TestClock.adjust("5 seconds")
      }
      assert.deepStrictEqual(seconds(issuer), [0, 0, 35, 95, 215, 455, 935, 1895, 3815, 7415, 11_015])
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("keeps short tokens fresh all the same", () => {
    const issuer = Issuer.scripted(Issuer.succeed("15 minutes"))
    return Effect.gen(function* () {
      for (let second = 0; second < 3600; second += 5) {
        yield* refused
        yield* TestClock.adjust("5 seconds")
      }
      // A token of 15 minutes is refreshed after 7.5 minutes anyway.
      assert.isAtMost(issuer.calls.length, 2 + 5 + 60 / 7.5)
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("begins anew once a token has lived for maxRetryAfter without a report", () => {
    const issuer = Issuer.scripted(Issuer.succeed("1 hour"))
    return Effect.gen(function* () {
      yield* refused
      yield* token
      yield* TestClock.adjust("299 seconds")
      yield* refused
      assert.strictEqual(yield* read, "token-2")
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* read, "token-3")
      yield* TestClock.adjust("300 seconds")
      yield* refused
      assert.strictEqual(yield* read, "token-4")
      assert.deepStrictEqual(seconds(issuer), [0, 0, 329, 629])
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("begins anew as well if the token that lived so long has been refreshed since", () => {
    const issuer = Issuer.scripted(Issuer.succeed("15 minutes"))
    return Effect.gen(function* () {
      yield* refused
      yield* token
      yield* TestClock.adjust("450 seconds")
      assert.strictEqual(yield* read, "token-3")
      yield* refused
      assert.strictEqual(yield* read, "token-4")
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("takes no token from others while the issuer is failing", () => {
    const issuer = Issuer.scripted(Issuer.succeed("15 minutes"), Issuer.fail({ status: 503 }))
    return Effect.gen(function* () {
      yield* TestClock.adjust("451 seconds")
      const before = yield* status
      yield* refused
      assert.strictEqual(yield* read, "token-1")
      const { lastError, nextAttemptAt } = yield* status
      assert.strictEqual(lastError?.status, 503)
      assert.strictEqual(nextAttemptAt, before.nextAttemptAt)
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("shares an attempt that is running", () => {
    const issuer = Issuer.scripted(
      Issuer.succeed("15 minutes"),
      Issuer.run(Effect.delay(Issuer.scripted(Issuer.succeed("1 hour", "fresh")).issue, "1 second"))
    )
    return Effect.gen(function* () {
      yield* TestClock.adjust("450 seconds")
      yield* refused
      const reader = yield* Effect.fork(read)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* reader, "fresh")
      assert.strictEqual(issuer.calls.length, 2)
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("leaves a kept token to be invalidated by who knows better", () => {
    const issuer = Issuer.scripted(Issuer.succeed("1 hour"))
    return Effect.gen(function* () {
      yield* refused
      yield* refused
      yield* invalidated
      const error = yield* Effect.flip(token)
      assert.strictEqual(error.nextAttemptAt, 30_000)
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* read, "token-3")
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("never overrides a Retry-After", () => {
    const issuer = Issuer.scripted(
      Issuer.succeed("1 hour"),
      Issuer.fail({ reason: "Throttled", retryAfter: "10 minutes" }),
      Issuer.succeed("1 hour")
    )
    return Effect.gen(function* () {
      yield* token
      yield* Effect.flip(TokenCache.refresh("line"))
      yield* refused
      yield* TestClock.adjust("599 seconds")
      assert.strictEqual(issuer.calls.length, 2)
      assert.strictEqual(yield* read, "token-1")
    }).pipe(Effect.provide(layer(issuer)))
  })
})

describe("TokenCache.invalidate", () => {
  for (const every of [31, 60]) {
    it.effect(`costs 16 issues an hour at most, for a report each ${every} s`, () => {
      const issuer = Issuer.scripted(Issuer.succeed("30 days"))
      return Effect.gen(function* () {
        yield* hourWithBadEndpoint(every, TokenCache.invalidate)
        assert.isAtMost(issuer.calls.length, 16)
      }).pipe(Effect.provide(layer(issuer)))
    })
  }

  it.effect("issues no more often for being followed by a refresh", () => {
    const issuer = Issuer.scripted(Issuer.succeed("30 days"))
    return Effect.gen(function* () {
      yield* token
      for (let round = 0; round < 50; round++) {
        yield* Effect.exit(TokenCache.refresh("line"))
        yield* Effect.ignore(invalidated)
      }
      assert.isAtMost(issuer.calls.length, 52)
    }).pipe(Effect.provide(layer(issuer)))
  })
})
