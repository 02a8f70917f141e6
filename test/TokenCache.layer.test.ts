import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import {
  Cause,
  Config,
  type ConfigError,
  ConfigProvider,
  Context,
  Effect,
  Exit,
  Fiber,
  Layer,
  Redacted,
  Schedule,
  Scope,
  TestClock
} from "effect"
import {
  type InvalidOptions,
  IssuedToken,
  TokenCache,
  type TokenSource,
  type TokenUnavailable
} from "effect-token-cache"
import * as Issuer from "./support/issuer.js"

const read = (name: string) => Effect.map(TokenCache.token(name), Issuer.value)

const build = <E, R>(layer: Layer.Layer<TokenCache, E, R>) => Effect.scoped(Layer.build(layer))

class Secret extends Context.Tag("test/Secret")<Secret, string>() {}

const needsSecret: TokenSource.TokenSource<never, Secret> = {
  issue: Effect.map(Secret, (secret) => IssuedToken.make({ accessToken: secret, expiresIn: "1 hour" }))
}

const fromConfig = Effect.map(Config.redacted("API_SECRET"), (secret) => ({
  issue: Effect.succeed(IssuedToken.make({ accessToken: secret, expiresIn: "1 hour" }))
}))

describe("TokenCache.layer", () => {
  it("needs what the issuers need, and fails with what making the sources can fail with", () => {
    expectTypeOf(TokenCache.layer({ a: { issue: Issuer.scripted(Issuer.hang).issue } })).toEqualTypeOf<
      Layer.Layer<TokenCache, InvalidOptions>
    >()
    expectTypeOf(TokenCache.layer({ a: needsSecret, b: fromConfig })).toEqualTypeOf<
      Layer.Layer<TokenCache, InvalidOptions | ConfigError.ConfigError, Secret>
    >()
    expectTypeOf(TokenCache.layer({ a: needsSecret }, { prefetch: "sync" })).toEqualTypeOf<
      Layer.Layer<TokenCache, InvalidOptions | TokenUnavailable, Secret>
    >()
    const scoped = { issue: Effect.acquireRelease(needsSecret.issue, () => Effect.void) }
    expectTypeOf(TokenCache.layer({ a: scoped })).toEqualTypeOf<Layer.Layer<TokenCache, InvalidOptions, Secret>>()
  })

  it("refuses options that do not exist, at compile time", () => {
    const issue = needsSecret.issue
    // @ts-expect-error refreshbefore is no option of a source
    TokenCache.layer({ a: { issue, refreshbefore: "1 minute" } })
    // @ts-expect-error readTimeOut is no option of the layer
    TokenCache.layer({ a: { issue } }, { readTimeOut: "1 minute" })
  })

  it.effect("gives the issuers what the layer is given", () =>
    Effect.map(read("a"), (token) => assert.strictEqual(token, "hidden")).pipe(
      Effect.provide(Layer.provide(TokenCache.layer({ a: needsSecret }), Layer.succeed(Secret, "hidden")))
    )
  )

  it.effect("makes a source that is an effect", () =>
    Effect.map(read("api"), (token) => assert.strictEqual(token, "from the environment")).pipe(
      Effect.provide(TokenCache.layer({ api: fromConfig })),
      Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["API_SECRET", "from the environment"]])))
    )
  )

  it.effect("fails, without a request, with the error of a source that cannot be made", () => {
    const issuer = Issuer.scripted(Issuer.succeed("1 hour"))
    return Effect.gen(function* () {
      const error = yield* Effect.flip(build(TokenCache.layer({ line: { issue: issuer.issue }, api: fromConfig })))
      assert.include(Cause.pretty(Cause.fail(error)), "API_SECRET")
      assert.deepStrictEqual(issuer.calls, [])
    }).pipe(Effect.withConfigProvider(ConfigProvider.fromMap(new Map())))
  })

  it.effect("is built before the issuers have answered", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* TokenCache.status("line")).state, "starting")
    }).pipe(Effect.provide(TokenCache.layer({ line: { issue: Effect.never } })))
  )

  describe("prefetch: sync", () => {
    it.effect("waits for the first attempt of each token", () => {
      const slow = Issuer.run(Effect.delay(Issuer.scripted(Issuer.succeed("1 hour", "slow")).issue, "20 seconds"))
      const layer = TokenCache.layer({ line: { issue: Issuer.scripted(slow).issue } }, { prefetch: "sync" })
      return Effect.gen(function* () {
        const fiber = yield* Effect.fork(Effect.provide(TokenCache.status("line"), layer))
        yield* TestClock.adjust("19 seconds")
        assert.isNull(fiber.unsafePoll())
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* Fiber.join(fiber)).state, "ready")
      })
    })

    it.effect("fails with TokenUnavailable when one fails", () =>
      Effect.gen(function* () {
        const fails = Issuer.scripted(Issuer.fail({ reason: "Rejected" })).issue
        const error = yield* Effect.flip(build(TokenCache.layer({ line: { issue: fails } }, { prefetch: "sync" })))
        assert.strictEqual(error._tag, "TokenUnavailable")
        assert.include(error.message, `"line"`)
      })
    )
  })

  describe("refuses, before any request,", () => {
    const issue = Effect.succeed(IssuedToken.make({ accessToken: "t", expiresIn: "1 hour" }))
    const bad: ReadonlyArray<readonly [string, string, Layer.Layer<TokenCache, InvalidOptions>]> = [
      ["an empty name", "name", TokenCache.layer({ "": { issue } })],
      ["a blank name", "name", TokenCache.layer({ "  ": { issue } })],
      ["refreshBefore of 0", "refreshBefore", TokenCache.layer({ a: { issue, refreshBefore: 0 } })],
      ["a negative retryAfter", "retryAfter", TokenCache.layer({ a: { issue, retryAfter: -1 } })],
      [
        "an infinite maxRetryAfter",
        "maxRetryAfter",
        TokenCache.layer({ a: { issue, maxRetryAfter: "Infinity seconds" as "1 second" } })
      ],
      ["issueTimeout of 0", "issueTimeout", TokenCache.layer({ a: { issue, issueTimeout: "0 seconds" } })],
      ["defaultLifetime of 0", "defaultLifetime", TokenCache.layer({ a: { issue, defaultLifetime: 0 } })],
      ["a jitter over 1", "jitter", TokenCache.layer({ a: { issue, jitter: 10 } })],
      [
        "schedule beside refreshBefore",
        "refreshBefore",
        TokenCache.layer({ a: { issue, schedule: Schedule.forever, refreshBefore: "1 minute" } })
      ],
      [
        "schedule beside retryAfter",
        "retryAfter",
        TokenCache.layer({ a: { issue, schedule: Schedule.forever, retryAfter: "1 minute" } })
      ],
      ["schedule beside jitter", "jitter", TokenCache.layer({ a: { issue, schedule: Schedule.forever, jitter: 0 } })],
      ["a source without issue", "issue", TokenCache.layer({ a: {} as { issue: typeof issue } })],
      ["a source that is undefined", "issue", TokenCache.layer({ a: undefined as unknown as { issue: typeof issue } })],
      ["readTimeout of 0", "readTimeout", TokenCache.layer({ a: { issue } }, { readTimeout: 0 })],
      ["a negative leeway", "leeway", TokenCache.layer({ a: { issue } }, { leeway: -1 })],
      ["concurrency of 0", "concurrency", TokenCache.layer({ a: { issue } }, { concurrency: 0 })],
      ["concurrency of 1.5", "concurrency", TokenCache.layer({ a: { issue } }, { concurrency: 1.5 })]
    ]
    for (const [name, option, layer] of bad) {
      it.effect(name, () =>
        Effect.gen(function* () {
          const error = yield* Effect.flip(build(layer))
          assert.strictEqual(error._tag, "InvalidOptions")
          assert.strictEqual(error.option, option)
          assert.include(error.message, option === "issue" ? "issue" : option === "name" ? "name" : option)
        })
      )
    }

    it.effect("any token of a layer of which one is wrong", () => {
      const issuer = Issuer.scripted(Issuer.succeed("1 hour"))
      return Effect.gen(function* () {
        yield* Effect.flip(
          build(TokenCache.layer({ good: { issue: issuer.issue }, bad: { issue: issuer.issue, jitter: 7 } }))
        )
        assert.deepStrictEqual(issuer.calls, [])
      })
    })
  })
})

