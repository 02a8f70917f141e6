import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Redacted, Schedule, TestClock } from "effect"
import { RefreshPolicy, TokenCache, type TokenStore } from "effect-token-cache"
import * as Issuer from "./support/issuer.js"
import * as MemoryBackend from "./support/memoryBackend.js"
import { invalidate, read, status, unavailable } from "./support/oneToken.js"
import * as Sharing from "./support/sharing.js"

const taking = (millis: number) =>
  Schedule.mapEffect(RefreshPolicy.make({ jitter: 0 }), (delay) => Effect.delay(Effect.succeed(delay), millis))

describe("a token that is issued once more, and invalidated while the schedule is stepped,", () => {
  it.effect("does not come back", () => {
    const issuer = Issuer.scripted(Issuer.succeed("15 minutes", "same"))
    return Effect.gen(function* () {
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* read, "same")
      yield* TestClock.adjust("449 seconds")
      assert.strictEqual(issuer.calls.length, 2)
      // Its second step takes until 450.6 seconds have passed.
      yield* invalidate("same")
      // The step for the failure follows, and takes as long.
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* unavailable).lastError?.reason, "InvalidResponse")
      assert.strictEqual((yield* status).state, "down")
      issuer.becomes(Issuer.succeed("15 minutes", "new"))
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* read, "new")
    }).pipe(Effect.provide(TokenCache.layer({ line: { issue: issuer.issue, schedule: taking(600) } })))
  })
})

describe("a token that is issued once more, and invalidated while it is written to the store,", () => {
  it.effect("does not come back", () => {
    const issuer = Issuer.scripted(Issuer.succeed("15 minutes", "same"))
    return Effect.gen(function* () {
      const backend = yield* MemoryBackend.make
      const written = yield* Deferred.make<void>()
      const slow: TokenStore.Backend = {
        ...backend,
        write: (...write) =>
          issuer.calls.length < 2
            ? backend.write(...write)
            : Effect.zipRight(Deferred.await(written), backend.write(...write))
      }
      const cache = yield* Sharing.processOn(slow, { issue: issuer.issue })
      yield* cache.token("line")
      yield* TestClock.adjust("450 seconds")
      assert.strictEqual(issuer.calls.length, 2)
      yield* cache.invalidate("line", Redacted.make("same"))
      yield* Deferred.succeed(written, undefined)
      yield* TestClock.adjust(0)
      assert.strictEqual((yield* Effect.flip(cache.token("line"))).lastError?.reason, "InvalidResponse")
    }).pipe(Effect.scoped)
  })
})
