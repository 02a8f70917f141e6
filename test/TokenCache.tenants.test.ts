import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Fiber, TestClock } from "effect"
import { TokenCache, type TokenSource } from "effect-token-cache"
import * as Issuer from "./support/issuer.js"

type Lookup = Effect.Effect<TokenSource.TokenSource<unknown>, Cause.NoSuchElementException>

const source = { issue: Issuer.scripted(Issuer.succeed("1 hour")).issue }

const names = (count: number) => Array.from({ length: count }, (_, index) => `tenant ${index}`)

const message = (name: string) => Effect.map(Effect.flip(TokenCache.token(name)), (error) => error.message)

describe("an unknown name", () => {
  it.effect("is answered with the declared names, and with none of the tenants'", () =>
    Effect.gen(function* () {
      yield* TokenCache.register("declared", source)
      yield* TokenCache.token("tenant 1")
      for (const text of [yield* message("nobody"), (yield* Effect.flip(TokenCache.status("nobody"))).message]) {
        assert.include(text, '"declared"')
        assert.notInclude(text, "tenant 1")
      }
    }).pipe(
      Effect.scoped,
      Effect.provide(
        TokenCache.layerLookup(
          (name): Lookup =>
            name === "nobody" ? Effect.fail(new Cause.NoSuchElementException()) : Effect.succeed(source)
        )
      )
    )
  )

  it.effect("is looked up once a second, however many ask for it", () => {
    let lookups = 0
    const lookup = (): Lookup =>
      Effect.suspend(() => {
        lookups++
        return Effect.fail(new Cause.NoSuchElementException())
      })
    return Effect.gen(function* () {
      for (let read = 0; read < 100; read++) {
        assert.strictEqual((yield* Effect.flip(TokenCache.token("nobody"))).reason, "UnknownName")
      }
      assert.strictEqual(lookups, 1)
      yield* TestClock.adjust("999 millis")
      yield* Effect.flip(TokenCache.token("nobody"))
      assert.strictEqual(lookups, 1)
      yield* TestClock.adjust("1 millis")
      yield* Effect.flip(TokenCache.token("nobody"))
      assert.strictEqual(lookups, 2)
    }).pipe(Effect.provide(TokenCache.layerLookup(lookup)))
  })

  it.effect("does not keep another one from being looked up", () => {
    let known = false
    const lookup = (name: string): Lookup =>
      name === "b" || known ? Effect.succeed(source) : Effect.fail(new Cause.NoSuchElementException())
    return Effect.gen(function* () {
      yield* Effect.flip(TokenCache.token("a"))
      yield* TokenCache.token("b")
      known = true
      yield* TestClock.adjust("1 second")
      yield* TokenCache.token("a")
    }).pipe(Effect.provide(TokenCache.layerLookup(lookup)))
  })
})

describe("lookups", () => {
  const counted = (lookup: Effect.Effect<typeof source>) => {
    const running = { now: 0, most: 0 }
    const counting = Effect.acquireUseRelease(
      Effect.sync(() => {
        running.now++
        running.most = Math.max(running.most, running.now)
      }),
      () => lookup,
      () => Effect.sync(() => running.now--)
    )
    return { running, lookup: () => counting }
  }

  it.effect("run `concurrency` at a time", () => {
    const { lookup, running } = counted(Effect.delay(Effect.succeed(source), "10 millis"))
    return Effect.gen(function* () {
      const readers = yield* Effect.fork(Effect.forEach(names(300), TokenCache.token, { concurrency: "unbounded" }))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(readers)).length, 300)
      assert.strictEqual(running.most, 16)
    }).pipe(Effect.provide(TokenCache.layerLookup(lookup)))
  })

  it.effect("that hang and cannot be interrupted give their places up after 30 seconds", () => {
    const hangs = new Set(names(16))
    const lookup = (name: string) => (hangs.has(name) ? Effect.uninterruptible(Effect.never) : Effect.succeed(source))
    return Effect.gen(function* () {
      yield* Effect.fork(Effect.forEach(hangs, TokenCache.token, { concurrency: "unbounded" }))
      yield* TestClock.adjust("29 seconds")
      const reader = yield* Effect.fork(TokenCache.token("another"))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(reader)
    }).pipe(Effect.provide(TokenCache.layerLookup(lookup)))
  })
})
