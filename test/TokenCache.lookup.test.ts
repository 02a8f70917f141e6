import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import {
  Chunk,
  Context,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Option,
  Scope,
  Stream,
  TestClock
} from "effect"
import { type InvalidOptions, IssuedToken, IssueError, TokenCache, type TokenSource } from "effect-token-cache"
import * as Issuer from "./support/issuer.js"

const read = (name: string) => Effect.map(TokenCache.token(name), Issuer.value)

const failure = (name: string) => Effect.flip(TokenCache.token(name))

const names = Effect.map(TokenCache.statuses, (statuses) => statuses.map(({ name }) => name))

/** A lookup that gives each name an issuer of its own, and records what it is asked for. */
const lookupOf = (...script: Parameters<typeof Issuer.scripted>) => {
  const asked: Array<string> = []
  const issuers = new Map<string, ReturnType<typeof Issuer.scripted>>()
  const lookup = (name: string) =>
    Effect.sync(() => {
      asked.push(name)
      const issuer = issuers.get(name) ?? Issuer.scripted(...script)
      issuers.set(name, issuer)
      return { issue: issuer.issue, jitter: 0 }
    })
  return { asked, issuers, lookup, calls: (name: string) => issuers.get(name)?.calls.length ?? 0 }
}

const hour = Issuer.succeed("1 hour")

describe("TokenCache.layerLookup", () => {
  it("needs what the lookup and the issuers need", () => {
    class Vault extends Context.Tag("test/Vault")<Vault, string>() {}
    class Http extends Context.Tag("test/Http")<Http, string>() {}
    const source: TokenSource.TokenSource<never, Http> = {
      issue: Effect.map(Http, (accessToken) => IssuedToken.make({ accessToken, expiresIn: "1 hour" }))
    }
    expectTypeOf(TokenCache.layerLookup(() => Effect.as(Vault, source))).toEqualTypeOf<
      Layer.Layer<TokenCache, InvalidOptions, Vault | Http>
    >()
  })

  it.effect("makes a token at its first read, and no sooner", () => {
    const tenants = lookupOf(hour)
    return Effect.gen(function* () {
      assert.deepStrictEqual(yield* names, [])
      assert.strictEqual(yield* read("a"), "token-1")
      assert.strictEqual(yield* read("a"), "token-1")
      assert.deepStrictEqual(tenants.asked, ["a"])
      assert.deepStrictEqual(yield* names, ["a"])
    }).pipe(Effect.provide(TokenCache.layerLookup(tenants.lookup)))
  })

  it.effect("10,000 first readers of one tenant: one lookup, one issue", () => {
    const tenants = lookupOf(hour)
    return Effect.gen(function* () {
      const tokens = yield* Effect.all(
        Array.from({ length: 10_000 }, () => read("a")),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(new Set(tokens), new Set(["token-1"]))
      assert.deepStrictEqual(tenants.asked, ["a"])
      assert.strictEqual(tenants.calls("a"), 1)
    }).pipe(
      Effect.provide(
        TokenCache.layerLookup((name) => Effect.delay(tenants.lookup(name), 0), { readTimeout: "1 minute" })
      )
    )
  })

  it.effect("keeps tenants apart, and each warm", () => {
    const tenants = lookupOf(Issuer.succeed("1 hour"))
    return Effect.gen(function* () {
      yield* read("a")
      yield* TestClock.adjust("10 minutes")
      yield* read("b")
      yield* TestClock.adjust("45 minutes")
      assert.strictEqual(yield* read("a"), "token-2")
      assert.strictEqual(yield* read("b"), "token-1")
    }).pipe(Effect.provide(TokenCache.layerLookup(tenants.lookup)))
  })

  it.effect("a reader that is interrupted leaves the lookup to the others", () => {
    const tenants = lookupOf(hour)
    return Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const lookup = (name: string) => Effect.zipRight(Deferred.await(gate), tenants.lookup(name))
      yield* Effect.gen(function* () {
        const first = yield* Effect.fork(read("a"))
        const second = yield* Effect.fork(read("a"))
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(first)
        yield* Deferred.succeed(gate, undefined)
        assert.strictEqual(yield* Fiber.join(second), "token-1")
        assert.deepStrictEqual(tenants.asked, ["a"])
      }).pipe(Effect.provide(TokenCache.layerLookup(lookup)))
    })
  })

  it.effect("register and layerToken add to the same cache, without a lookup", () => {
    const tenants = lookupOf(hour)
    const own = Issuer.scripted(Issuer.succeed("1 hour", "own"))
    return Effect.gen(function* () {
      yield* TokenCache.register("own", { issue: own.issue })
      assert.strictEqual(yield* read("own"), "own")
      assert.deepStrictEqual(tenants.asked, [])
      yield* TestClock.adjust("3 hours")
      assert.deepStrictEqual(yield* names, ["own"])
    }).pipe(Effect.scoped, Effect.provide(TokenCache.layerLookup(tenants.lookup)))
  })

  it.effect("invalidate, status and changes look nothing up", () => {
    const tenants = lookupOf(hour)
    return Effect.gen(function* () {
      const token = IssuedToken.make({ accessToken: "x" }).accessToken
      yield* TokenCache.invalidate("a", token)
      assert.strictEqual((yield* Effect.flip(TokenCache.status("a"))).reason, "UnknownName")
      assert.strictEqual((yield* Effect.flip(Stream.runHead(TokenCache.changes("a")))).reason, "UnknownName")
      assert.deepStrictEqual(tenants.asked, [])
      yield* TokenCache.refresh("a")
      yield* TokenCache.accessToken("b")
      assert.deepStrictEqual(tenants.asked, ["a", "b"])
    }).pipe(Effect.provide(TokenCache.layerLookup(tenants.lookup)))
  })

  it.effect("refuses options that cannot work", () =>
    Effect.gen(function* () {
      const options = [{ idleTimeToLive: 0 }, { idleTimeToLive: Duration.infinity }, { capacity: 0 }, { capacity: 1.5 }]
      const failures = yield* Effect.forEach(options, (options) =>
        Effect.flip(Effect.provide(read("a"), TokenCache.layerLookup(lookupOf(hour).lookup, options)))
      )
      assert.deepStrictEqual(
        failures.map((error) => error._tag === "InvalidOptions" && error.option),
        ["idleTimeToLive", "idleTimeToLive", "capacity", "capacity"]
      )
    })
  )
})

