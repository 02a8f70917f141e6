import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Exit, Fiber, Layer, Scope, Stream, TestClock } from "effect"
import { TokenCache, type TokenEvent } from "effect-token-cache"
import * as Issuer from "./support/issuer.js"

const layer = (issuer: ReturnType<typeof Issuer.scripted>) =>
  TokenCache.layer({ line: { issue: issuer.issue, jitter: 0 } })

/** Collects a stream in the background; the array is read while it grows. */
const collect = <A, E, R>(stream: Stream.Stream<A, E, R>) => {
  const seen: Array<A> = []
  return Effect.map(Effect.fork(Stream.runForEach(stream, (a) => Effect.sync(() => seen.push(a)))), (fiber) => ({
    seen,
    fiber
  }))
}

const summary = (event: TokenEvent) => `${event.at / 1000} ${event._tag} ${event.name}`

describe("TokenCache.status", () => {
  it.effect("goes from starting to ready, degraded, down and back", () => {
    const issuer = Issuer.scripted(
      Issuer.run(Effect.delay(Issuer.scripted(Issuer.succeed("15 minutes", "first")).issue, "1 second")),
      Issuer.fail({ reason: "Unreachable", status: 503 })
    )
    return Effect.gen(function* () {
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(yield* TokenCache.status("line"), {
        name: "line",
        state: "starting",
        refreshing: true,
        generation: 0,
        consecutiveFailures: 0,
        reads: 0
      })
      yield* TestClock.adjust("1 second")
      yield* TokenCache.token("line")
      yield* TokenCache.accessToken("line")
      assert.deepStrictEqual(yield* TokenCache.status("line"), {
        name: "line",
        state: "ready",
        refreshing: false,
        issuedAt: 0,
        expiresAt: 900_000,
        nextAttemptAt: 450_000,
        generation: 1,
        consecutiveFailures: 0,
        reads: 2
      })
      yield* TestClock.adjust("450 seconds")
      const degraded = yield* TokenCache.status("line")
      assert.strictEqual(degraded.state, "degraded")
      assert.strictEqual(degraded.lastError?.status, 503)
      assert.strictEqual(degraded.nextAttemptAt, 480_000)
      yield* TestClock.adjust("500 seconds")
      assert.strictEqual((yield* TokenCache.status("line")).state, "down")
      issuer.becomes(Issuer.succeed("15 minutes"))
      yield* TestClock.adjust("5 minutes")
      const ready = yield* TokenCache.status("line")
      assert.strictEqual(ready.state, "ready")
      assert.strictEqual(ready.generation, 2)
      assert.isUndefined(ready.lastError)
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("is computed from the clock when asked", () => {
    const issuer = Issuer.scripted(Issuer.succeed("1 minute"), Issuer.fail())
    return Effect.gen(function* () {
      yield* TokenCache.token("line")
      yield* TestClock.adjust("55 seconds")
      assert.strictEqual((yield* TokenCache.status("line")).state, "down")
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("of all tokens", () =>
    Effect.gen(function* () {
      const statuses = yield* TokenCache.statuses
      assert.deepStrictEqual(
        statuses.map(({ name, state }) => [name, state]),
        [
          ["a", "ready"],
          ["b", "ready"]
        ]
      )
    }).pipe(Effect.provide(TokenCache.layerTest({ a: "1", b: "2" })))
  )
})

describe("TokenCache.changes", () => {
  it.effect("gives the current status first, then each change, expiry included, and ends with the layer", () => {
    const issuer = Issuer.scripted(Issuer.succeed("15 minutes"), Issuer.fail())
    return Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(layer(issuer), scope)
      const states = yield* Effect.gen(function* () {
        yield* TokenCache.token("line")
        const { fiber, seen } = yield* collect(TokenCache.changes("line"))
        yield* TestClock.adjust("449 seconds")
        assert.deepStrictEqual(
          seen.map(({ state }) => state),
          ["ready"]
        )
        yield* TestClock.adjust("1 second")
        assert.strictEqual(seen.at(-1)?.state, "degraded")
        yield* TestClock.adjust("445 seconds")
        assert.isTrue(seen.some(({ state }) => state === "down"))
        yield* Scope.close(scope, Exit.void)
        assert.isTrue(Exit.isSuccess(yield* Fiber.await(fiber)))
        return seen.map(({ state }) => state)
      }).pipe(Effect.provide(context))
      assert.strictEqual(states.at(-1), "stopped")
    })
  })

  it.effect("a slow consumer sees the latest", () => {
    const issuer = Issuer.scripted(Issuer.succeed("1 hour"))
    return Effect.gen(function* () {
      yield* TokenCache.token("line")
      const release = yield* Effect.makeLatch(false)
      const { fiber, seen } = yield* collect(
        TokenCache.changes("line").pipe(
          Stream.tap(() => release.await),
          Stream.takeUntil(({ generation }) => generation === 21)
        )
      )
      for (let refresh = 0; refresh < 20; refresh++) {
        yield* TestClock.adjust("100 millis")
        yield* TokenCache.refresh("line")
      }
      yield* release.open
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(
        seen.map(({ generation }) => generation),
        [1, 21]
      )
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("of an unknown name fails", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Stream.runDrain(TokenCache.changes("lien")))
      assert.strictEqual(error.reason, "UnknownName")
    }).pipe(Effect.provide(TokenCache.layerTest({ line: "fixed" })))
  )

  it.effect("of a closed layer is the status stopped, and ends", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(TokenCache.layerTest({ line: "fixed" }), scope)
      yield* Scope.close(scope, Exit.void)
      const all = yield* Stream.runCollect(TokenCache.changes("line")).pipe(Effect.provide(context))
      assert.deepStrictEqual(
        Chunk.toReadonlyArray(all).map(({ state }) => state),
        ["stopped"]
      )
    })
  )
})

describe("TokenCache.events", () => {
  it.effect("tells what happened, and ends with the layer", () => {
    const issuer = Issuer.scripted(
      Issuer.succeed("15 minutes"),
      Issuer.fail({ retryAfter: "10 minutes" }),
      Issuer.succeed("15 minutes")
    )
    return Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(layer(issuer), scope)
      yield* Effect.gen(function* () {
        const { fiber, seen } = yield* collect(TokenCache.events)
        yield* TestClock.adjust("1055 seconds")
        yield* TokenCache.invalidate("line", yield* TokenCache.token("line"))
        yield* TokenCache.token("line")
        yield* Effect.scoped(TokenCache.register("tenant", { issue: Effect.never }))
        yield* Scope.close(scope, Exit.void)
        assert.isTrue(Exit.isSuccess(yield* Fiber.await(fiber)))
        assert.deepStrictEqual(seen.map(summary), [
          "450 IssueFailed line",
          "895 Expired line",
          "1050 Issued line",
          "1055 Invalidated line",
          "1055 Issued line",
          "1055 Dropped tenant"
        ])
      }).pipe(Effect.provide(context))
    })
  })

  it.effect("a slow consumer loses the oldest past 256", () => {
    const issuer = Issuer.scripted(Issuer.succeed("1 hour"))
    return Effect.gen(function* () {
      yield* TokenCache.token("line")
      const release = yield* Effect.makeLatch(false)
      const { fiber, seen } = yield* collect(
        TokenCache.events.pipe(
          Stream.map((event) => (event._tag === "Issued" ? event.generation : 0)),
          Stream.tap(() => release.await),
          Stream.takeUntil((generation) => generation === 401)
        )
      )
      yield* TestClock.adjust(0)
      for (let refresh = 0; refresh < 400; refresh++) {
        yield* TokenCache.refresh("line")
        yield* Effect.yieldNow()
      }
      yield* release.open
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(seen, [2, ...Array.from({ length: 256 }, (_, index) => 146 + index)])
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("of a closed layer are none", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(TokenCache.layerTest({ line: "fixed" }), scope)
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(Chunk.isEmpty(yield* Stream.runCollect(TokenCache.events).pipe(Effect.provide(context))))
    })
  )
})
