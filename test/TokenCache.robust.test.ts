import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Logger, LogLevel, Schedule, Scope, TestClock } from "effect"
import { IssuedToken, type RefreshPolicy, TokenCache, type TokenUnavailable } from "effect-token-cache"
import * as Issuer from "./support/issuer.js"
import { tell, throwing } from "./support/logs.js"
import { read, status } from "./support/oneToken.js"
import { withEachSpan } from "./support/spans.js"

const ok = IssuedToken.make({ accessToken: "token", expiresIn: "1 hour" })
const succeeds = Effect.succeed(ok)

describe("a program that is interrupted, as by Ctrl-C,", () => {
  it.live("revokes its tokens and interrupts its attempts", () => {
    const log: Array<string> = []
    const layer = TokenCache.layer({
      issued: { issue: succeeds, revoke: () => Effect.sync(() => log.push("revoked")) },
      hangs: { issue: Effect.onInterrupt(Effect.never, () => Effect.sync(() => log.push("interrupted"))) }
    })
    return Effect.gen(function* () {
      const program = yield* Effect.fork(
        Effect.provide(Effect.zipRight(TokenCache.token("issued"), Effect.never), layer)
      )
      yield* Effect.sleep("50 millis")
      yield* Fiber.interrupt(program)
      assert.deepStrictEqual(log.toSorted(), ["interrupted", "revoked"])
    })
  })

  it.effect("revokes what it has registered", () => {
    const log: Array<string> = []
    const source = { issue: succeeds, revoke: () => Effect.sync(() => log.push("revoked")) }
    return Effect.gen(function* () {
      const program = yield* Effect.fork(
        Effect.scoped(Effect.zipRight(TokenCache.register("line", source), Effect.zipRight(read, Effect.never)))
      )
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(program)
      assert.deepStrictEqual(log, ["revoked"])
    }).pipe(Effect.provide(TokenCache.layer({})))
  })
})

describe("a schedule that ends while it is stepped for the replacement of a refused token", () => {
  it.effect("leaves the default policy with a state of its own", () => {
    const issuer = Issuer.scripted(Issuer.succeed("1 hour"), Issuer.fail(), Issuer.succeed("1 hour"))
    const schedule = Schedule.intersect(Schedule.recurs(1), Schedule.spaced("10 minutes"))
    const refuse = Effect.flatMap(TokenCache.token("line"), (token) => TokenCache.invalidate("line", token))
    return Effect.gen(function* () {
      yield* refuse
      yield* TestClock.adjust("10 minutes")
      yield* refuse
      yield* TestClock.adjust("2 hours")
      assert.strictEqual((yield* status).state, "ready")
    }).pipe(Effect.provide(TokenCache.layer({ line: { issue: issuer.issue, schedule } })))
  })
})

describe("TokenSource.revoke", () => {
  it.effect("that throws does not keep the others from being revoked", () => {
    const revoked: Array<string> = []
    const throws = () => {
      throw new Error("boom")
    }
    const revoke = () => Effect.sync(() => revoked.push("second"))
    return Effect.gen(function* () {
      const scope = yield* Scope.make()
      const layer = TokenCache.layer(
        { first: { issue: succeeds, revoke: throws }, second: { issue: succeeds, revoke } },
        { prefetch: "sync" }
      )
      yield* Layer.buildWithScope(layer, scope)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(revoked, ["second"])
    })
  })
})

describe("TokenCache.invalidate", () => {
  // Effect yields every 2048 operations: whatever the number before the call, no yield may lie between compare and drop.
  it.effect("never drops the token that replaced the one it was called for", () => {
    const burn = (operations: number): Effect.Effect<void> =>
      operations === 0 ? Effect.void : Effect.suspend(() => burn(operations - 1))
    const once = (operations: number) =>
      Effect.gen(function* () {
        const release = yield* Deferred.make<void>()
        let issues = 0
        const issue = Effect.suspend(() => {
          const token = IssuedToken.make({ accessToken: `token-${++issues}`, expiresIn: "1 hour" })
          return Effect.as(issues === 2 ? Deferred.await(release) : Effect.void, token)
        })
        yield* Effect.gen(function* () {
          const old = yield* TokenCache.token("line")
          const cache = yield* TokenCache
          const refreshing = yield* Effect.fork(cache.refresh("line"))
          yield* TestClock.adjust(0)
          const late = Effect.suspend(() => {
            Deferred.unsafeDone(release, Exit.void)
            return Effect.zipRight(burn(operations), cache.invalidate("line", old))
          })
          yield* Fiber.join(yield* Effect.fork(late))
          yield* Fiber.join(refreshing)
          yield* TestClock.adjust(0)
          assert.strictEqual(issues, 2, `after ${operations} operations`)
        }).pipe(Effect.provide(TokenCache.layer({ line: { issue } })))
      })
    return Effect.forEach(
      Array.from({ length: 30 }, (_, index) => 2025 + index),
      once,
      { discard: true }
    )
  })

  it.effect("during a back-off leaves the issuer's own error to be seen", () => {
    const issuer = Issuer.scripted(Issuer.succeed("15 minutes"), Issuer.fail({ status: 503 }))
    return Effect.gen(function* () {
      yield* TestClock.adjust("451 seconds")
      yield* TokenCache.invalidate("line", yield* TokenCache.token("line"))
      assert.strictEqual((yield* Effect.flip(read)).lastError?.status, 503)
    }).pipe(Effect.provide(TokenCache.layer({ line: { issue: issuer.issue, jitter: 0 } })))
  })

  it.effect("that backs off has a next attempt, even if a logger throws while the schedule falls back", () => {
    const issuer = Issuer.scripted(Issuer.succeed("1 hour"))
    // Takes successes, and dies of the invalidation that counts as a failure.
    const dies = Schedule.identity<RefreshPolicy.IssueOutcome>().pipe(
      Schedule.addDelayEffect((outcome) =>
        Exit.isSuccess(outcome) ? Effect.succeed("10 minutes") : Effect.die("boom")
      )
    )
    const refuse = Effect.flatMap(TokenCache.token("line"), (token) => TokenCache.invalidate("line", token))
    return Effect.gen(function* () {
      yield* refuse
      yield* refuse
      yield* TestClock.adjust("1 hour")
      assert.isTrue(issuer.calls.length > 2)
    }).pipe(
      Effect.provide(TokenCache.layer({ line: { issue: issuer.issue, schedule: dies } })),
      Effect.provide(throwing)
    )
  })
})

