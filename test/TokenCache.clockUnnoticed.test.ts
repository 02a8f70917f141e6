import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Schedule, TestClock } from "effect"
import { RefreshPolicy, TokenCache, TokenStore } from "effect-token-cache"
import * as Issuer from "./support/issuer.js"
import * as MemoryBackend from "./support/memoryBackend.js"
import { delays, layer, read, refresh, status } from "./support/oneToken.js"
import { settableClock } from "./support/settableClock.js"
import * as Sharing from "./support/sharing.js"

const hour = 3_600_000

/** Runs a test three hours after the epoch, on a clock that can be set. */
const onSettableClock = <A, E, R>(
  test: (clock: Effect.Effect.Success<typeof settableClock>) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function* () {
    yield* TestClock.adjust(3 * hour)
    const settable = yield* settableClock
    return yield* Effect.withClock(test(settable), settable.clock)
  })

describe("a clock set back that the refresh fiber has not noticed yet", () => {
  it.effect("does not make refresh fail in a back-off", () => {
    const issuer = Issuer.scripted(Issuer.fail(), Issuer.succeed("15 minutes"))
    return onSettableClock(({ adjust, set }) =>
      Effect.gen(function* () {
        yield* adjust(0)
        set(-hour)
        assert.strictEqual(yield* refresh, "token-2")
      }).pipe(Effect.provide(layer(issuer)))
    )
  })

  it.effect("does not make a Retry-After longer for refresh", () => {
    const issuer = Issuer.scripted(Issuer.fail({ retryAfter: "10 seconds" }), Issuer.succeed("15 minutes"))
    return onSettableClock(({ adjust, clock, set }) =>
      Effect.gen(function* () {
        yield* adjust(0)
        set(-hour)
        const { nextAttemptAt } = yield* Effect.flip(refresh)
        assert.strictEqual(nextAttemptAt, clock.unsafeCurrentTimeMillis() + 30_000)
        yield* adjust("10 seconds")
        assert.strictEqual(yield* refresh, "token-2")
      }).pipe(Effect.provide(layer(issuer)))
    )
  })

  it.effect("tells a reader without a token when the next attempt starts by the new clock", () => {
    const issuer = Issuer.scripted(Issuer.fail())
    return onSettableClock(({ adjust, clock, set }) =>
      Effect.gen(function* () {
        yield* adjust(0)
        set(-hour)
        const { nextAttemptAt } = yield* Effect.flip(read)
        assert.strictEqual(nextAttemptAt, clock.unsafeCurrentTimeMillis() + 30_000)
      }).pipe(Effect.provide(layer(issuer)))
    )
  })

  for (const [verb, report] of [
    ["unauthorized", TokenCache.unauthorized],
    ["invalidate", TokenCache.invalidate]
  ] as const) {
    it.effect(`leaves the back-off after ${verb} as long as it is`, () => {
      const issuer = Issuer.scripted(Issuer.succeed("1 hour"))
      const reported = Effect.flatMap(TokenCache.token("line"), (token) => report("line", token))
      return onSettableClock(({ adjust, set }) =>
        Effect.gen(function* () {
          yield* reported
          yield* read
          set(-hour)
          yield* reported
          yield* adjust("29 seconds")
          assert.strictEqual(issuer.calls.length, 2)
          yield* adjust("1 second")
          assert.strictEqual(issuer.calls.length, 3)
        }).pipe(Effect.provide(layer(issuer)))
      )
    })
  }

  it.effect("does not bring the next attempt forward when a token of another process is taken over", () => {
    const issuer = Issuer.scripted(Issuer.succeed("2 hours"))
    const source = { issue: issuer.issue, identity: { client: "app" }, schedule: Schedule.spaced("10 minutes") }
    return onSettableClock(({ adjust, clock, set }) =>
      Effect.gen(function* () {
        const store = TokenStore.layer(yield* MemoryBackend.make, { encryption: [Sharing.key] })
        const one = yield* Sharing.processWith({ line: source }, store)
        const other = yield* Sharing.processWith({ line: source }, store)
        yield* one.token("line")
        yield* other.token("line")
        set(-hour)
        yield* other.refresh("line")
        yield* adjust(0)
        const { generation, nextAttemptAt } = yield* one.status("line")
        assert.deepStrictEqual([generation, nextAttemptAt], [2, clock.unsafeCurrentTimeMillis() + 600_000])
      }).pipe(Effect.scoped)
    )
  })
})

describe("what a policy remembers of the last token", () => {
  for (const [what, schedule] of [
    ["moves", undefined],
    [
      "moves, even if it is stepped slowly,",
      Schedule.mapEffect(RefreshPolicy.make({ jitter: 0 }), (delay) => Effect.delay(Effect.succeed(delay), 500))
    ]
  ] as const) {
    it.effect(`${what} with a clock that is set back`, () => {
      const issuer = Issuer.scripted(Issuer.succeed("15 minutes"), Issuer.fail())
      const options = schedule === undefined ? {} : { jitter: undefined, schedule }
      return onSettableClock(({ adjust, set }) =>
        Effect.gen(function* () {
          yield* adjust("100 millis")
          set(-hour)
          yield* adjust("800 seconds")
          assert.deepStrictEqual(delays(issuer).slice(1, 4), [30, 60, 120])
          // Half of what is left of the token, which is 235 seconds.
          assert.closeTo(delays(issuer)[4] ?? 0, 117.5, 1)
        }).pipe(Effect.provide(layer(issuer, options)))
      )
    })
  }
})

