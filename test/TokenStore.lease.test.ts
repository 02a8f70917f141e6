import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, TestClock } from "effect"
import { TokenCache, type TokenCacheService, TokenMetrics, TokenStore } from "effect-token-cache"
import * as Issuer from "./support/issuer.js"
import { logged, quiet } from "./support/logs.js"
import * as MemoryBackend from "./support/memoryBackend.js"
import { published } from "./support/series.js"
import { key, processOn, processWith } from "./support/sharing.js"

const hour = Issuer.succeed("1 hour")

const sharing = (cache: TokenCacheService) => Effect.map(cache.status("line"), ({ sharing }) => sharing)

/** Whoever asks for a lease is told that somebody else holds it. */
const withoutLeases = Effect.map(
  MemoryBackend.make,
  (backend): TokenStore.Backend => ({ ...backend, acquire: () => Effect.succeed(false) })
)

const gaveUp = "No lease and no token of another process within 20s: this process goes on without the lease"

describe("a lease that nobody gets", () => {
  it.scoped("stops no issue: after twice its time to live each process issues its own, and says so", () =>
    Effect.gen(function* () {
      const backend = yield* withoutLeases
      const issuer = Issuer.scripted(hour)
      const [, lines] = yield* logged(
        Effect.gen(function* () {
          const cache = yield* processOn(backend, issuer)
          yield* TestClock.adjust("19 seconds")
          assert.strictEqual(issuer.calls.length, 0)
          yield* TestClock.adjust("1 second")
          assert.strictEqual(Issuer.value(yield* cache.token("line")), "token-1")
          assert.strictEqual(yield* sharing(cache), "local")
        })
      )
      assert.deepStrictEqual(lines, [gaveUp])
    })
  )

  it.scoped("is waited for at each refresh anew, in which the token stays warm", () =>
    Effect.gen(function* () {
      const issuer = Issuer.scripted(hour)
      const cache = yield* processOn(yield* withoutLeases, issuer)
      yield* TestClock.adjust("20 seconds")
      yield* TestClock.adjust("50 minutes")
      assert.strictEqual(Issuer.value(yield* cache.token("line")), "token-1")
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(Issuer.value(yield* cache.token("line")), "token-2")
    }).pipe(Effect.provide(quiet))
  )

  for (const [limit, options] of Object.entries({
    "the time limit of an attempt": { issueTimeout: "3 seconds", leaseTimeToLive: "10 seconds" },
    "it, because the lease may run for long": { issueTimeout: "30 seconds", leaseTimeToLive: "1 minute" }
  } as const)) {
    it.scoped(`stops no issue where twice its time to live is longer than ${limit}`, () =>
      Effect.gen(function* () {
        const issuer = Issuer.scripted(hour)
        const { issueTimeout, leaseTimeToLive } = options
        const source = { ...issuer, issueTimeout, retryAfter: "1 second", maxRetryAfter: "1 second" } as const
        const cache = yield* processOn(yield* withoutLeases, source, { encryption: [key], leaseTimeToLive })
        yield* TestClock.adjust(leaseTimeToLive)
        assert.strictEqual(issuer.calls.length, 0)
        yield* TestClock.adjust(leaseTimeToLive)
        // The attempt in which the time is up may have begun just before.
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual(Issuer.value(yield* cache.token("line")), "token-1")
      }).pipe(Effect.provide(quiet))
    )
  }

  it.scoped("leaves an issuer that is slow the whole time limit, in the attempt that follows", () =>
    Effect.gen(function* () {
      const slow = Issuer.slow("slow", "25 seconds")
      const cache = yield* processOn(yield* withoutLeases, { ...Issuer.scripted(slow), retryAfter: "10 seconds" })
      // 20 seconds of waiting and 10 of an issue that is cut off, a pause, and an issue of 25 seconds.
      yield* TestClock.adjust("76 seconds")
      assert.strictEqual(Issuer.value(yield* cache.token("line")), "slow")
    }).pipe(Effect.provide(quiet))
  )

  it.scoped("is waited for in full again after another process has given its token", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryBackend.make
      const issuer = Issuer.scripted(hour)
      const held = { taken: true }
      const mine: TokenStore.Backend = {
        ...backend,
        acquire: (...args) => (held.taken ? Effect.succeed(false) : backend.acquire(...args))
      }
      const cache = yield* processOn(mine, issuer)
      yield* TestClock.adjust("15 seconds")
      const other = yield* processOn(backend, Issuer.scripted(Issuer.succeed("1 hour", "theirs")))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(Issuer.value(yield* cache.token("line")), Issuer.value(yield* other.token("line")))
      yield* Effect.fork(cache.refresh("line"))
      yield* TestClock.adjust("19 seconds")
      assert.strictEqual(issuer.calls.length, 0)
    }).pipe(Effect.provide(quiet))
  )

  it.scoped("is counted by token_cache_lease_given_up, and in token_cache_lease_wait_seconds", () =>
    Effect.gen(function* () {
      const store = TokenStore.layer(yield* withoutLeases, { encryption: [key] })
      const cache = processWith({ line: { ...Issuer.scripted(hour), identity: { client: "app" } } }, store)
      const series = yield* Effect.zipRight(TestClock.adjust("20 seconds"), published("given up", "token_cache_")).pipe(
        Effect.provide(
          Layer.provideMerge(TokenMetrics.layer({ interval: "20 days" }), Layer.effect(TokenCache, cache))
        ),
        Effect.tagMetrics("test", "given up")
      )
      assert.strictEqual(series["lease_given_up{token=line}"], 1)
      assert.strictEqual(series["lease_wait_seconds_sum{}"], 20)
    }).pipe(Effect.provide(quiet))
  )
})
