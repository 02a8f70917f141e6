import { assert, describe, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import { TokenStore } from "effect-token-cache"
import * as Issuer from "./support/issuer.js"
import { quiet } from "./support/logs.js"
import * as MemoryBackend from "./support/memoryBackend.js"
import { settableClock } from "./support/settableClock.js"
import { fallible, processOn } from "./support/sharing.js"

const hour = Issuer.succeed("1 hour")

/** What a process gets that starts now and cannot issue: what is in the store, if it is to be taken over. */
const startedNow = (backend: TokenStore.Backend) =>
  Effect.gen(function* () {
    const cache = yield* processOn(backend, { issue: Effect.fail("not asked") })
    return yield* Effect.match(cache.token("line"), { onFailure: () => undefined, onSuccess: Issuer.value })
  })

describe("a token that is withdrawn while the store fails", () => {
  it.scoped("does not come back from the store, also when another one was withdrawn since", () =>
    Effect.gen(function* () {
      const { backend, state } = fallible(yield* MemoryBackend.make)
      const issuer = Issuer.scripted(hour)
      const cache = yield* processOn(backend, issuer)
      const first = yield* cache.token("line")
      state.failing = true
      yield* cache.invalidate("line", first)
      yield* TestClock.adjust("1 second")
      const second = yield* cache.token("line")
      assert.strictEqual(Issuer.value(second), "token-2")
      yield* cache.invalidate("line", second)
      state.failing = false
      yield* cache.refresh("line").pipe(Effect.fork)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(Issuer.value(yield* cache.token("line")), "token-3")
      assert.strictEqual(yield* startedNow(backend), "token-3")
    }).pipe(Effect.provide(quiet))
  )

  it.scoped("is removed from the store once it works, also while the issuer fails", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryBackend.make
      const { backend, state } = fallible(memory)
      const cache = yield* processOn(backend, Issuer.scripted(hour, Issuer.fail()))
      const first = yield* cache.token("line")
      state.failing = true
      yield* cache.invalidate("line", first)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* startedNow(memory), "token-1")
      state.failing = false
      yield* TestClock.adjust("5 seconds")
      assert.isUndefined(yield* startedNow(memory))
      state.asked = 0
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(state.asked, 0)
    }).pipe(Effect.provide(quiet))
  )

  it.scoped("is removed from a store of which nothing could be removed for a while", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryBackend.make
      const { backend, state } = fallible(memory)
      const cache = yield* processOn(backend, Issuer.scripted(hour, Issuer.fail()))
      state.broken.set("remove", Effect.fail(new TokenStore.StoreError({ message: "not now" })))
      yield* cache.invalidate("line", yield* cache.token("line"))
      yield* TestClock.adjust("12 seconds")
      state.broken.clear()
      yield* TestClock.adjust("5 seconds")
      assert.isUndefined(yield* startedNow(memory))
    }).pipe(Effect.provide(quiet))
  )

  it.scoped("is removed if it was on its way into the store just then", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryBackend.make
      const { backend, state } = fallible({
        ...memory,
        write: (...args) => Effect.delay(memory.write(...args), "1 second")
      })
      state.failing = true
      const cache = yield* processOn(backend, Issuer.scripted(hour, Issuer.fail()))
      const first = yield* cache.token("line")
      state.failing = false
      yield* TestClock.adjust("5500 millis")
      yield* cache.invalidate("line", first)
      yield* TestClock.adjust("10 seconds")
      assert.isUndefined(yield* startedNow(memory))
    }).pipe(Effect.provide(quiet))
  )
})

describe("a clock that is set back while a shared token is issued", () => {
  it.scoped("does not make the token live for longer", () =>
    Effect.gen(function* () {
      const { adjust, clock, set } = yield* settableClock
      yield* adjust("1 day")
      yield* Effect.gen(function* () {
        const cache = yield* processOn(
          yield* MemoryBackend.make,
          Issuer.scripted(Issuer.slow("a", "20 seconds", "1 hour"))
        )
        yield* adjust("10 seconds")
        set(-600_000)
        yield* adjust("10 seconds")
        const { expiresAt, issuedAt } = yield* cache.status("line")
        const day = 86_400_000
        assert.deepStrictEqual([issuedAt, expiresAt], [day - 600_000, day + 3_000_000])
      }).pipe(Effect.withClock(clock))
    })
  )
})