const tenants = (issuer: ReturnType<typeof Issuer.scripted>, options = {}) =>
  TokenCache.layerLookup(() => Effect.succeed({ issue: issuer.issue }), options)

const names = Effect.map(TokenCache.statuses, (statuses) => statuses.map(({ name }) => name))

describe("a tenant", () => {
  it.effect("is kept no longer when the clock is set back", () => {
    return onSettableClock(({ adjust, set }) =>
      Effect.gen(function* () {
        yield* TokenCache.token("a")
        set(-hour / 2)
        yield* adjust("59 minutes")
        assert.deepStrictEqual(yield* names, ["a"])
        yield* adjust("1 minute")
        assert.deepStrictEqual(yield* names, [])
      }).pipe(Effect.provide(tenants(Issuer.scripted(Issuer.succeed("1 day")))))
    )
  })

  it.effect("is kept as long when it is read before anybody notices that the clock was set back", () => {
    return onSettableClock(({ adjust, set }) =>
      Effect.gen(function* () {
        yield* TokenCache.token("a")
        yield* adjust("50 minutes")
        set(-hour / 2)
        yield* TokenCache.token("a")
        yield* adjust("59 minutes")
        assert.deepStrictEqual(yield* names, ["a"])
        yield* adjust("1 minute")
        assert.deepStrictEqual(yield* names, [])
      }).pipe(Effect.provide(tenants(Issuer.scripted(Issuer.succeed("1 day")))))
    )
  })

  it.effect("that was read since the clock was set back outlasts one that was not", () => {
    return onSettableClock(({ adjust, set }) =>
      Effect.gen(function* () {
        yield* TokenCache.token("a")
        yield* adjust("10 seconds")
        yield* TokenCache.token("b")
        yield* adjust("10 seconds")
        set(-hour)
        yield* TokenCache.token("a")
        yield* TokenCache.token("c")
        yield* adjust(0)
        assert.deepStrictEqual(yield* names, ["a", "c"])
      }).pipe(Effect.provide(tenants(Issuer.scripted(Issuer.succeed("1 day")), { capacity: 2 })))
    )
  })
})

describe("a tenant that backs off", () => {
  it.effect("is dropped last before 1970 as well", () => {
    const issuer = Issuer.scripted(Issuer.fail(), Issuer.succeed("1 day"))
    return onSettableClock(({ adjust, set }) =>
      Effect.gen(function* () {
        set(-1000 * hour)
        yield* Effect.flip(TokenCache.token("fails"))
        yield* adjust("1 second")
        yield* TokenCache.token("b")
        yield* TokenCache.token("c")
        yield* adjust(0)
        assert.deepStrictEqual(yield* names, ["fails", "c"])
      }).pipe(Effect.provide(tenants(issuer, { capacity: 2 })))
    )
  })
})

describe("a clock set back by a fraction of a millisecond more during an attempt", () => {
  it.effect("leaves whole milliseconds in every instant, and the token is taken", () => {
    const issuer = Issuer.scripted(Issuer.slow("slow"))
    return onSettableClock(({ adjust, set }) =>
      Effect.gen(function* () {
        yield* adjust(0)
        set(-hour - 0.5)
        yield* adjust("1 second")
        const { expiresAt, issuedAt, lastError, nextAttemptAt } = yield* status
        assert.isUndefined(lastError)
        for (const instant of [issuedAt, expiresAt, nextAttemptAt]) assert.isTrue(Number.isInteger(instant))
      }).pipe(Effect.provide(layer(issuer)))
    )
  })
})

describe("a clock set back while a token is written to the store", () => {
  it.effect("gives out no expired token", () => {
    const issuer = Issuer.scripted(Issuer.succeed("15 minutes"), Issuer.fail())
    return onSettableClock(({ adjust, clock, set }) =>
      Effect.gen(function* () {
        const backend = yield* MemoryBackend.make
        const written = yield* Deferred.make<void>()
        const slow: TokenStore.Backend = {
          ...backend,
          write: (...write) => Effect.zipRight(Deferred.await(written), backend.write(...write))
        }
        const cache = yield* Sharing.processOn(slow, { issue: issuer.issue })
        const reader = yield* Effect.fork(cache.token("line"))
        yield* adjust("1 second")
        set(-hour)
        // The refresh fiber notices it.
        yield* Effect.fork(cache.refresh("line"))
        yield* adjust(0)
        yield* Deferred.succeed(written, undefined)
        assert.strictEqual(Issuer.value(yield* Fiber.join(reader)), "token-1")
        const { expiresAt } = yield* cache.status("line")
        assert.strictEqual(expiresAt, clock.unsafeCurrentTimeMillis() - 1000 + 900_000)
      }).pipe(Effect.scoped)
    )
  })
})