describe("places", () => {
  it.effect("are passed on at once when a token is removed", () => {
    const issuer = Issuer.scripted(Issuer.succeed("1 hour"))
    return Effect.gen(function* () {
      const scope = yield* Scope.make()
      yield* TokenCache.register("first", { issue: Effect.never }).pipe(Scope.extend(scope))
      yield* TestClock.adjust(0)
      yield* Effect.forkScoped(
        TokenCache.register("line", { issue: issuer.issue }).pipe(Effect.zipRight(Effect.never), Effect.scoped)
      )
      yield* TestClock.adjust(0)
      assert.strictEqual(issuer.calls.length, 0)
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust(0)
      assert.strictEqual(issuer.calls.length, 1)
    }).pipe(Effect.scoped, Effect.provide(TokenCache.layer({}, { concurrency: 1 })))
  })
})

describe("time limits", () => {
  it.effect("with fractions of a millisecond hold", () => {
    const hangs = (issueTimeout: "1500.3 millis" | "124.1 millis") => ({ issue: Effect.never, issueTimeout })
    return Effect.gen(function* () {
      yield* TestClock.adjust("45444 millis")
      yield* Effect.gen(function* () {
        yield* TestClock.adjust("10 seconds")
        const statuses = yield* TokenCache.statuses
        assert.deepStrictEqual(
          statuses.map(({ lastError }) => lastError?.reason),
          ["Timeout", "Timeout"]
        )
      }).pipe(Effect.provide(TokenCache.layer({ a: hangs("1500.3 millis"), b: hangs("124.1 millis") })))
    })
  })

  it.effect("hold where the layer is built in an uninterruptible region", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const layer = TokenCache.layer({ line: { issue: Effect.never } })
      const context = yield* Effect.uninterruptible(Layer.buildWithScope(layer, scope))
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual((yield* Effect.provide(status, context)).lastError?.reason, "Timeout")
      yield* Scope.close(scope, Exit.void)
    })
  )
})

describe("names", () => {
  it.effect("are looked up when an effect is run", () =>
    Effect.gen(function* () {
      const cache = yield* TokenCache
      const early = cache.token("line")
      yield* TokenCache.register("line", { issue: succeeds })
      assert.strictEqual(Issuer.value(yield* early), "token")
    }).pipe(Effect.scoped, Effect.provide(TokenCache.layer({})))
  )

  it.effect("are registered by effects that can be interrupted", () =>
    Effect.gen(function* () {
      const registering = yield* Effect.fork(
        Effect.scoped(TokenCache.register("line", Effect.as(Effect.never, { issue: succeeds })))
      )
      yield* TestClock.adjust(0)
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(registering)))
    }).pipe(Effect.provide(TokenCache.layer({})))
  )
})

describe("an issuer's own error or answer", () => {
  const secret = "s3cr3t-canary"
  const leaky: ReadonlyArray<readonly [string, Effect.Effect<IssuedToken.IssuedToken, unknown>]> = [
    ["a defect", Effect.die(new Error(secret))],
    ["an error", Effect.fail({ _tag: "Odd", message: secret })],
    ["a plain string", Effect.fail(secret)],
    ["a token that is not an IssuedToken", Effect.succeed(secret as unknown as IssuedToken.IssuedToken)],
    [
      "an IssueError from elsewhere",
      Effect.fail({ _tag: "IssueError", reason: "Rejected", message: "no", permanent: false, request: { secret } })
    ]
  ]
  for (const [name, issue] of leaky) {
    it.effect(`that is ${name} reaches no span, log, status or reader`, () => {
      const seen: Array<unknown> = []
      const withSpanEnds = withEachSpan((span) => {
        const end = span.end.bind(span)
        span.end = (time, exit) => {
          seen.push(exit, span.attributes)
          end(time, exit)
        }
      })
      const logger = tell((entry) =>
        seen.push(Logger.logfmtLogger.log(entry), Logger.jsonLogger.log(entry), entry.message, entry.cause)
      )
      return Effect.gen(function* () {
        yield* TestClock.adjust("1 second")
        const error: TokenUnavailable = yield* Effect.flip(TokenCache.token("line"))
        seen.push(error, yield* status)
        assert.isTrue(seen.length > 4)
        for (const value of seen) {
          assert.notInclude(inspect(value, { depth: 20, showHidden: true }), secret)
          assert.notInclude(JSON.stringify(value) ?? "", secret)
        }
      }).pipe(
        Effect.provide(TokenCache.layer({ line: { issue } })),
        withSpanEnds,
        Logger.withMinimumLogLevel(LogLevel.Trace),
        Effect.provide(logger)
      )
    })
  }
})
