import { FetchHttpClient, type HttpClient } from "@effect/platform"
import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import { Cause, Chunk, Effect, Exit, type Redacted, Stream, TestClock } from "effect"
import { BearerClient, IssueError, LineMessaging, TokenCache, TokenNames, TokenUnavailable } from "effect-token-cache"
import * as Issuer from "./support/issuer.js"

const sources = {
  line: { issue: Issuer.scripted(Issuer.succeed("1 hour")).issue },
  down: { issue: Effect.fail(new IssueError({ reason: "Unreachable" })) }
}

const Tokens = TokenNames.make<keyof typeof sources>()

const Live = TokenCache.layer(sources)

describe("TokenNames", () => {
  it("takes no other name, at compile time", () => {
    // @ts-expect-error not a name
    Tokens.token("typo")
    // @ts-expect-error not a name
    Tokens.reader("typo")
    // @ts-expect-error not a name
    Tokens.changes("typo")
    // @ts-expect-error not a name
    Tokens.name("typo")
    // @ts-expect-error no names were declared
    TokenNames.make().token("line")
    assert.strictEqual(Tokens.name("line"), "line")
  })

  it("has no UnknownName in its errors, and needs the one TokenCache", () => {
    expectTypeOf(Tokens.token("line")).toEqualTypeOf<
      Effect.Effect<Redacted.Redacted<string>, TokenNames.KnownTokenUnavailable, TokenCache>
    >()
    expectTypeOf<TokenNames.KnownTokenUnavailable["reason"]>().toEqualTypeOf<"IssueFailed" | "TimedOut" | "Closed">()
    expectTypeOf<TokenNames.KnownTokenUnavailable>().toExtend<TokenUnavailable>()
    const caught = Effect.catchTag(Tokens.token("line"), "TokenUnavailable", (error) => Effect.succeed(error.reason))
    expectTypeOf<Effect.Effect.Error<typeof caught>>().toEqualTypeOf<never>()
  })

  it("goes with what takes any name", () => {
    expectTypeOf(BearerClient.make(Tokens.name("line"), { origins: ["https://api.line.me"] })).toEqualTypeOf<
      Effect.Effect<HttpClient.HttpClient, never, HttpClient.HttpClient | TokenCache>
    >()
    const push = LineMessaging.push(Tokens.name("line"), "U1", LineMessaging.text("hi"))
    expectTypeOf<Effect.Effect.Context<typeof push>>().toEqualTypeOf<HttpClient.HttpClient | TokenCache>()
  })

  it.effect("reads the cache in the context", () =>
    Effect.gen(function* () {
      const first = yield* Tokens.token("line")
      assert.strictEqual(Issuer.value(first), "token-1")
      assert.strictEqual((yield* Tokens.accessToken("line")).generation, 1)
      assert.strictEqual(Issuer.value(yield* yield* Tokens.reader("line")), "token-1")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(Issuer.value(yield* Tokens.refresh("line")), "token-2")
      yield* Tokens.invalidate("line", yield* Tokens.token("line"))
      assert.strictEqual(Issuer.value(yield* Tokens.token("line")), "token-3")
      assert.strictEqual((yield* Tokens.status("line")).generation, 3)
      const [status] = Chunk.toReadonlyArray(yield* Stream.runCollect(Stream.take(Tokens.changes("line"), 1)))
      assert.strictEqual(status?.state, "ready")
    }).pipe(Effect.provide([Live, FetchHttpClient.layer]))
  )

  it.effect("fails as the cache does", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(Tokens.token("down"))).reason, "IssueFailed")
    }).pipe(Effect.provide(Live))
  )

  it.effect("a declared name that the cache does not have is a defect that lists those it has", () =>
    Effect.gen(function* () {
      const Wrong = TokenNames.make<"lime">()
      const exits = yield* Effect.all([
        Effect.exit(Effect.asVoid(Wrong.token("lime"))),
        Effect.exit(Effect.asVoid(Wrong.reader("lime"))),
        Effect.exit(Stream.runDrain(Wrong.changes("lime")))
      ])
      for (const exit of exits) {
        const defect = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
        assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
        assert.strictEqual(
          defect instanceof TokenUnavailable && defect.message,
          'no token is named "lime"; registered: "line", "down"'
        )
      }
    }).pipe(Effect.provide(Live))
  )
})
