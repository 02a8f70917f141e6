import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Schedule, Stream, TestClock } from "effect"
import { IssuedToken, RefreshPolicy, TokenCache, type TokenEvent } from "effect-token-cache"
import * as Issuer from "./support/issuer.js"
import { settableClock } from "./support/settableClock.js"

const token = TokenCache.token("line")

const read = Effect.map(token, Issuer.value)

const status = TokenCache.status("line")

const hour = 3_600_000

const other = { issue: Issuer.scripted(Issuer.succeed("1 day")).issue }

/** Another token makes the cache look at the clock. */
const lookAtClock = TokenCache.refresh("other")

/** Takes half a second for each step, in which the clock may be set. */
const slowSchedule = Schedule.mapEffect(RefreshPolicy.make({ jitter: 0 }), (delay) =>
  Effect.delay(Effect.succeed(delay), 500)
)

describe("a clock set back during a Retry-After", () => {
  it.effect("does not make it longer for who asks for a token", () => {
    const issuer = Issuer.scripted(Issuer.fail({ retryAfter: "10 seconds" }), Issuer.succeed("15 minutes"))
    return Effect.gen(function* () {
      yield* TestClock.adjust(2 * hour)
      const { adjust, clock, set } = yield* settableClock
      yield* Effect.gen(function* () {
        yield* adjust(0)
        set(-hour)
        yield* lookAtClock
        yield* adjust("9 seconds")
        assert.strictEqual((yield* Effect.flip(TokenCache.refresh("line"))).reason, "IssueFailed")
        yield* adjust("1 second")
        assert.strictEqual(Issuer.value(yield* TokenCache.refresh("line")), "token-2")
      }).pipe(
        Effect.provide(TokenCache.layer({ line: { issue: issuer.issue, jitter: 0 }, other })),
        Effect.withClock(clock)
      )
    })
  })
})

describe("a clock that falls behind the monotonic one by a second, which counts as no set-back,", () => {
  it.effect("gives a token out no longer, and counts from the request", () => {
    const issuer = Issuer.scripted(
      Issuer.run(Effect.delay(Issuer.scripted(Issuer.succeed("100 seconds")).issue, "20 seconds")),
      Issuer.fail()
    )
    return Effect.gen(function* () {
      yield* TestClock.adjust(2 * hour)
      const { adjust, clock, set } = yield* settableClock
      yield* Effect.gen(function* () {
        yield* adjust("20 seconds")
        set(-1000)
        yield* adjust("74999 millis")
        assert.strictEqual(yield* read, "token-1")
        yield* adjust("1 millis")
        assert.strictEqual((yield* Effect.flip(token)).reason, "IssueFailed")
        assert.strictEqual((yield* status).state, "down")
      }).pipe(Effect.provide(TokenCache.layer({ line: { issue: issuer.issue, jitter: 0 } })), Effect.withClock(clock))
    })
  })
})

describe("a clock set right during an attempt, which was an hour ahead,", () => {
  it.effect("does not refuse a token whose expiry is an instant of the right clock", () => {
    const issue = Effect.delay(
      Effect.map(Clock.currentTimeMillis, (now) =>
        IssuedToken.make({ accessToken: "right", expiresAt: now + 900_000 })
      ),
      "1 second"
    )
    return Effect.gen(function* () {
      yield* TestClock.adjust(2 * hour)
      const { adjust, clock, set } = yield* settableClock
      yield* Effect.gen(function* () {
        yield* adjust(0)
        set(-hour)
        yield* adjust("1 second")
        assert.strictEqual(yield* read, "right")
        const { expiresAt, issuedAt } = yield* status
        const now = clock.unsafeCurrentTimeMillis()
        assert.deepStrictEqual([issuedAt, expiresAt], [now - 1000, now + 900_000])
      }).pipe(Effect.provide(TokenCache.layer({ line: { issue } })), Effect.withClock(clock))
    })
  })
})

describe("a clock set back while a schedule is stepped", () => {
  it.effect("leaves no instant of the old clock with those who waited, nor in an event", () => {
    const issuer = Issuer.scripted(Issuer.succeed("15 minutes"))
    return Effect.gen(function* () {
      yield* TestClock.adjust(2 * hour)
      const { adjust, clock, set } = yield* settableClock
      yield* Effect.gen(function* () {
        const events: Array<TokenEvent> = []
        yield* Effect.fork(Stream.runForEach(TokenCache.events, (event) => Effect.sync(() => events.push(event))))
        const reader = yield* Effect.fork(TokenCache.accessToken("line"))
        yield* adjust("100 millis")
        set(-hour)
        yield* adjust("400 millis")
        const startedAt = clock.unsafeCurrentTimeMillis() - 500
        const { expiresAt, issuedAt, usableUntil } = yield* Fiber.join(reader)
        assert.deepStrictEqual(
          [issuedAt, expiresAt, usableUntil],
          [0, 900_000, 895_000].map((at) => startedAt + at)
        )
        assert.deepStrictEqual(events, [
          { _tag: "Issued", name: "line", at: startedAt, generation: 1, expiresAt: startedAt + 900_000 }
        ])
      }).pipe(
        Effect.provide(TokenCache.layer({ line: { issue: issuer.issue, schedule: slowSchedule } })),
        Effect.withClock(clock)
      )
    })
  })

  it.effect("tells a reader of a failure when the next attempt starts by the new clock", () => {
    const issuer = Issuer.scripted(Issuer.fail())
    return Effect.gen(function* () {
      yield* TestClock.adjust(2 * hour)
      const { adjust, clock, set } = yield* settableClock
      yield* Effect.gen(function* () {
        const reader = yield* Effect.fork(Effect.flip(token))
        yield* adjust("100 millis")
        set(-hour)
        yield* adjust("400 millis")
        const { nextAttemptAt } = yield* Fiber.join(reader)
        assert.strictEqual(nextAttemptAt, clock.unsafeCurrentTimeMillis() - 500 + 30_000)
      }).pipe(
        Effect.provide(TokenCache.layer({ line: { issue: issuer.issue, schedule: slowSchedule } })),
        Effect.withClock(clock)
      )
    })
  })
})

describe("a clock set back during an attempt that fails", () => {
  it.effect("leaves a back-off as long as it was", () => {
    const issuer = Issuer.scripted(
      Issuer.run(Effect.delay(Issuer.scripted(Issuer.fail()).issue, "1 second")),
      Issuer.succeed("15 minutes")
    )
    return Effect.gen(function* () {
      yield* TestClock.adjust(2 * hour)
      const { adjust, clock, set } = yield* settableClock
      yield* Effect.gen(function* () {
        yield* adjust(0)
        set(-hour)
        yield* adjust("1 second")
        assert.strictEqual((yield* status).nextAttemptAt, clock.unsafeCurrentTimeMillis() + 30_000)
        yield* adjust("29 seconds")
        assert.strictEqual((yield* Effect.flip(token)).reason, "IssueFailed")
        yield* adjust("1 second")
        assert.strictEqual(yield* read, "token-2")
      }).pipe(Effect.provide(TokenCache.layer({ line: { issue: issuer.issue, jitter: 0 } })), Effect.withClock(clock))
    })
  })
})
