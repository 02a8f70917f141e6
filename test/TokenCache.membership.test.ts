import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Scope, Stream, TestClock } from "effect"
import { IssuedToken, TokenCache, type TokenEvent, type TokenSource } from "effect-token-cache"
import { heldTimers } from "./support/heldTimers.js"
import * as Issuer from "./support/issuer.js"

const read = (name: string) => Effect.map(TokenCache.token(name), Issuer.value)

describe("a token that is registered in a scope that outlives the layer", () => {
  it.scoped("is revoked once, is not dropped, and stays as one that has stopped", () => {
    const revoked: Array<string> = []
    const events: Array<TokenEvent> = []
    const { issue } = Issuer.scripted(Issuer.succeed("1 hour"))
    const source = { issue, revoke: () => Effect.sync(() => revoked.push("revoked")) }
    return Effect.gen(function* () {
      const [layerScope, scope] = yield* Effect.all([Scope.make(), Scope.make()])
      // It holds the layer up for a second: nothing else is left to do then.
      const stuck = { issue: Effect.uninterruptible(Effect.never) }
      const context = yield* Layer.buildWithScope(TokenCache.layer({ stuck }), layerScope)
      yield* Effect.gen(function* () {
        yield* TokenCache.register("line", source).pipe(Scope.extend(scope))
        yield* read("line")
        const listening = yield* Effect.fork(
          Stream.runForEach(TokenCache.events, (event) => Effect.sync(() => events.push(event)))
        )
        yield* TestClock.adjust("1 second")
        const { pass } = yield* heldTimers
        const closing = yield* Effect.forkDaemon(Scope.close(layerScope, Exit.void))
        yield* Effect.yieldNow()
        yield* Scope.close(scope, Exit.void)
        yield* pass(1000)
        yield* Fiber.join(closing)
        yield* Fiber.join(listening)
        assert.deepStrictEqual(events, [])
        assert.deepStrictEqual(revoked, ["revoked"])
        assert.strictEqual((yield* TokenCache.status("line")).state, "stopped")
      }).pipe(Effect.provide(context))
    })
  })
})

describe("a name that is registered while it is looked up", () => {
  it.effect("is the registered one for those who waited, and for all who come after", () => {
    const lookedUp = Issuer.scripted(Issuer.succeed("1 hour", "looked up"))
    const registered = Issuer.scripted(Issuer.succeed("1 hour", "registered"))
    return Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const layer = TokenCache.layerLookup(() => Effect.as(Deferred.await(gate), { issue: lookedUp.issue }))
      yield* Effect.gen(function* () {
        const reader = yield* Effect.fork(read("line"))
        yield* Effect.yieldNow()
        yield* TokenCache.register("line", { issue: registered.issue })
        yield* Deferred.succeed(gate, undefined)
        assert.strictEqual(yield* Fiber.join(reader), "registered")
        assert.strictEqual(yield* read("line"), "registered")
        assert.deepStrictEqual([lookedUp.calls.length, registered.calls.length], [0, 1])
        // It is not dropped as a tenant is that nobody reads.
        yield* TestClock.adjust("3 hours")
        assert.strictEqual((yield* TokenCache.status("line")).state, "ready")
      }).pipe(Effect.scoped, Effect.provide(layer))
    })
  })

  it.effect("is the registered one, although the lookup fails", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const notFound: Effect.Effect<TokenSource.TokenSource, string> = Effect.fail("not found")
      const layer = TokenCache.layerLookup(() => Effect.zipRight(Deferred.await(gate), notFound))
      yield* Effect.gen(function* () {
        const reader = yield* Effect.fork(read("line"))
        yield* Effect.yieldNow()
        const token = IssuedToken.make({ accessToken: "registered", expiresIn: "1 hour" })
        yield* TokenCache.register("line", { issue: Effect.succeed(token) })
        yield* Deferred.succeed(gate, undefined)
        assert.strictEqual(yield* Fiber.join(reader), "registered")
      }).pipe(Effect.scoped, Effect.provide(layer))
    })
  )
})
