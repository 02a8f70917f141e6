import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, TestClock } from "effect"
import { TokenCache } from "effect-token-cache"
import * as Issuer from "./support/issuer.js"

// The four cases of the Elixir original's own tests, ExLine.ChannelAccessToken.Cache.
describe("the seed's cases", () => {
  it.effect("serves the issued token after the eager first issue", () => {
    const issuer = Issuer.scripted(Issuer.succeed("30 days"))
    return Effect.gen(function* () {
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(issuer.calls, [0])
      assert.strictEqual(Issuer.value(yield* TokenCache.token("line")), "token-1")
      assert.deepStrictEqual(issuer.calls, [0])
    }).pipe(Effect.provide(TokenCache.layer({ line: { issue: issuer.issue } })))
  })

  it.effect("serves by name", () => {
    const first = Issuer.scripted(Issuer.succeed("30 days", "first"))
    const second = Issuer.scripted(Issuer.succeed("30 days", "second"))
    return Effect.gen(function* () {
      assert.strictEqual(Issuer.value(yield* TokenCache.token("a")), "first")
      assert.strictEqual(Issuer.value(yield* TokenCache.token("b")), "second")
    }).pipe(Effect.provide(TokenCache.layer({ a: { issue: first.issue }, b: { issue: second.issue } })))
  })

  it.effect("is unavailable, and still running, when the first issue fails", () => {
    const issuer = Issuer.scripted(Issuer.fail(), Issuer.succeed("30 days"))
    return Effect.gen(function* () {
      assert.isTrue(Exit.isFailure(yield* Effect.exit(TokenCache.token("line"))))
      yield* TestClock.adjust("33 seconds")
      assert.strictEqual(Issuer.value(yield* TokenCache.token("line")), "token-2")
    }).pipe(Effect.provide(TokenCache.layer({ line: { issue: issuer.issue } })))
  })

  it.effect("refreshes when due: a lifetime of 1 s and refreshBefore 600 s every second", () => {
    const issuer = Issuer.scripted(Issuer.succeed("1 second"))
    return Effect.gen(function* () {
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(issuer.calls, [0, 1000, 2000, 3000, 4000, 5000])
      assert.strictEqual(Issuer.value(yield* TokenCache.token("line")), "token-6")
    }).pipe(Effect.provide(TokenCache.layer({ line: { issue: issuer.issue, refreshBefore: "600 seconds" } })))
  })
})
