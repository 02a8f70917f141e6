import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import { TokenCache } from "effect-token-cache"
import * as Issuer from "./support/issuer.js"
import { seconds } from "./support/oneToken.js"
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

  it.effect("goes before the others if there is none of it yet", () => {
    const order: Array<string> = []
    const old = Issuer.scripted(Issuer.succeed("20 seconds"))
    return Effect.gen(function* () {
      yield* TestClock.adjust("9 seconds")
      yield* TokenCache.register("hangs", { issue: Effect.never })
      // The refresh of `old` is due after 10 seconds.
      yield* TestClock.adjust("2 seconds")
      yield* TokenCache.register("new", {
        issue: Effect.zipRight(
          Effect.sync(() => order.push("new")),
          old.issue
        )
      })
      assert.deepStrictEqual(order, ["old"])
      // Who hangs gives its turn up after `readTimeout`.
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(order, ["old", "new", "old"])
    }).pipe(
      Effect.scoped,
      Effect.provide(
        TokenCache.layer(
          {
            old: {
              issue: Effect.zipRight(
                Effect.sync(() => order.push("old")),
                old.issue
              ),
              jitter: 0
            }
          },
          { concurrency: 1 }
        )
      )
    )
  })

  it.effect("gets no turn from an attempt that gave its own up before it ended", () => {
    const slow = Issuer.scripted(Issuer.slow("first", "8 seconds"))
    const slower = Issuer.scripted(Issuer.slow("second", "20 seconds"))
    const third = Issuer.scripted(Issuer.succeed("15 minutes"))
    return Effect.gen(function* () {
      yield* TestClock.adjust("1 second")
      yield* TokenCache.register("second", { issue: slower.issue })
      yield* TestClock.adjust("5 seconds")
      yield* TokenCache.register("third", { issue: third.issue })
      yield* TestClock.adjust("9 seconds")
      assert.deepStrictEqual([slow, slower, third].map(seconds), [[0], [5], [10]])
    }).pipe(Effect.scoped, Effect.provide(TokenCache.layer({ first: { issue: slow.issue } }, { concurrency: 1 })))
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
