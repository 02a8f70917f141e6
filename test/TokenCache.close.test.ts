import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Option, Redacted, Scope, Stream, TestClock } from "effect"
import { IssuedToken, TokenCache, type TokenUnavailable } from "effect-token-cache"
import { heldTimers } from "./support/heldTimers.js"
import * as Issuer from "./support/issuer.js"
import { quiet, tell } from "./support/logs.js"

/** A layer whose scope the test closes. */
const open = <E>(layer: Layer.Layer<TokenCache, E>) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(layer, scope)
    return { context, close: Scope.close(scope, Exit.void) }
  })

/** Runs the effect, which has to end after so many milliseconds of real time, and not before. */
const takes = (millis: number, effect: Effect.Effect<void>) =>
  Effect.gen(function* () {
    const { pass } = yield* heldTimers
    const fiber = yield* Effect.forkDaemon(effect)
    yield* pass(millis - 1)
    assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
    yield* pass(1)
    assert.isTrue(Option.isSome(yield* Fiber.poll(fiber)))
  })

const token = IssuedToken.make({ accessToken: "token", expiresIn: "1 hour" })

describe("closing the layer", () => {
  it.effect("fails waiting readers with Closed and runs the finalizers of attempts before it is done", () => {
    const log: Array<string> = []
    const issue = Effect.acquireUseRelease(
      Effect.sync(() => log.push("acquired")),
      () => Effect.never,
      () => Effect.promise(async () => log.push("released"))
    )
    return Effect.gen(function* () {
      const { close, context } = yield* open(TokenCache.layer({ line: { issue } }))
      const reading = Effect.flip(TokenCache.token("line")).pipe(
        Effect.tap(() => Effect.sync(() => log.push("reader failed"))),
        Effect.provide(context)
      )
      const readers = yield* Effect.forEach([1, 2], () => Effect.fork(reading))
      yield* TestClock.adjust("1 second")
      yield* close
      log.push("closed")
      for (const error of yield* Fiber.join(Fiber.all(readers))) {
        assert.strictEqual(error.reason, "Closed")
        assert.include(error.message, "layer is closed")
      }
      assert.deepStrictEqual(log.toSorted(), ["acquired", "closed", "reader failed", "reader failed", "released"])
      assert.strictEqual(log.at(-1), "closed")
    })
  })

  it.scoped("is held up by an attempt that cannot be interrupted for a second at most", () =>
    Effect.gen(function* () {
      const { close, context } = yield* open(
        TokenCache.layer({ line: { issue: Effect.uninterruptible(Effect.never) } })
      )
      yield* TestClock.adjust("1 second")
      yield* takes(1000, close)
      const error = yield* Effect.flip(TokenCache.refresh("line")).pipe(Effect.provide(context))
      assert.strictEqual(error.reason, "Closed")
    })
  )

  it.effect("does nothing afterwards, whatever is called", () => {
    const issuer = Issuer.scripted(Issuer.succeed("1 hour"))
    return Effect.gen(function* () {
      const { close, context } = yield* open(TokenCache.layer({ line: { issue: issuer.issue } }))
      yield* Effect.gen(function* () {
        const reader = yield* TokenCache.reader("line")
        const last = yield* reader
        yield* close
        const calls = [TokenCache.token("line"), TokenCache.refresh("line"), reader, TokenCache.accessToken("line")]
        for (const closed of calls.map(Effect.asVoid<unknown, TokenUnavailable, TokenCache>)) {
          assert.strictEqual((yield* Effect.flip(closed)).reason, "Closed")
        }
        yield* TokenCache.invalidate("line", last)
        yield* TestClock.adjust("30 days")
        assert.strictEqual((yield* TokenCache.status("line")).state, "stopped")
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* TokenCache.register("late", { issue: issuer.issue })
            assert.strictEqual((yield* Effect.flip(TokenCache.token("late"))).reason, "Closed")
          })
        )
        assert.strictEqual(issuer.calls.length, 1)
      }).pipe(Effect.provide(context))
    })
  })

  it.live("leaves no fiber and no timer", () =>
    Effect.gen(function* () {
      // Whatever else runs in this process may end meanwhile, but must not grow.
      const timers = () => process.getActiveResourcesInfo().filter((resource) => resource === "Timeout").length
      const before = { fibers: yield* Effect.map(Fiber.roots, (roots) => roots.length), timers: timers() }
      const sources = {
        ready: { issue: Effect.succeed(token) },
        hangs: { issue: Effect.never },
        slow: { issue: Effect.delay(Effect.succeed(token), "10 seconds") },
        fails: { issue: Effect.fail("no") }
      }
      const { close, context } = yield* open(TokenCache.layer(sources))
      yield* Effect.gen(function* () {
        yield* TokenCache.token("ready")
        yield* Effect.fork(Stream.runDrain(TokenCache.events))
        yield* Effect.fork(Stream.runDrain(TokenCache.changes("ready")))
        yield* Effect.fork(TokenCache.token("hangs"))
        yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => timers() > before.timers })
      }).pipe(Effect.provide(context))
      yield* close
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      assert.isTrue((yield* Effect.map(Fiber.roots, (roots) => roots.length)) <= before.fibers)
      assert.isTrue(timers() <= before.timers)
    }).pipe(Effect.provide(quiet))
  )
})

