import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Deferred, Effect, Exit, Layer, Redacted, Scope, TestClock } from "effect"
import { IssuedToken, TokenCache, type TokenSource, TokenStore } from "effect-token-cache"
import { heldTimers } from "./support/heldTimers.js"
import * as Issuer from "./support/issuer.js"
import { quiet, tell } from "./support/logs.js"
import * as MemoryBackend from "./support/memoryBackend.js"
import { settableClock } from "./support/settableClock.js"
import { fallible, key } from "./support/sharing.js"

type Backend = TokenStore.Backend
type Source = TokenSource.TokenSource<unknown>

const encryption = [key]

/** A cache with one token, as that of one process, whose scope the test may close. */
const start = (backend: Backend, source: Source, options: TokenStore.TokenStoreOptions = {}) =>
  Effect.gen(function* () {
    const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
    const layer = TokenCache.layer({ token: { identity: { client: "app" }, jitter: 0, ...source } }).pipe(
      Layer.provide(TokenStore.layer(backend, { encryption, ...options }))
    )
    const context = yield* Layer.buildWithScope(layer, scope)
    const get = Effect.provide(Effect.map(TokenCache.token("token"), Redacted.value), context)
    return {
      read: get,
      /** What a reader gets that does not wait. */
      now: Effect.map(Effect.either(Effect.timeout(get, 0)), (result) =>
        result._tag === "Right" ? result.right : undefined
      ),
      refresh: Effect.provide(Effect.map(TokenCache.refresh("token"), Redacted.value), context),
      invalidate: (token: string) => Effect.provide(TokenCache.invalidate("token", Redacted.make(token)), context),
      status: Effect.provide(TokenCache.status("token"), context),
      close: Scope.close(scope, Exit.void)
    }
  })

/** Lets promises and other fibers go on. */
const aMoment = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 20)))

const broken: Record<string, Effect.Effect<never, TokenStore.StoreError>> = {
  fails: Effect.fail(new TokenStore.StoreError({ message: "down" })),
  dies: Effect.die(new TypeError("boom")),
  throws: Effect.suspend(() => {
    throw new RangeError("boom")
  }),
  "interrupts itself": Effect.interrupt,
  hangs: Effect.never,
  "hangs, and cannot be interrupted": Effect.uninterruptible(Effect.never)
}

const operations = ["read", "acquire", "renew", "write", "release"] as const

describe("a store that misbehaves", () => {
  for (const [how, effect] of Object.entries(broken)) {
    for (const operation of operations) {
      it.scoped(`does not keep a token from its readers where ${operation} ${how}`, () =>
        Effect.gen(function* () {
          const memory = yield* MemoryBackend.make
          const issuer = Issuer.scripted(
            Issuer.run(
              Effect.delay(Effect.succeed(IssuedToken.make({ accessToken: "a", expiresIn: "1 hour" })), "4 seconds")
            )
          )
          const { now } = yield* start({ ...memory, [operation]: () => effect }, { issue: issuer.issue })
          for (let second = 0; second < 29; second++) yield* TestClock.adjust("1 second")
          assert.strictEqual(yield* now, "a")
        }).pipe(Effect.provide(quiet))
      )
    }
  }
})

/** One that the test can break, by operation. */
const breakable = Effect.map(MemoryBackend.make, (memory) => {
  const { backend, state } = fallible(memory)
  return { backend, broken: state.broken }
})

const down = Effect.fail(new TokenStore.StoreError({ message: "down" }))

describe("a store that fails for a while", () => {
  it.scoped("gets the tokens of that time, even if it died while they were brought into it", () =>
    Effect.gen(function* () {
      const { backend, broken } = yield* breakable
      const issuer = Issuer.scripted(Issuer.succeed("1 hour"))
      broken.set("read", down)
      const { read, status } = yield* start(backend, { issue: issuer.issue })
      yield* read
      assert.strictEqual((yield* status).sharing, "local")
      broken.set("read", Effect.die("boom"))
      yield* TestClock.adjust("10 seconds")
      broken.clear()
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* status).sharing, "shared")
    }).pipe(Effect.provide(quiet))
  )

  it.scoped("is said to fail once, where it can be read and not written", () => {
    const said: Array<string> = []
    const log = tell(({ message }) => {
      if (String(message).includes("store")) said.push(String(message))
    })
    return Effect.gen(function* () {
      const { backend, broken } = yield* breakable
      broken.set("acquire", Effect.fail(new TokenStore.StoreError({ message: "Redis answered READONLY" })))
      // Refreshed when nobody else has just found the store failing.
      const issuer = Issuer.scripted(Issuer.succeed("56 seconds"))
      yield* start(backend, { issue: issuer.issue })
      yield* TestClock.adjust("5 minutes")
      assert.deepStrictEqual(said, [
        "The token store fails, and this process issues its own tokens: Redis answered READONLY"
      ])
    }).pipe(Effect.provide(log))
  })

  it.scoped("is left alone for a second, in which each attempt issues its own", () =>
    Effect.gen(function* () {
      const { backend, broken } = yield* breakable
      broken.set("read", down)
      const { read, refresh, status } = yield* start(backend, Issuer.scripted(Issuer.succeed("1 hour")))
      yield* read
      broken.clear()
      const sharing: Array<string | undefined> = []
      for (const millis of [0, 999, 1]) {
        yield* TestClock.adjust(millis)
        yield* refresh
        sharing.push((yield* status).sharing)
      }
      assert.deepStrictEqual(sharing, ["local", "local", "shared"])
    }).pipe(Effect.provide(quiet))
  )

  it.scoped("is asked again after a second, also where the clock was set back meanwhile", () =>
    Effect.gen(function* () {
      const { adjust, clock, set } = yield* settableClock
      yield* adjust("1 day")
      yield* Effect.gen(function* () {
        const { backend, broken } = yield* breakable
        const { status } = yield* start(backend, { issue: Issuer.scripted(Issuer.succeed("1 minute")).issue })
        broken.set("read", down)
        yield* adjust("31 seconds")
        assert.strictEqual((yield* status).sharing, "local")
        set(-3_600_000)
        broken.clear()
        const { generation } = yield* status
        while ((yield* status).generation === generation) yield* adjust("1 second")
        assert.strictEqual((yield* status).sharing, "shared")
      }).pipe(Effect.withClock(clock))
    }).pipe(Effect.provide(quiet))
  )
})