describe("a lookup that fails", () => {
  it.effect("is not kept: the next read looks up again", () => {
    let tries = 0
    const tenants = lookupOf(hour)
    const lookup = (name: string) =>
      ++tries === 1 ? Effect.fail(new RangeError("secret in here")) : tenants.lookup(name)
    return Effect.gen(function* () {
      const error = yield* failure("a")
      assert.deepStrictEqual([error.token, error.reason], ["a", "IssueFailed"])
      assert.strictEqual(
        error.message,
        'no usable token for "a": the lookup failed with RangeError. The next read looks it up again.'
      )
      assert.deepStrictEqual(yield* names, [])
      assert.strictEqual(yield* read("a"), "token-1")
    }).pipe(Effect.provide(TokenCache.layerLookup(lookup)))
  })

  it.effect.each([
    ["finds nothing", Effect.flatten(Effect.succeed(Option.none<TokenSource.TokenSource>())), "UnknownName"],
    ["dies", Effect.die(new Error("boom")), "IssueFailed"],
    [
      "throws",
      Effect.suspend((): Effect.Effect<TokenSource.TokenSource> => {
        throw new Error("boom")
      }),
      "IssueFailed"
    ],
    ["interrupts itself", Effect.interrupt, "IssueFailed"],
    ["fails with an IssueError", Effect.fail(new IssueError({ reason: "Throttled" })), "IssueFailed"],
    ["gives a source that cannot work", Effect.succeed({ issue: Effect.never, retryAfter: 0 }), "IssueFailed"]
  ] as const)("one that %s", ([, lookup, reason]) =>
    Effect.gen(function* () {
      const error = yield* failure("a")
      assert.strictEqual(error.reason, reason)
      assert.deepStrictEqual(yield* names, [])
    }).pipe(
      Effect.provide(TokenCache.layerLookup((): Effect.Effect<TokenSource.TokenSource<unknown>, unknown> => lookup))
    )
  )

  it.effect("says what is wrong with the source", () =>
    Effect.gen(function* () {
      assert.match((yield* failure("a")).message, /retryAfter must be a finite duration of more than 0/)
    }).pipe(Effect.provide(TokenCache.layerLookup(() => Effect.succeed({ issue: Effect.never, retryAfter: 0 }))))
  )

  it.effect.each([
    ["hangs", Effect.never],
    ["hangs and cannot be interrupted", Effect.uninterruptible(Effect.never)]
  ] as const)("one that %s holds readers up for readTimeout, and is given up after 30 seconds", ([, hang]) => {
    let tries = 0
    const lookup = () => Effect.suspend(() => (++tries === 1 ? hang : Effect.succeed({ issue: issuer.issue })))
    const issuer = Issuer.scripted(hour)
    return Effect.gen(function* () {
      const first = yield* Effect.fork(failure("a"))
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* Fiber.join(first)).reason, "TimedOut")
      yield* TestClock.adjust("24 seconds")
      const second = yield* Effect.fork(failure("a"))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(second)).lastError?.reason, "Timeout")
      assert.strictEqual(yield* read("a"), "token-1")
    }).pipe(Effect.provide(TokenCache.layerLookup(lookup)))
  })

  it.effect("readTimeout covers lookup and issue together", () => {
    const issuer = Issuer.scripted(Issuer.hang)
    const lookup = () => Effect.delay(Effect.succeed({ issue: issuer.issue }), "4 seconds")
    return Effect.gen(function* () {
      const reader = yield* Effect.fork(failure("a"))
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* Fiber.join(reader)).reason, "TimedOut")
    }).pipe(Effect.provide(TokenCache.layerLookup(lookup)))
  })

  it.effect("closing the layer fails the readers that wait for a lookup", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const hang: Effect.Effect<TokenSource.TokenSource> = Effect.uninterruptible(Effect.never)
      const layer = TokenCache.layerLookup(() => hang)
      const context = yield* Layer.buildWithScope(layer, scope)
      const reader = yield* Effect.fork(Effect.provide(failure("a"), context))
      yield* Effect.yieldNow()
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* Fiber.join(reader)).reason, "Closed")
      assert.strictEqual((yield* Effect.provide(failure("b"), context)).reason, "Closed")
    })
  )
})

