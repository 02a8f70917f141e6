import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schedule, TestClock } from "effect"
import { RefreshPolicy, TokenCache } from "effect-token-cache"
import * as Issuer from "./support/issuer.js"
import { settableClock } from "./support/settableClock.js"

const read = Effect.map(TokenCache.token("line"), Issuer.value)

const status = TokenCache.status("line")

const hour = 3_600_000

const other = { issue: Issuer.scripted(Issuer.succeed("1 day")).issue }

describe("readTimeout", () => {
  it.effect("holds when the clock is set back during a lookup", () => {
    const issuer = Issuer.scripted(Issuer.hang)
    const layer = TokenCache.layerLookup(() => Effect.delay(Effect.succeed({ issue: issuer.issue }), "1 second"))
    return Effect.gen(function* () {
      yield* TestClock.adjust("1 hour")
      const { adjust, clock, set } = yield* settableClock
      yield* Effect.gen(function* () {
        const reader = yield* Effect.fork(Effect.flip(read))
        yield* Effect.yieldNow()
        set(-26_000)
        yield* adjust("1 second")
        yield* adjust("4 seconds")
        assert.strictEqual((yield* Fiber.poll(reader))._tag, "Some")
        assert.strictEqual((yield* Fiber.join(reader)).reason, "TimedOut")
      }).pipe(Effect.provide(layer), Effect.withClock(clock))
    })
  })

  it.effect("holds when the clock is set ahead during an attempt", () => {
    const issuer = Issuer.scripted(
      Issuer.run(Effect.delay(Issuer.scripted(Issuer.succeed("1 day", "late")).issue, "4 seconds"))
    )
    return Effect.gen(function* () {
      const { adjust, clock, set } = yield* settableClock
      yield* Effect.gen(function* () {
        const reader = yield* Effect.fork(read)
        yield* Effect.yieldNow()
        set(20_000)
        yield* adjust("4 seconds")
        assert.strictEqual(yield* Fiber.join(reader), "late")
      }).pipe(Effect.provide(TokenCache.layer({ line: { issue: issuer.issue } })), Effect.withClock(clock))
    })
  })
})

describe("a clock set back while a schedule is stepped", () => {
  it.effect("leaves no token down: outcome and next attempt move along", () => {
    const issuer = Issuer.scripted(Issuer.succeed("15 minutes"))
    const slow = Schedule.mapEffect(RefreshPolicy.make({ jitter: 0 }), (delay) =>
      Effect.delay(Effect.succeed(delay), 500)
    )
    return Effect.gen(function* () {
      yield* TestClock.adjust(2 * hour)
      const { adjust, clock, set } = yield* settableClock
      yield* Effect.gen(function* () {
        yield* adjust("100 millis")
        set(-hour)
        // Another token makes the cache look at the clock.
        yield* TokenCache.refresh("other")
        yield* adjust("400 millis")
        assert.strictEqual(yield* read, "token-1")
        const { expiresAt, issuedAt, nextAttemptAt } = yield* status
        const startedAt = clock.unsafeCurrentTimeMillis() - 500
        assert.deepStrictEqual(
          [issuedAt, nextAttemptAt, expiresAt],
          [startedAt, startedAt + 450_000, startedAt + 900_000]
        )
        yield* adjust("450 seconds")
        assert.strictEqual(yield* read, "token-2")
      }).pipe(
        Effect.provide(TokenCache.layer({ line: { issue: issuer.issue, schedule: slow }, other })),
        Effect.withClock(clock)
      )
    })
  })

  it.effect("leaves a back-off as long as it was", () => {
    const issuer = Issuer.scripted(Issuer.fail(), Issuer.succeed("15 minutes"))
    const slow = Schedule.mapEffect(RefreshPolicy.make({ jitter: 0 }), (delay) =>
      Effect.delay(Effect.succeed(delay), 500)
    )
    return Effect.gen(function* () {
      yield* TestClock.adjust(2 * hour)
      const { adjust, clock, set } = yield* settableClock
      yield* Effect.gen(function* () {
        yield* adjust("100 millis")
        set(-hour)
        yield* TokenCache.refresh("other")
        yield* adjust("31 seconds")
        assert.strictEqual(yield* read, "token-2")
      }).pipe(
        Effect.provide(TokenCache.layer({ line: { issue: issuer.issue, schedule: slow }, other })),
        Effect.withClock(clock)
      )
    })
  })
})

describe("after the machine has slept", () => {
  for (const [what, look] of [
    ["status", status],
    ["statuses", TokenCache.statuses]
  ] as const) {
    it.effect(`${what} wakes the refresh fiber of an overdue token`, () => {
      const issuer = Issuer.scripted(Issuer.succeed("15 minutes"))
      return Effect.gen(function* () {
        const { adjust, clock, set } = yield* settableClock
        yield* Effect.gen(function* () {
          yield* TokenCache.token("line")
          // The refresh fiber has nothing to do any more, and sleeps.
          yield* adjust(0)
          set(2 * hour)
          yield* look
          yield* adjust(0)
          assert.lengthOf(issuer.calls, 2)
        }).pipe(Effect.provide(TokenCache.layer({ line: { issue: issuer.issue } })), Effect.withClock(clock))
      })
    })
  }
})

describe("a clock before 1970", () => {
  it.effect("issues, refreshes and backs off as any other", () => {
    const issuer = Issuer.scripted(
      Issuer.succeed("15 minutes"),
      Issuer.fail({ reason: "Throttled", retryAfter: "1 minute" }),
      Issuer.succeed("15 minutes")
    )
    return Effect.gen(function* () {
      const { adjust, clock, set } = yield* settableClock
      set(-1000 * hour)
      yield* Effect.gen(function* () {
        assert.strictEqual(yield* read, "token-1")
        yield* adjust("450 seconds")
        assert.strictEqual((yield* status).state, "degraded")
        yield* adjust("59 seconds")
        assert.strictEqual(yield* read, "token-1")
        yield* adjust("1 second")
        assert.strictEqual(yield* read, "token-3")
        yield* TokenCache.invalidate("line", yield* TokenCache.token("line"))
        assert.strictEqual(yield* read, "token-4")
      }).pipe(Effect.provide(TokenCache.layer({ line: { issue: issuer.issue, jitter: 0 } })), Effect.withClock(clock))
    })
  })
})

describe("retryAfter", () => {
  it.effect("counts from the end of an attempt", () => {
    const issuer = Issuer.scripted(Issuer.hang)
    return Effect.gen(function* () {
      yield* TestClock.adjust("5 minutes")
      assert.deepStrictEqual(
        issuer.calls.map((at) => at / 1000),
        [0, 60, 150, 300]
      )
    }).pipe(Effect.provide(TokenCache.layer({ line: { issue: issuer.issue, jitter: 0 } })))
  })
})