describe("a generation", () => {
  it.scoped("that is low again, since nothing was stored for long, reaches those who back off", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryBackend.make
      const issuer = Issuer.scripted(
        Issuer.succeed("1 minute"),
        Issuer.succeed("1 minute"),
        Issuer.fail({ permanent: true })
      )
      const one = yield* start(backend, { issue: issuer.issue })
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual((yield* one.status).state, "down")
      const other = yield* start(backend, { issue: Issuer.scripted(Issuer.succeed("1 hour", "new")).issue })
      assert.strictEqual(yield* other.read, "new")
      yield* aMoment
      assert.strictEqual(yield* one.now, "new")
    }).pipe(Effect.provide(quiet))
  )
})

describe("a token that another process has written while an attempt fails", () => {
  it.scoped("is taken over at once, not after the back-off", () =>
    Effect.gen(function* () {
      const { backend, broken } = yield* breakable
      broken.set("read", down)
      const failing = Issuer.run(Effect.delay(Effect.fail("no"), "3 seconds"))
      const one = yield* start(backend, { issue: Issuer.scripted(failing).issue })
      yield* TestClock.adjust("1 second")
      broken.clear()
      const other = yield* start(backend, { issue: Issuer.scripted(Issuer.succeed("1 hour", "theirs")).issue })
      assert.strictEqual(yield* other.read, "theirs")
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(yield* one.now, "theirs")
    }).pipe(Effect.provide(quiet))
  )
})

describe("a lease", () => {
  it.scoped("that is lost again and again does not make one attempt ask the issuer again and again", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryBackend.make
      const issuer = Issuer.scripted(
        Issuer.run(
          Effect.delay(Effect.succeed(IssuedToken.make({ accessToken: "a", expiresIn: "1 hour" })), "5 seconds")
        )
      )
      const { status } = yield* start(
        { ...memory, renew: (group, owner) => Effect.as(memory.release(group, owner), false) },
        { issue: issuer.issue },
        { leaseTimeToLive: "3 seconds" }
      )
      for (let second = 0; second < 29; second++) yield* TestClock.adjust("1 second")
      assert.isAtMost(issuer.calls.length, 2)
      assert.strictEqual((yield* status).state, "ready")
    }).pipe(Effect.provide(quiet))
  )

  it.scoped("of a time to live that no store can keep is an invalid option", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryBackend.make
      const exit = yield* Effect.exit(TokenStore.make(backend, { encryption, leaseTimeToLive: "1 millis" }))
      assert.isTrue(Exit.isFailure(exit))
    })
  )

  it.scoped("is held for as long as an issue goes on that cannot be interrupted, after the attempt was given up", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryBackend.make
      const issuing = { count: 0, most: 0 }
      const issue = Effect.acquireUseRelease(
        Effect.sync(() => (issuing.most = Math.max(issuing.most, ++issuing.count))),
        () => Effect.delay(Effect.succeed(IssuedToken.make({ accessToken: "a", expiresIn: "1 hour" })), "45 seconds"),
        () => Effect.sync(() => issuing.count--)
      ).pipe(Effect.uninterruptible)
      yield* start(backend, { issue })
      for (let second = 0; second < 44; second++) {
        yield* TestClock.adjust("1 second")
        // Before it has waited for twice the time to live of the lease, the first one has ended.
        if (second === 26) yield* start(backend, { issue })
      }
      assert.strictEqual(issuing.most, 1)
    }).pipe(Effect.provide(quiet))
  )
})

describe("keysFromConfig", () => {
  it.effect("does not say a key that stands where an id should", () =>
    Effect.gen(function* () {
      const secret = "0123456789abcdef0123456789abcdef"
      for (const text of [secret, `${secret}:2026b`]) {
        const error = yield* Effect.flip(
          Effect.withConfigProvider(
            Effect.suspend(() => TokenStore.keysFromConfig),
            ConfigProvider.fromMap(new Map([["TOKEN_STORE_KEYS", text]]))
          )
        )
        assert.notInclude(String(error), secret)
      }
    })
  )
})

describe("closing the layer", () => {
  it.scoped("is not held up by a store that hangs", () =>
    Effect.gen(function* () {
      const { backend, broken } = yield* breakable
      broken.set("read", down)
      const { close, read } = yield* start(backend, { issue: Issuer.scripted(Issuer.succeed("1 hour")).issue })
      yield* read
      const asked = yield* Deferred.make<void>()
      broken.set("acquire", Effect.zipRight(Deferred.succeed(asked, undefined), Effect.never))
      // The token of this process is to be brought into the store, whose time does not go on from here.
      yield* TestClock.adjust("5 seconds")
      yield* Deferred.await(asked)
      yield* heldTimers
      yield* close
    }).pipe(Effect.provide(quiet))
  )
})