describe("a layer with more than 512 tokens that are due at once", () => {
  it.effect("lets the event loop take a turn after 512 attempts", () => {
    const turns: Array<number> = []
    let startedInTurn = 0
    // A turn is over when a timer has run, or the sockets have been looked at.
    const endTurn = () => {
      if (startedInTurn > 0) turns.push(startedInTurn)
      startedInTurn = 0
    }
    const issue = Effect.sync(() => {
      if (startedInTurn++ === 0) {
        setTimeout(endTurn, 0)
        setImmediate(endTurn)
      }
      return IssuedToken.make({ accessToken: "token", expiresIn: "1 hour" })
    })
    const source = { issue, refreshBefore: "30 minutes", jitter: 0 } as const
    const sources = Object.fromEntries(Array.from({ length: 1200 }, (_, index) => [`token ${index}`, source]))
    return Effect.gen(function* () {
      yield* TestClock.adjust(0)
      turns.length = 0
      yield* TestClock.adjust("30 minutes")
      endTurn()
      assert.deepStrictEqual(turns, [512, 512, 176])
    }).pipe(Effect.provide(TokenCache.layer(sources, { concurrency: 1200 })))
  })
})

describe("TokenCache.register", () => {
  const issuer = () => Issuer.scripted(Issuer.succeed("1 hour"))
  const empty = TokenCache.layer({})

  it.effect("adds a token for as long as the scope is open", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      yield* TokenCache.register("tenant", { issue: issuer().issue }).pipe(Scope.extend(scope))
      assert.strictEqual(yield* read("tenant"), "token-1")
      const reader = yield* TokenCache.reader("tenant")
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* Effect.flip(read("tenant"))).reason, "UnknownName")
      assert.strictEqual((yield* Effect.flip(reader)).reason, "Closed")
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* TokenCache.register("tenant", { issue: issuer().issue })
          assert.strictEqual(yield* read("tenant"), "token-1")
        })
      )
    }).pipe(Effect.provide(empty))
  )

  it.effect("gives the issuer the context of the caller", () =>
    Effect.gen(function* () {
      yield* TokenCache.register("tenant", needsSecret).pipe(Effect.provideService(Secret, "of the tenant"))
      assert.strictEqual(yield* read("tenant"), "of the tenant")
    }).pipe(Effect.scoped, Effect.provide(empty))
  )

  it.effect("refuses a name that is taken, and leaves its token alone", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(TokenCache.register("line", { issue: Effect.never })))
      assert.strictEqual(error._tag, "InvalidOptions")
      assert.include(error.message, `"line"`)
      assert.strictEqual(yield* read("line"), "token-1")
    }).pipe(Effect.provide(TokenCache.layer({ line: { issue: issuer().issue } })))
  )

  it.effect("refuses wrong options", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Effect.scoped(TokenCache.register("line", { issue: issuer().issue, issueTimeout: 0 }))
      )
      assert.strictEqual(error.option, "issueTimeout")
    }).pipe(Effect.provide(empty))
  )

  it.effect("fails readers that wait with Closed when the scope closes", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      yield* TokenCache.register("tenant", { issue: Effect.never }).pipe(Scope.extend(scope))
      const reader = yield* Effect.fork(Effect.flip(read("tenant")))
      yield* TestClock.adjust("1 second")
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* Fiber.join(reader)).reason, "Closed")
    }).pipe(Effect.provide(empty))
  )
})

describe("TokenCache.layerToken", () => {
  it.effect("lets a module bring its own token", () => {
    const Module = TokenCache.layerToken("module", {
      issue: Effect.succeed(IssuedToken.make({ accessToken: "own", expiresIn: "1 hour" }))
    })
    return Effect.map(read("module"), (token) => assert.strictEqual(token, "own")).pipe(
      Effect.provide(Layer.provideMerge(Module, TokenCache.layer({})))
    )
  })
})

describe("TokenCache.layerTest", () => {
  it.effect("gives fixed tokens, whatever happens to them", () =>
    Effect.gen(function* () {
      const token = yield* TokenCache.token("a")
      assert.strictEqual(Redacted.value(token), "fixed")
      yield* TokenCache.invalidate("a", token)
      assert.strictEqual(yield* read("a"), "fixed")
      yield* TestClock.adjust("30 days")
      assert.strictEqual(yield* read("a"), "fixed")
      assert.strictEqual(yield* read("b"), "redacted")
      assert.strictEqual((yield* TokenCache.status("a")).state, "ready")
    }).pipe(Effect.provide(TokenCache.layerTest({ a: "fixed", b: Redacted.make("redacted") })))
  )
})
