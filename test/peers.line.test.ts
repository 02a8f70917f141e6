import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Redacted, TestClock } from "effect"
import { IssuedToken, LineChannel, LineMessaging, TokenCache } from "effect-token-cache"
import * as Issuer from "./support/issuer.js"
import { lineChannel, withLine } from "./support/lineChannel.js"
import { layer, read, refresh, seconds, times, unavailable } from "./support/oneToken.js"

// Where other token caches break, by their issue or, where there is none, by their name: it must not happen here.

describe("a token that is refused", () => {
  it.effect("azure-sdk-for-js#15678: can be given back explicitly, and is not given out again", () => {
    const issuer = Issuer.scripted(Issuer.succeed("30 days"), Issuer.hang)
    return Effect.gen(function* () {
      yield* TokenCache.invalidate("line", yield* TokenCache.token("line"))
      const reader = yield* Effect.fork(unavailable)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* Fiber.join(reader)).reason, "TimedOut")
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("Spring Security, google-auth-library: a late report of the old one does not drop the new one", () => {
    const issuer = Issuer.scripted(Issuer.succeed("1 hour"))
    return Effect.gen(function* () {
      const old = yield* TokenCache.token("line")
      yield* TokenCache.invalidate("line", old)
      assert.strictEqual(yield* read, "token-2")
      yield* times(10, TokenCache.invalidate("line", old))
      assert.strictEqual(yield* read, "token-2")
      assert.strictEqual(issuer.calls.length, 2)
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("octokit auth-app: one that the issuer revoked does not stay until its end", () =>
    Effect.gen(function* () {
      const { bySecret, line } = yield* lineChannel
      yield* Effect.gen(function* () {
        const revoked = yield* TokenCache.token("line")
        yield* line.revoke(Redacted.value(revoked))
        yield* LineMessaging.push("line", "U4af4980629", LineMessaging.text("hi"), { baseUrl: line.url })
        assert.notStrictEqual(yield* read, Redacted.value(revoked))
      }).pipe(Effect.provide(TokenCache.layer({ line: LineChannel.shortLived(bySecret) })))
    }).pipe(withLine())
  )

  it.effect("octokit auth-app: a forced refresh during an attempt is not swallowed: it gives what that issues", () => {
    const issuer = Issuer.scripted(Issuer.succeed("15 minutes"), Issuer.slow("fresh", "3 seconds"))
    return Effect.gen(function* () {
      yield* TestClock.adjust("451 seconds")
      const forced = yield* Effect.fork(refresh)
      yield* Effect.yieldNow()
      assert.strictEqual(yield* read, "token-1")
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Fiber.join(forced), "fresh")
    }).pipe(Effect.provide(layer(issuer)))
  })
})

describe("tokens do not get mixed up", () => {
  it.effect("azure tokenCycler, DuendeArchive/Support#1396: who asks for B never gets A", () => {
    const issueFor = (scope: string) =>
      Effect.delay(
        Effect.succeed(IssuedToken.make({ accessToken: `for ${scope}`, expiresIn: "1 hour", scope })),
        "1 second"
      )
    const sources = { a: { issue: issueFor("a") }, b: { issue: issueFor("b") } }
    return Effect.gen(function* () {
      const readers = yield* Effect.fork(
        Effect.forEach(["a", "b", "a", "b"], (name) => Effect.map(TokenCache.token(name), Issuer.value), {
          concurrency: "unbounded"
        })
      )
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(readers), ["for a", "for b", "for a", "for b"])
    }).pipe(Effect.provide(TokenCache.layer(sources)))
  })

  it.effect("octokit auth-app: two caches that ask at the same time for the same name get their own", () => {
    const issuerOf = (app: string) =>
      Issuer.scripted(Issuer.slow(`${app} 1`, "1 second"), Issuer.slow(`${app} 2`, "1 second"))
    const issuers = [issuerOf("app A"), issuerOf("app B")]
    return Effect.gen(function* () {
      const caches = yield* Effect.forEach(issuers, (issuer) => Layer.build(layer(issuer)))
      const inBoth = <A, E>(effect: Effect.Effect<A, E, TokenCache>) =>
        Effect.forEach(caches, (context) => Effect.provide(effect, context), { concurrency: "unbounded" })
      const cold = yield* Effect.fork(inBoth(read))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(cold), ["app A 1", "app B 1"])
      const forced = yield* Effect.fork(inBoth(refresh))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(forced), ["app A 2", "app B 2"])
      assert.deepStrictEqual(issuers.map(seconds), [
        [0, 1],
        [0, 1]
      ])
    }).pipe(Effect.scoped)
  })

  it.effect("octokit auth-app: what one cache invalidates stays in another, though it is the same token", () => {
    const one = Issuer.scripted(Issuer.succeed("1 hour", "same"), Issuer.succeed("1 hour", "next"))
    const other = Issuer.scripted(Issuer.succeed("1 hour", "same"))
    return Effect.gen(function* () {
      const first = yield* Layer.build(layer(one))
      const second = yield* Layer.build(layer(other))
      const refused = yield* Effect.provide(TokenCache.token("line"), first)
      yield* Effect.provide(TokenCache.invalidate("line", refused), first)
      assert.strictEqual(yield* Effect.provide(read, first), "next")
      assert.strictEqual(yield* Effect.provide(read, second), "same")
      assert.strictEqual(yield* Effect.provide(refresh, second), "same")
      assert.strictEqual(other.calls.length, 2)
    }).pipe(Effect.scoped)
  })

  it.effect("spring-security#13816: tokens that were registered for a while leave nothing behind", () => {
    const issuer = Issuer.scripted(Issuer.succeed("1 hour"))
    return Effect.gen(function* () {
      for (let index = 0; index < 100; index++) {
        const name = `tenant-${index}`
        yield* Effect.scoped(Effect.zipRight(TokenCache.register(name, issuer), TokenCache.token(name)))
      }
      assert.deepStrictEqual(yield* TokenCache.statuses, [])
      const before = issuer.calls.length
      yield* TestClock.adjust("1 day")
      assert.strictEqual(issuer.calls.length, before)
    }).pipe(Effect.provide(TokenCache.layer({})))
  })

  it.effect("google-auth-library-nodejs#774: one refreshBefore holds for every kind of source", () =>
    Effect.gen(function* () {
      const { bySecret, byKey } = yield* lineChannel
      const policy = { refreshBefore: "1 minute", jitter: 0 } as const
      const sources = {
        stateless: { ...LineChannel.stateless(bySecret), ...policy },
        statelessJwt: { ...LineChannel.statelessJwt(byKey), ...policy },
        v21: { ...LineChannel.v21(byKey), ...policy },
        shortLived: { ...LineChannel.shortLived(bySecret), ...policy },
        other: { issue: Issuer.scripted(Issuer.succeed("1 hour")).issue, ...policy }
      }
      yield* Effect.gen(function* () {
        for (const name of Object.keys(sources)) {
          yield* TokenCache.token(name)
          const { expiresAt, nextAttemptAt } = yield* TokenCache.status(name)
          assert.strictEqual(expiresAt! - nextAttemptAt!, 60_000, name)
        }
      }).pipe(Effect.provide(TokenCache.layer(sources)))
    }).pipe(withLine())
  )
})

describe("LINE", () => {
  it.effect("govuk-one-login/authentication-api#8427: each retry has an assertion of its own", () =>
    Effect.gen(function* () {
      const { byKey, line } = yield* lineChannel
      yield* line.fault({ status: 503, times: 2 })
      yield* Effect.gen(function* () {
        yield* unavailable
        yield* TestClock.adjust("2 seconds")
        yield* Effect.flip(refresh)
        yield* TestClock.adjust("2 seconds")
        yield* refresh
      }).pipe(Effect.provide(TokenCache.layer({ line: LineChannel.statelessJwt(byKey) })))
      const assertions = (yield* line.requests).map(({ body }) => new URLSearchParams(body).get("client_assertion"))
      assert.strictEqual(new Set(assertions).size, 3)
    }).pipe(withLine())
  )
})