describe("a tenant that nobody reads", () => {
  it.effect("is dropped after idleTimeToLive, revoked, and looked up anew when it is read again", () => {
    const tenants = lookupOf(hour)
    const revoked: Array<string> = []
    const lookup = (name: string) =>
      Effect.map(tenants.lookup(name), (source) => ({
        ...source,
        revoke: ({ accessToken }: { readonly accessToken: Parameters<typeof Issuer.value>[0] }) =>
          Effect.sync(() => revoked.push(Issuer.value(accessToken)))
      }))
    return Effect.gen(function* () {
      const dropped = yield* TokenCache.events.pipe(
        Stream.filter(({ _tag }) => _tag === "Dropped"),
        Stream.take(1),
        Stream.runCollect,
        Effect.fork
      )
      yield* Effect.yieldNow()
      yield* read("a")
      yield* TestClock.adjust("9 minutes")
      yield* read("a")
      yield* TestClock.adjust("599999 millis")
      assert.deepStrictEqual(yield* names, ["a"])
      yield* TestClock.adjust(1)
      yield* Fiber.join(dropped)
      assert.deepStrictEqual(yield* names, [])
      yield* Effect.yieldNow()
      assert.deepStrictEqual(revoked, ["token-1"])
      assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Fiber.join(dropped)), [
        { _tag: "Dropped", name: "a", at: 19 * 60_000 }
      ])
      yield* TestClock.adjust("1 day")
      assert.strictEqual(tenants.calls("a"), 1)
      assert.strictEqual(yield* read("a"), "token-2")
      assert.deepStrictEqual(tenants.asked, ["a", "a"])
    }).pipe(Effect.provide(TokenCache.layerLookup(lookup, { idleTimeToLive: "10 minutes" })))
  })

  it.effect("stays while somebody waits for its token", () => {
    const tenants = lookupOf(Issuer.hang, hour)
    return Effect.gen(function* () {
      const reader = yield* Effect.fork(Effect.exit(TokenCache.refresh("a")))
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual(yield* names, ["a"])
      yield* TestClock.adjust("10 seconds")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(reader)))
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* names, [])
    }).pipe(Effect.provide(TokenCache.layerLookup(tenants.lookup, { idleTimeToLive: "10 seconds" })))
  })

  it.effect("a reader made before works after", () => {
    const tenants = lookupOf(hour)
    return Effect.gen(function* () {
      const reader = yield* TokenCache.reader("a")
      yield* TestClock.adjust("2 hours")
      assert.deepStrictEqual(yield* names, [])
      assert.strictEqual(Issuer.value(yield* reader), "token-3")
    }).pipe(Effect.provide(TokenCache.layerLookup(tenants.lookup)))
  })
})

describe("past capacity", () => {
  it.effect("the tenant read least recently goes", () => {
    const tenants = lookupOf(hour)
    return Effect.gen(function* () {
      for (const name of ["a", "b", "c", "a", "d"]) {
        yield* read(name)
        yield* TestClock.adjust("1 second")
      }
      assert.deepStrictEqual(new Set(yield* names), new Set(["a", "c", "d"]))
    }).pipe(Effect.provide(TokenCache.layerLookup(tenants.lookup, { capacity: 3 })))
  })

  it.effect("those that back off go last, so that their back-off is not undone", () => {
    const failing = Issuer.scripted(Issuer.fail())
    const lookup = (name: string) =>
      Effect.succeed({ issue: name === "bad" ? failing.issue : Issuer.scripted(hour).issue, jitter: 0 })
    return Effect.gen(function* () {
      for (const name of ["bad", "a", "b", "c", "bad"]) {
        yield* Effect.exit(read(name))
        yield* TestClock.adjust("1 second")
      }
      assert.deepStrictEqual(new Set(yield* names), new Set(["bad", "c"]))
      assert.strictEqual(failing.calls.length, 1)
    }).pipe(Effect.provide(TokenCache.layerLookup(lookup, { capacity: 2 })))
  })

  it.effect("those that somebody waits for stay: 100 cold readers of 100 tenants all get their token", () => {
    const tenants = lookupOf(
      Issuer.run(Effect.delay(Effect.succeed(IssuedToken.make({ accessToken: "t", expiresIn: "1 hour" })), "1 second"))
    )
    return Effect.gen(function* () {
      const all = Array.from({ length: 100 }, (_, n) => `tenant-${n}`)
      const readers = yield* Effect.fork(Effect.forEach(all, read, { concurrency: "unbounded" }))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(readers)).length, 100)
      assert.strictEqual(tenants.asked.length, 100)
      yield* Effect.fork(read("one more"))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* names).length, 10)
    }).pipe(Effect.provide(TokenCache.layerLookup(tenants.lookup, { capacity: 10 })))
  })
})
