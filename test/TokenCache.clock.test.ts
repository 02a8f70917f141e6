import { assert, describe, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import { TokenCache } from "effect-token-cache"
import * as Issuer from "./support/issuer.js"
import { read } from "./support/oneToken.js"
import { settableClock } from "./support/settableClock.js"

const hour = 3_600_000

describe("a clock set back", () => {
  it.effect("gives out no expired token, and keeps the token warm at the same pace", () => {
    const issuer = Issuer.scripted(Issuer.succeed("15 minutes"))
    return Effect.gen(function* () {
      yield* TestClock.adjust(2 * hour)
      const { adjust, clock, set } = yield* settableClock
      yield* Effect.gen(function* () {
        assert.strictEqual(yield* read, "token-1")
        set(-hour)
        assert.strictEqual(yield* read, "token-1")
        yield* adjust("450 seconds")
        assert.strictEqual(yield* read, "token-2")
        const { expiresAt, nextAttemptAt } = yield* TokenCache.status("line")
        const now = clock.unsafeCurrentTimeMillis()
        assert.strictEqual(expiresAt, now + 900_000)
        assert.strictEqual(nextAttemptAt, now + 450_000)
        assert.strictEqual((yield* TokenCache.status("line")).state, "ready")
        yield* adjust("1 hour")
        assert.strictEqual(issuer.calls.length, 10)
      }).pipe(Effect.provide(TokenCache.layer({ line: { issue: issuer.issue, jitter: 0 } })), Effect.withClock(clock))
    })
  })

  it.effect("gives out no expired token when the issuer is down", () => {
    const issuer = Issuer.scripted(Issuer.succeed("15 minutes"), Issuer.fail())
    return Effect.gen(function* () {
      yield* TestClock.adjust(2 * hour)
      const { adjust, clock, set } = yield* settableClock
      yield* Effect.gen(function* () {
        yield* read
        set(-hour)
        yield* adjust("894 seconds")
        assert.strictEqual(yield* read, "token-1")
        yield* adjust("1 second")
        assert.strictEqual((yield* Effect.flip(read)).reason, "IssueFailed")
        assert.strictEqual((yield* TokenCache.status("line")).state, "down")
      }).pipe(Effect.provide(TokenCache.layer({ line: { issue: issuer.issue, jitter: 0 } })), Effect.withClock(clock))
    })
  })
})

describe("a clock that falls behind the monotonic one", () => {
  for (const [name, by, moves] of [
    ["by a second is left as it is", 1000, 0],
    ["by more is one that was set back", 1001, 1001],
    ["by half a minute is one that was set back", 30_000, 30_000]
  ] as const) {
    it.effect(name, () => {
      const hourly = { issue: Issuer.scripted(Issuer.succeed("1 hour")).issue, jitter: 0 }
      return Effect.gen(function* () {
        yield* TestClock.adjust(2 * hour)
        const { adjust, clock, set } = yield* settableClock
        yield* Effect.gen(function* () {
          yield* read
          const before = yield* TokenCache.status("line")
          set(-by)
          // The refresh fiber is woken for the other one, and looks at the clocks.
          yield* TokenCache.refresh("other")
          yield* adjust(0)
          const { expiresAt, nextAttemptAt } = yield* TokenCache.status("line")
          assert.deepStrictEqual([expiresAt, nextAttemptAt], [before.expiresAt! - moves, before.nextAttemptAt! - moves])
        }).pipe(Effect.provide(TokenCache.layer({ line: hourly, other: hourly })), Effect.withClock(clock))
      })
    })
  }
})

describe("a clock set back during an attempt", () => {
  it.effect("does not put its time limit off", () => {
    const issuer = Issuer.scripted(Issuer.hang)
    return Effect.gen(function* () {
      yield* TestClock.adjust(2 * hour)
      const { adjust, clock, set } = yield* settableClock
      yield* Effect.gen(function* () {
        yield* adjust("1 second")
        set(-hour)
        yield* adjust("5 seconds")
        yield* adjust("24 seconds")
        assert.strictEqual((yield* TokenCache.status("line")).lastError?.reason, "Timeout")
      }).pipe(Effect.provide(TokenCache.layer({ line: { issue: issuer.issue } })), Effect.withClock(clock))
    })
  })
})

describe("a clock with fractions of a millisecond", () => {
  it.effect("leaves whole milliseconds in every instant", () => {
    const issuer = Issuer.scripted(Issuer.succeed("100500 micros"))
    return Effect.gen(function* () {
      yield* TestClock.adjust("300 micros")
      yield* Effect.gen(function* () {
        yield* TestClock.adjust("700100 micros")
        const { expiresAt, issuedAt, nextAttemptAt } = yield* TokenCache.status("line")
        assert.deepStrictEqual([issuedAt, expiresAt, nextAttemptAt], [0, 101, 1000])
        yield* TestClock.adjust("3 seconds")
        assert.strictEqual(issuer.calls.length, 4)
      }).pipe(Effect.provide(TokenCache.layer({ line: { issue: issuer.issue } })))
    })
  })
})

describe("a clock that jumps ahead, as after a suspend", () => {
  it.effect("gives out no expired token: the first reader gets a new one", () => {
    const issuer = Issuer.scripted(Issuer.succeed("15 minutes"))
    return Effect.gen(function* () {
      const { clock, set } = yield* settableClock
      yield* Effect.gen(function* () {
        yield* read
        set(8 * hour)
        assert.strictEqual(yield* read, "token-2")
        assert.strictEqual(issuer.calls.length, 2)
      }).pipe(Effect.provide(TokenCache.layer({ line: { issue: issuer.issue } })), Effect.withClock(clock))
    })
  })

  it.effect("puts no time limit off that comes after it", () => {
    const issuer = Issuer.scripted(Issuer.succeed("24 hours"), Issuer.hang)
    return Effect.gen(function* () {
      const { adjust, clock, set } = yield* settableClock
      yield* Effect.gen(function* () {
        yield* read
        yield* adjust(0)
        set(25 * hour)
        yield* Effect.fork(Effect.exit(read))
        yield* adjust("60 seconds")
        assert.strictEqual((yield* TokenCache.status("line")).lastError?.reason, "Timeout")
      }).pipe(Effect.provide(TokenCache.layer({ line: { issue: issuer.issue } })), Effect.withClock(clock))
    })
  })

  it.effect("a reader of a token that is overdue but usable gets it, and wakes the refresh fiber", () => {
    const issuer = Issuer.scripted(Issuer.succeed("15 minutes"))
    return Effect.gen(function* () {
      const { adjust, clock, set } = yield* settableClock
      yield* Effect.gen(function* () {
        yield* read
        // The refresh fiber has nothing to do any more, and sleeps.
        yield* adjust(0)
        set(800_000)
        assert.strictEqual(yield* read, "token-1")
        yield* adjust(0)
        assert.strictEqual(yield* read, "token-2")
      }).pipe(Effect.provide(TokenCache.layer({ line: { issue: issuer.issue } })), Effect.withClock(clock))
    })
  })
})
