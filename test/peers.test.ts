import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Runtime, TestClock } from "effect"
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

describe("an expired token is not given out", () => {
  it.effect(
    "goth#134, Effect Resource.auto: the host slept past the expiry, and the refresh timer did not count that",
    () => {
      const issuer = Issuer.scripted(Issuer.succeed("15 minutes"))
      return Effect.gen(function* () {
        const { clock, set } = yield* settableClock
        yield* Effect.gen(function* () {
          assert.strictEqual(yield* read, "token-1")
          set(3_600_000)
          assert.strictEqual(yield* read, "token-2")
        }).pipe(Effect.provide(layer(issuer)), Effect.withClock(clock))
      })
    }
  )

  it.effect("goth#147: the clock lags by hours and is put right", () => {
    const issuer = Issuer.scripted(Issuer.succeed("15 minutes"), Issuer.fail(), Issuer.succeed("15 minutes"))
    return Effect.gen(function* () {
      yield* TestClock.adjust("1 day")
      const { adjust, clock, set } = yield* settableClock
      set(-3 * 3_600_000)
      yield* Effect.gen(function* () {
        assert.strictEqual(yield* read, "token-1")
        set(3 * 3_600_000)
        assert.strictEqual((yield* unavailable).lastError?.reason, "Unreachable")
        yield* adjust("30 seconds")
        assert.strictEqual(yield* read, "token-3")
      }).pipe(Effect.provide(layer(issuer)), Effect.withClock(clock))
    })
  })

  it.effect("goth#147: the clock falls behind by hours while the token is alive", () => {
    const issuer = thenDown()
    return Effect.gen(function* () {
      yield* TestClock.adjust("1 day")
      const { adjust, clock, set } = yield* settableClock
      yield* Effect.gen(function* () {
        assert.strictEqual(yield* read, "token-1")
        set(-3 * 3_600_000)
        yield* adjust("15 minutes")
        assert.strictEqual((yield* unavailable).reason, "IssueFailed")
      }).pipe(Effect.provide(layer(issuer)), Effect.withClock(clock))
    })
  })

  it.effect(
    "client-go, aws-sdk-go-v2, lru-cache: static stability does not go past the expiry, not even while the issuer is down",
    () => {
      const issuer = thenDown("1 minute")
      return Effect.gen(function* () {
        yield* TestClock.adjust("54999 millis")
        assert.strictEqual(yield* read, "token-1")
        yield* TestClock.adjust("1 millis")
        const reads = [TokenCache.token("line"), TokenCache.accessToken("line"), TokenCache.refresh("line")]
        const exits = yield* Effect.forEach(reads, (read) => Effect.exit<unknown, unknown, TokenCache>(read))
        assert.deepStrictEqual(exits.map(Exit.isFailure), [true, true, true])
      }).pipe(Effect.provide(layer(issuer)))
    }
  )

  it.effect("octokit/auth-app.js#710: the lifetime is the token's, not a constant of 59 minutes", () => {
    const issuer = Issuer.scripted(
      Issuer.run(Effect.succeed(IssuedToken.make({ accessToken: "installation", expiresAt: new Date(900_000) }))),
      Issuer.fail()
    )
    return Effect.gen(function* () {
      yield* TestClock.adjust("894 seconds")
      assert.strictEqual(yield* read, "installation")
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* unavailable).reason, "IssueFailed")
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("caffeine#373: a refresh that is stuck does not keep the old token alive, and is cut off", () => {
    const issuer = Issuer.scripted(Issuer.succeed("15 minutes"), Issuer.hangUninterruptibly)
    return Effect.gen(function* () {
      yield* TestClock.adjust("895 seconds")
      assert.strictEqual((yield* status).state, "down")
      // Each attempt is given up after 30 seconds; the delay to the next is counted from its end, as after any failure.
      assert.deepStrictEqual(seconds(issuer).slice(0, 4), [0, 450, 510, 600])
      assert.strictEqual((yield* status).lastError?.reason, "Timeout")
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("aws-sdk-go-v2 and botocore refuse a token that has expired on arrival, and so does this", () => {
    const issuer = Issuer.scripted(Issuer.slow("stale", "10 seconds", "10 seconds"), Issuer.succeed("15 minutes"))
    return Effect.gen(function* () {
      yield* TestClock.adjust("10 seconds")
      const { lastError, nextAttemptAt } = yield* unavailable
      assert.strictEqual(lastError?.message, "the token had already expired when it arrived")
      yield* TestClock.adjust(nextAttemptAt! - 10_000)
      assert.strictEqual(yield* read, "token-2")
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("google-auth-library, Go oauth2, Duende, smithy: a token without a lifetime does not live for ever", () => {
    const answer = Issuer.run(Effect.suspend(() => IssuedToken.fromOAuth({ access_token: "eternal" })))
    return Effect.gen(function* () {
      yield* Effect.gen(function* () {
        assert.strictEqual((yield* unavailable).lastError?.reason, "InvalidResponse")
      }).pipe(Effect.provide(layer(Issuer.scripted(answer))))
      yield* Effect.gen(function* () {
        assert.strictEqual(yield* read, "eternal")
        yield* TestClock.adjust("55 seconds")
        assert.strictEqual((yield* unavailable).reason, "IssueFailed")
      }).pipe(Effect.provide(layer(Issuer.scripted(answer, Issuer.fail()), { defaultLifetime: "1 minute" })))
    })
  })

  it.effect("effect-smol#1805: a lifetime is measured from before the request, not from its completion", () => {
    const issuer = Issuer.scripted(Issuer.slow("slow", "20 seconds", "100 seconds"), Issuer.fail())
    return Effect.gen(function* () {
      yield* TestClock.adjust("94999 millis")
      assert.strictEqual(yield* read, "slow")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* unavailable).reason, "IssueFailed")
    }).pipe(Effect.provide(layer(issuer)))
  })
})

describe("a usable token is given out", () => {
  it.effect("msal-js#6085: at once, while the refresh in the background runs", () => {
    const issuer = Issuer.scripted(Issuer.succeed("15 minutes"), Issuer.hang)
    return Effect.gen(function* () {
      yield* TestClock.adjust("455 seconds")
      assert.isTrue((yield* status).refreshing)
      const { token } = yield* TokenCache
      const runSync = Runtime.runSync(yield* Effect.runtime<never>())
      assert.strictEqual(Issuer.value(runSync(token("line"))), "token-1")
    }).pipe(Effect.provide(layer(issuer)))
  })

  const down: Record<string, Issuer.Behaviour> = {
    "a network error (msal-node)": Issuer.fail({ reason: "Unreachable" }),
    "a 503 (smithy, google-auth-library, octokit)": Issuer.fail({ reason: "Unreachable", status: 503 }),
    "a refusal": Issuer.fail({ reason: "Rejected", status: 400, permanent: true }),
    "a defect": Issuer.die
  }
  for (const [name, behaviour] of Object.entries(down)) {
    it.effect(`while the refresh fails with ${name}`, () => {
      const issuer = Issuer.scripted(Issuer.succeed("1 hour"), behaviour)
      return Effect.gen(function* () {
        yield* TestClock.adjust("55 minutes")
        assert.isAbove(issuer.calls.length, 1)
        assert.strictEqual((yield* status).state, "degraded")
        assert.strictEqual(yield* read, "token-1")
      }).pipe(Effect.provide(layer(issuer)))
    })
  }

  it.effect("Effect Cache.refresh: a failed refresh does not replace the good value", () => {
    const issuer = thenDown()
    return Effect.gen(function* () {
      yield* read
      yield* Effect.flip(refresh)
      assert.strictEqual(yield* read, "token-1")
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("golang/oauth2#249, #623, #634: the refresh begins early enough for a slow issuer that fails twice", () => {
    const slowly = (behaviour: Issuer.Behaviour) =>
      Issuer.run(Effect.delay(Issuer.scripted(behaviour).issue, "20 seconds"))
    const issuer = Issuer.scripted(
      Issuer.succeed("5 minutes"),
      slowly(Issuer.fail()),
      slowly(Issuer.fail()),
      slowly(Issuer.succeed("5 minutes", "third"))
    )
    return Effect.gen(function* () {
      const given: Array<string> = []
      for (let second = 0; second < 300; second++) {
        given.push(yield* read)
        yield* TestClock.adjust("1 second")
      }
      assert.deepStrictEqual(distinct(given), ["token-1", "third"])
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect(
    "octokit/auth-app.js#117, octokit/app.js#52: whoever reads, whenever it is, gets a token that lives for refreshBefore more",
    () => {
      const issuer = Issuer.scripted(Issuer.succeed("1 hour"))
      return Effect.gen(function* () {
        const left: Array<number> = []
        for (let minute = 0; minute < 180; minute++) {
          left.push((yield* TokenCache.accessToken("line")).expiresAt - minute * 60_000)
          yield* TestClock.adjust("1 minute")
        }
        assert.strictEqual(Math.min(...left), 31 * 60_000)
        assert.deepStrictEqual(delays(issuer), [1800, 1800, 1800, 1800, 1800, 1800])
      }).pipe(Effect.provide(layer(issuer, { refreshBefore: "30 minutes" })))
    }
  )

  it.effect("golang/oauth2#793: without a lock, though others wait for a refresh that they asked for", () => {
    const issuer = Issuer.scripted(Issuer.succeed("1 hour"), Issuer.slow("forced", "3 seconds"))
    return Effect.gen(function* () {
      yield* read
      const forced = yield* Effect.fork(times(100, refresh))
      yield* TestClock.adjust("1 second")
      const { token } = yield* TokenCache
      const reader = yield* TokenCache.reader("line")
      const runSync = Runtime.runSync(yield* Effect.runtime<never>())
      for (let reads = 0; reads < 1000; reads++) {
        assert.deepStrictEqual([runSync(token("line")), runSync(reader)].map(Issuer.value), ["token-1", "token-1"])
      }
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(distinct(yield* Fiber.join(forced)), ["forced"])
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect(
    "caffeine#437, cofacts/rumors-line-bot#136: the token is refreshed without a reader, and without a cron job",
    () => {
      const issuer = Issuer.scripted(Issuer.succeed("15 minutes"))
      return Effect.gen(function* () {
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(
          delays(issuer),
          Array.from({ length: 8 }, () => 450)
        )
        assert.strictEqual((yield* status).reads, 0)
      }).pipe(Effect.provide(layer(issuer)))
    }
  )

  it.effect(
    "caffeine#504, Effect-TS/effect#8177, DuendeSoftware/foss#287, #298: each token is refreshed by its own lifetime",
    () => {
      const issuer = Issuer.scripted(
        Issuer.succeed("2 minutes"),
        Issuer.succeed("4 hours"),
        Issuer.succeed("10 seconds"),
        Issuer.succeed("1 day")
      )
      return Effect.gen(function* () {
        yield* TestClock.adjust("5 hours")
        // Half of 2 minutes, 4 hours less a tenth, half of 10 seconds.
        assert.deepStrictEqual(delays(issuer), [60, 12_960, 5])
      }).pipe(Effect.provide(layer(issuer)))
    }
  )
})
