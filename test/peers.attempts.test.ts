import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Redacted, Runtime, Schedule, TestClock } from "effect"
import { IssuedToken, TokenCache } from "effect-token-cache"
import * as Issuer from "./support/issuer.js"
import {
  delays,
  distinct,
  layer,
  read,
  refresh,
  seconds,
  status,
  thenDown,
  times,
  unavailable
} from "./support/oneToken.js"
import { settableClock } from "./support/settableClock.js"

// Where other token caches break, by their issue or, where there is none, by their name: it must not happen here.

const valueOf = ({ accessToken }: IssuedToken.AccessToken) => Redacted.value(accessToken)

describe("one token is one issue", () => {
  it.effect("msal-js#6566: for 100 cold readers, and for 100 after the expiry", () => {
    const issuer = Issuer.scripted(
      Issuer.slow("first", "1 second", "1 minute"),
      Issuer.slow("second", "1 second", "1 minute")
    )
    return Effect.gen(function* () {
      const cold = yield* Effect.fork(times(100, read))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(distinct(yield* Fiber.join(cold)), ["first"])
      assert.strictEqual(issuer.calls.length, 1)
      yield* TestClock.adjust("1 minute")
      const expired = yield* Effect.fork(times(100, read))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(distinct(yield* Fiber.join(expired)), ["second"])
      assert.strictEqual(issuer.calls.length, 2)
    }).pipe(Effect.provide(TokenCache.layer({ line: { issue: issuer.issue, schedule: Schedule.spaced("1 day") } })))
  })

  it.effect("google-auth-library-nodejs#338, #1836: for 1000 callers, whichever way they ask", () => {
    const issuer = Issuer.scripted(Issuer.slow("only", "1 second"))
    return Effect.gen(function* () {
      const reader = yield* TokenCache.reader("line")
      const asks = [
        read,
        Effect.map(reader, Issuer.value),
        refresh,
        Effect.map(TokenCache.accessToken("line"), valueOf)
      ]
      const all = yield* Effect.fork(
        Effect.all(
          asks.map((ask) => times(250, ask)),
          { concurrency: "unbounded" }
        )
      )
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(distinct((yield* Fiber.join(all)).flat()), ["only"])
      assert.deepStrictEqual(seconds(issuer), [0])
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("msal-node skipCache, Effect Cache.refresh: for 20 forced refreshes", () => {
    const issuer = Issuer.scripted(Issuer.succeed("1 hour"), Issuer.slow("forced", "1 second"))
    return Effect.gen(function* () {
      yield* read
      const all = yield* Effect.fork(times(20, refresh))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(distinct(yield* Fiber.join(all)), ["forced"])
      assert.strictEqual(issuer.calls.length, 2)
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("goth: 100 callers that wait for an attempt which fails do not try one after the other", () => {
    const issuer = Issuer.scripted(Issuer.run(Effect.delay(Issuer.scripted(Issuer.fail()).issue, "1 second")))
    return Effect.gen(function* () {
      const all = yield* Effect.fork(times(100, unavailable))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(distinct((yield* Fiber.join(all)).map(({ reason }) => reason)), ["IssueFailed"])
      assert.deepStrictEqual(seconds(issuer), [0])
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("spring-security#11461, #14123, #15295: for N calls that find the token refused", () => {
    const issuer = Issuer.scripted(Issuer.succeed("1 hour"), Issuer.slow("fresh", "1 second"))
    return Effect.gen(function* () {
      const refused = yield* TokenCache.token("line")
      const all = yield* Effect.fork(times(100, Effect.zipRight(TokenCache.invalidate("line", refused), read)))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(distinct(yield* Fiber.join(all)), ["fresh"])
      assert.strictEqual(issuer.calls.length, 2)
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("azure tokenCycler, msal-node, smithy, Duende: for 10 reads of a token of 45 seconds", () => {
    const issuer = Issuer.scripted(Issuer.succeed("45 seconds"))
    return Effect.gen(function* () {
      for (let reads = 0; reads < 10; reads++) {
        assert.strictEqual(yield* read, "token-1")
        yield* TestClock.adjust("2 seconds")
      }
      assert.deepStrictEqual(seconds(issuer), [0])
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("goth: a read of an expired token starts no second chain of refreshes", () => {
    const issuer = Issuer.scripted(Issuer.succeed("15 minutes"))
    return Effect.gen(function* () {
      const { adjust, clock, set } = yield* settableClock
      yield* Effect.gen(function* () {
        yield* read
        set(1_000_000)
        assert.strictEqual(yield* read, "token-2")
        yield* adjust("30 minutes")
        assert.deepStrictEqual(delays(issuer), [1000, 450, 450, 450, 450])
      }).pipe(Effect.provide(layer(issuer)), Effect.withClock(clock))
    })
  })
})

describe("the issuer is left alone", () => {
  it.effect(
    "vault#26382, #20645, openbao#4036: the delays that are computed are the delays that are kept, and none is zero",
    () => {
      const issuer = thenDown("1 minute")
      return Effect.gen(function* () {
        yield* TestClock.adjust("30 minutes")
        assert.deepStrictEqual(delays(issuer), [30, 30, 60, 120, 240, 300, 300, 300, 300])
      }).pipe(Effect.provide(layer(issuer)))
    }
  )

  it.effect("vault#26382: jitter is on top of each delay of the back-off, and takes nothing off it", () => {
    const issuers = Array.from({ length: 20 }, () => Issuer.scripted(Issuer.fail()))
    const sources = Object.fromEntries(issuers.map(({ issue }, index) => [`line-${index}`, { issue }]))
    return Effect.gen(function* () {
      yield* TestClock.adjust("30 minutes")
      const nominal = [30, 60, 120, 240, 300, 300]
      for (const issuer of issuers) {
        const kept = delays(issuer).slice(0, nominal.length)
        assert.lengthOf(kept, nominal.length)
        kept.forEach((delay, index) => {
          assert.isAtLeast(delay, nominal[index]!)
          assert.isAtMost(delay, nominal[index]! * 1.1)
        })
      }
      assert.isAtLeast(new Set(issuers.map((issuer) => delays(issuer)[0])).size, 10)
    }).pipe(Effect.provide(TokenCache.layer(sources, { concurrency: 20 })))
  })

  it.effect("vault#26382: after a success the back-off begins anew", () => {
    const issuer = Issuer.scripted(
      Issuer.fail(),
      Issuer.fail(),
      Issuer.fail(),
      Issuer.succeed("1 hour"),
      Issuer.fail(),
      Issuer.fail(),
      Issuer.succeed("1 hour")
    )
    return Effect.gen(function* () {
      yield* TestClock.adjust("60 minutes")
      assert.deepStrictEqual(delays(issuer), [30, 60, 120, 3000, 30, 60])
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("goth: a token that lives no longer than refreshBefore is not issued again and again", () => {
    const issuer = Issuer.scripted(Issuer.succeed("5 minutes"))
    return Effect.gen(function* () {
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual(delays(issuer), [150, 150, 150, 150])
    }).pipe(Effect.provide(layer(issuer, { refreshBefore: "5 minutes" })))
  })

  it.effect("vault#28611, #25712: a lease of 0 seconds is not renewed again and again", () => {
    const issuer = Issuer.scripted(Issuer.succeed(0))
    return Effect.gen(function* () {
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual(delays(issuer), [30, 60, 120, 240])
      assert.strictEqual((yield* status).lastError?.reason, "InvalidResponse")
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("vault#26382: a schedule without a delay still leaves a second between two attempts", () => {
    const issuer = Issuer.scripted(Issuer.fail())
    return Effect.gen(function* () {
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(delays(issuer), [1, 1, 1, 1, 1])
    }).pipe(Effect.provide(TokenCache.layer({ line: { issue: issuer.issue, schedule: Schedule.forever } })))
  })

  it.effect(
    "goth#113: it fails for hours, and is neither given up nor asked every second; then the host wakes up",
    () => {
      const issuer = thenDown("1 hour")
      return Effect.gen(function* () {
        const { adjust, clock, set } = yield* settableClock
        yield* Effect.gen(function* () {
          yield* read
          set(8 * 3_600_000)
          for (let second = 0; second < 600; second++) {
            assert.strictEqual((yield* unavailable).reason, "IssueFailed")
            yield* adjust("1 second")
          }
          assert.deepStrictEqual(delays(issuer), [28_800, 30, 60, 120, 240])
          yield* adjust("8 hours")
          assert.isAtLeast(Math.min(...delays(issuer).slice(5)), 300)
          issuer.becomes(Issuer.succeed("1 hour"))
          yield* adjust("5 minutes")
          assert.match(yield* read, /^token-/)
        }).pipe(Effect.provide(layer(issuer)), Effect.withClock(clock))
      })
    }
  )

  it.effect(
    "msal-dotnet#4196: hundreds of readers after one 429 share its Retry-After, and are no convoy when it ends",
    () => {
      const issuer = Issuer.scripted(
        Issuer.fail({ reason: "Throttled", status: 429, retryAfter: "2 minutes" }),
        Issuer.slow("after", "1 second")
      )
      return Effect.gen(function* () {
        for (let second = 0; second < 120; second += 10) {
          const errors = yield* times(300, unavailable)
          assert.deepStrictEqual(distinct(errors.map(({ nextAttemptAt }) => `${nextAttemptAt}`)), ["120000"])
          assert.strictEqual((yield* Effect.flip(TokenCache.refresh("line"))).lastError?.reason, "Throttled")
          yield* TestClock.adjust("10 seconds")
        }
        const readers = yield* Effect.fork(times(300, read))
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(distinct(yield* Fiber.join(readers)), ["after"])
        assert.deepStrictEqual(delays(issuer), [120])
      }).pipe(Effect.provide(layer(issuer)))
    }
  )

  it.effect(
    "camunda-8-js-sdk#605: a wrong secret fails readers at once and is tried again every 5 minutes only",
    () => {
      const issuer = Issuer.scripted(Issuer.fail({ reason: "Rejected", status: 401, permanent: true }))
      return Effect.gen(function* () {
        for (let second = 0; second < 1200; second += 10) {
          const error = yield* unavailable
          assert.isTrue(error.lastError?.permanent)
          yield* TestClock.adjust("10 seconds")
        }
        assert.deepStrictEqual(delays(issuer), [300, 300, 300, 300])
      }).pipe(Effect.provide(layer(issuer)))
    }
  )

  it.effect("zeebe-client-node-js#244: the back-off of a wrong secret keeps no reader waiting", () => {
    const issuer = Issuer.scripted(Issuer.fail({ reason: "Rejected", status: 401, permanent: true }))
    return Effect.gen(function* () {
      yield* unavailable
      const { token } = yield* TokenCache
      const runSync = Runtime.runSync(yield* Effect.runtime<never>())
      assert.strictEqual(runSync(Effect.flip(token("line"))).reason, "IssueFailed")
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("cf-java-client#1026: a wrong secret that is put right is found without a restart", () => {
    const issuer = Issuer.scripted(
      Issuer.fail({ reason: "Rejected", status: 401, permanent: true }),
      Issuer.succeed("1 hour")
    )
    return Effect.gen(function* () {
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(yield* read, "token-2")
      assert.deepStrictEqual(delays(issuer), [300])
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("wso2/api-manager#773: an issuer that gives the same token until it is over is not asked in a loop", () => {
    const issuer = Issuer.scripted(
      Issuer.run(Effect.succeed(IssuedToken.make({ accessToken: "same", expiresAt: 300_000 })))
    )
    return Effect.gen(function* () {
      yield* TestClock.adjust("290 seconds")
      assert.strictEqual(yield* read, "same")
      assert.isAtLeast(Math.min(...delays(issuer)), 30)
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect(
    "octokit/auth-app.js#65, #589: a new token that an API refuses for a while costs one more issue, not one each",
    () => {
      const issuer = Issuer.scripted(Issuer.succeed("1 hour"))
      const call = Effect.flatMap(TokenCache.token("line"), (token) => TokenCache.invalidate("line", token))
      return Effect.gen(function* () {
        for (let second = 0; second < 40; second++) {
          yield* Effect.exit(call)
          yield* TestClock.adjust("1 second")
        }
        // The first refusal has a new token issued at once; that of the new one, a second later, counts as a failure.
        assert.deepStrictEqual(delays(issuer), [0, 31])
      }).pipe(Effect.provide(layer(issuer)))
    }
  )

  it.effect("google-cloud-rust#1587: caches that are made together do not refresh together", () => {
    const issuers = Array.from({ length: 30 }, () => Issuer.scripted(Issuer.succeed("1 hour")))
    return Effect.gen(function* () {
      for (const { issue } of issuers) {
        yield* Layer.build(TokenCache.layer({ line: { issue } }))
      }
      yield* TestClock.adjust("50 minutes")
      const second = issuers.map(({ calls }) => calls[1]!)
      assert.isAtLeast(new Set(second).size, 15)
      assert.isAtMost(Math.max(...second), 3_000_000)
    }).pipe(Effect.scoped)
  })
})