describe("TokenSource.revoke", () => {
  const revoking = (revoke: (value: string) => Effect.Effect<unknown, unknown>) => ({
    ...Issuer.scripted(Issuer.succeed("1 hour")),
    revoke: (token: { readonly accessToken: Redacted.Redacted<string> }) => revoke(Redacted.value(token.accessToken))
  })
  const layer = (revoke: (value: string) => Effect.Effect<unknown, unknown>) => {
    const { issue, revoke: revokeToken } = revoking(revoke)
    return TokenCache.layer({ line: { issue, revoke: revokeToken } })
  }

  it.effect("is called with the last token when the layer closes", () => {
    const revoked: Array<string> = []
    return Effect.gen(function* () {
      const { close, context } = yield* open(layer((value) => Effect.sync(() => revoked.push(value))))
      yield* Effect.provide(Effect.zipRight(TokenCache.token("line"), TokenCache.refresh("line")), context)
      assert.deepStrictEqual(revoked, [])
      yield* close
      assert.deepStrictEqual(revoked, ["token-2"])
    })
  })

  it.effect("is called when a registered token's scope closes", () => {
    const revoked: Array<string> = []
    const { issue, revoke } = revoking((value) => Effect.sync(() => revoked.push(value)))
    return Effect.gen(function* () {
      yield* Effect.scoped(Effect.zipRight(TokenCache.register("line", { issue, revoke }), TokenCache.token("line")))
      assert.deepStrictEqual(revoked, ["token-1"])
    }).pipe(Effect.provide(TokenCache.layer({})))
  })

  it.effect("is not called for a token that was invalidated, has expired, or never was", () => {
    const revoked: Array<string> = []
    const issuer = Issuer.scripted(Issuer.succeed("1 minute"), Issuer.fail())
    const revoke = () => Effect.sync(() => revoked.push("revoked"))
    return Effect.gen(function* () {
      const first = yield* open(TokenCache.layer({ line: { issue: issuer.issue, revoke } }))
      yield* Effect.flatMap(TokenCache.token("line"), (token) => TokenCache.invalidate("line", token)).pipe(
        Effect.provide(first.context)
      )
      yield* first.close
      issuer.becomes(Issuer.succeed("1 minute"), Issuer.fail())
      const second = yield* open(TokenCache.layer({ line: { issue: issuer.issue, revoke } }))
      yield* TestClock.adjust("2 minutes")
      yield* second.close
      const third = yield* open(TokenCache.layer({ line: { issue: Effect.never, revoke } }))
      yield* TestClock.adjust("1 second")
      yield* third.close
      assert.deepStrictEqual(revoked, [])
    })
  })

  it.effect("that fails is logged, without the token", () => {
    const lines: Array<string> = []
    const logger = tell(({ annotations, message }) =>
      lines.push(`${JSON.stringify([...annotations])} ${String(message)}`)
    )
    return Effect.gen(function* () {
      const { close, context } = yield* open(layer((value) => Effect.fail({ _tag: "Refused", value })))
      yield* Effect.provide(TokenCache.token("line"), context)
      yield* close
      assert.deepStrictEqual(lines, [`[["token","line"]] Could not revoke the token: revoke failed with Refused`])
    }).pipe(Effect.provide(logger))
  })

  it.scoped("that hangs holds the layer up for 5 seconds at most", () =>
    Effect.gen(function* () {
      const { close, context } = yield* open(layer(() => Effect.uninterruptible(Effect.never)))
      yield* Effect.provide(TokenCache.token("line"), context)
      yield* takes(5000, close)
    })
  )
})

describe("TokenSource.revoke of a tenant that is being dropped", () => {
  it.scoped("is not cut off by the layer, which waits for it", () =>
    Effect.gen(function* () {
      const mayEnd = yield* Deferred.make<void>()
      const begun: Array<string> = []
      const ended: Array<string> = []
      const { issue } = Issuer.scripted(Issuer.succeed("1 day"))
      const revoke = () =>
        Effect.sync(() => begun.push("revoke")).pipe(
          Effect.zipRight(Deferred.await(mayEnd)),
          Effect.zipRight(Effect.sync(() => ended.push("revoke")))
        )
      const { close, context } = yield* open(
        TokenCache.layerLookup(() => Effect.succeed({ issue, revoke }), { idleTimeToLive: "1 minute" })
      )
      yield* Effect.provide(TokenCache.token("tenant"), context)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(begun, ["revoke"])
      const closing = yield* Effect.fork(close)
      yield* TestClock.adjust(0)
      assert.isTrue(Option.isNone(yield* Fiber.poll(closing)))
      yield* Deferred.succeed(mayEnd, undefined)
      yield* Fiber.join(closing)
      assert.deepStrictEqual(ended, ["revoke"])
    })
  )
})
