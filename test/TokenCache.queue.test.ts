import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import { TokenCache } from "effect-token-cache"
import * as Issuer from "./support/issuer.js"
import { settableClock } from "./support/settableClock.js"

describe("a token that waits for its turn", () => {
  it.effect("goes before the others once a reader waits for it", () => {
    const order: Array<string> = []
    const source = (name: string) => ({
      issue: Effect.zipRight(
        Effect.sync(() => order.push(name)),
        Issuer.scripted(Issuer.succeed("1 hour", name)).issue
      )
    })
    return Effect.gen(function* () {
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(order, [])
      const reader = yield* Effect.fork(TokenCache.token("c"))
      yield* TestClock.adjust(0)
      assert.strictEqual(Issuer.value(yield* Fiber.join(reader)), "c")
      assert.deepStrictEqual(order, ["c"])
    }).pipe(
      Effect.provide(
        TokenCache.layer(
          { hangs: { issue: Effect.never }, a: source("a"), b: source("b"), c: source("c") },
          { concurrency: 1 }
        )
      )
    )
  })
})

describe("a token whose refresh is overdue, because the machine has slept,", () => {
  it.effect("is refreshed as soon as somebody reads it, and once", () => {
    const issuer = Issuer.scripted(Issuer.succeed("15 minutes"))
    return Effect.gen(function* () {
      const { adjust, clock, set } = yield* settableClock
      yield* Effect.gen(function* () {
        yield* TokenCache.token("line")
        // The refresh fiber goes to sleep.
        yield* adjust(0)
        set(800_000)
        assert.strictEqual(Issuer.value(yield* TokenCache.token("line")), "token-1")
        // No timer has run: only the read can have woken the refresh fiber.
        yield* adjust(0)
        assert.deepStrictEqual(issuer.calls, [0, 800_000])
        assert.strictEqual(Issuer.value(yield* TokenCache.token("line")), "token-2")
      }).pipe(Effect.provide(TokenCache.layer({ line: { issue: issuer.issue } })), Effect.withClock(clock))
    })
  })
})
