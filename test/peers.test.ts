import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import {
  type Duration,
  Effect,
  Exit,
  Fiber,
  FiberStatus,
  Layer,
  Option,
  Redacted,
  Runtime,
  Schedule,
  Stream,
  TestClock
} from "effect"
import { IssuedToken, LineChannel, LineMessaging, TokenCache } from "effect-token-cache"
import { vi } from "vitest"
import { exposedLogs, print } from "./support/exposure.js"
import * as Issuer from "./support/issuer.js"
import { lineChannel, privateKey, withLine } from "./support/lineChannel.js"
import { delays, layer, read, refresh, seconds, status, unavailable } from "./support/oneToken.js"
import { runProcess } from "./support/process.js"
import { settableClock } from "./support/settableClock.js"

// Where other token caches break, by their issue or, where there is none, by their name: it must not happen here.

const times = <A, E, R>(count: number, effect: Effect.Effect<A, E, R>) =>
  Effect.replicateEffect(effect, count, { concurrency: "unbounded" })

const distinct = (tokens: ReadonlyArray<string>) => [...new Set(tokens)]

/** An issuer whose token lives through the attempts of one test, and that fails from then on. */
const thenDown = (expiresIn: Duration.DurationInput = "15 minutes") =>
  Issuer.scripted(Issuer.succeed(expiresIn), Issuer.fail())

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

describe("a failure is not the end", () => {
  it.effect("aws-sdk-js-v3#2067, #6344: a failure is no value that stays until the restart", () => {
    const issuer = Issuer.scripted(Issuer.fail(), Issuer.die, Issuer.interruptItself, Issuer.succeed("1 hour"))
    return Effect.gen(function* () {
      yield* unavailable
      yield* TestClock.adjust("210 seconds")
      assert.strictEqual(yield* read, "token-4")
      assert.deepStrictEqual(delays(issuer), [30, 60, 120])
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("Effect-TS/effect#7608: a lookup that interrupts itself at once is not kept as the result", () => {
    const issuer = Issuer.scripted(Issuer.interruptItself, Issuer.succeed("1 hour"))
    return Effect.gen(function* () {
      assert.strictEqual((yield* unavailable).lastError?.reason, "Defect")
      assert.strictEqual(yield* refresh, "token-2")
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("Effect 3 Resource.auto, Databricks Go: the refreshes go on after one that failed", () => {
    const issuer = Issuer.scripted(Issuer.succeed("15 minutes"), Issuer.fail(), Issuer.succeed("15 minutes"))
    return Effect.gen(function* () {
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(delays(issuer).slice(0, 4), [450, 30, 450, 450])
    }).pipe(Effect.provide(layer(issuer)))
  })

  it("azure tokenCycler: a refresh in the background that fails past the expiry does not end the process", async () => {
    const { code, stderr, stdout } = await runProcess("test/processes/failsPastExpiry.ts")
    assert.strictEqual(stderr, "")
    assert.strictEqual(code, 0)
    assert.match(stdout, /IssueFailed after failed attempts\n$/)
  })

  it.effect(
    "azure-sdk-for-js#29608: after an invalidation the retry waits for its back-off, not for the old token's end",
    () => {
      const issuer = Issuer.scripted(Issuer.succeed("30 days"), Issuer.fail(), Issuer.fail(), Issuer.succeed("30 days"))
      return Effect.gen(function* () {
        yield* TokenCache.invalidate("line", yield* TokenCache.token("line"))
        yield* TestClock.adjust("90 seconds")
        assert.strictEqual(yield* read, "token-4")
        assert.deepStrictEqual(delays(issuer), [0, 30, 60])
      }).pipe(Effect.provide(layer(issuer)))
    }
  )
})

describe("readers and attempts do not hang on each other", () => {
  it.effect("goth#151: a reader that has waited long enough gets an error, and the attempt goes on", () => {
    const issuer = Issuer.scripted(Issuer.slow("late", "8 seconds"))
    return Effect.gen(function* () {
      const reader = yield* Effect.fork(Effect.exit(TokenCache.token("line")))
      yield* TestClock.adjust("5 seconds")
      const exit = yield* Fiber.join(reader)
      assert.isTrue(Exit.isFailure(exit) && exit.cause._tag === "Fail" && exit.cause.error.reason === "TimedOut")
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(yield* read, "late")
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("azure tokenCycler: the first reader's abort does not fail the others", () => {
    const issuer = Issuer.scripted(Issuer.slow("shared", "3 seconds"))
    return Effect.gen(function* () {
      const first = yield* Effect.fork(read)
      yield* TestClock.adjust("1 second")
      const others = yield* Effect.fork(times(10, read))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(distinct(yield* Fiber.join(others)), ["shared"])
      assert.deepStrictEqual(seconds(issuer), [0])
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect(
    "golang/oauth2#388: a reader that is gone takes no attempt with it, neither this one nor a later one",
    () => {
      const issuer = Issuer.scripted(Issuer.slow("first", "1 second"), Issuer.succeed("15 minutes"))
      return Effect.gen(function* () {
        const reader = yield* Effect.fork(read)
        yield* TestClock.adjust("500 millis")
        yield* Fiber.interrupt(reader)
        yield* TestClock.adjust("500 millis")
        assert.strictEqual(yield* read, "first")
        yield* TestClock.adjust("449 seconds")
        assert.strictEqual(yield* read, "token-2")
        assert.deepStrictEqual(seconds(issuer), [0, 450])
      }).pipe(Effect.provide(layer(issuer)))
    }
  )

  it.effect("golang/oauth2#388: nor does the reader for whom the attempt was started, whose scope closes", () => {
    const issuer = Issuer.scripted(
      Issuer.succeed("1 minute"),
      Issuer.slow("second", "3 seconds"),
      Issuer.succeed("1 hour")
    )
    return Effect.gen(function* () {
      yield* TestClock.adjust("61 seconds")
      const reader = yield* Effect.fork(
        Effect.scoped(
          Effect.zipRight(
            Effect.addFinalizer(() => Effect.void),
            read
          )
        )
      )
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(reader)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* read, "second")
      assert.deepStrictEqual(seconds(issuer), [0, 61])
    }).pipe(Effect.provide(TokenCache.layer({ line: { issue: issuer.issue, schedule: Schedule.spaced("1 day") } })))
  })

  it.effect("golang/oauth2#262: a reader can give up by itself, and only that one does", () => {
    const issuer = Issuer.scripted(Issuer.slow("slow", "3 seconds"))
    return Effect.gen(function* () {
      const hasty = yield* Effect.fork(Effect.timeoutOption(read, "50 millis"))
      const patient = yield* Effect.fork(read)
      yield* TestClock.adjust("50 millis")
      assert.strictEqual((yield* Fiber.join(hasty))._tag, "None")
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(yield* Fiber.join(patient), "slow")
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("Effect-TS/effect#6304, #6316: a reader can be interrupted while the issuer cannot", () => {
    const issuer = Issuer.scripted(Issuer.hangUninterruptibly)
    return Effect.gen(function* () {
      const reader = yield* Effect.fork(read)
      yield* TestClock.adjust("1 second")
      assert.isTrue(FiberStatus.isSuspended(yield* Fiber.status(reader)))
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(reader)))
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect(
    "Effect-TS/effect#6304, #6316: a reader's own time limit holds while the issuer cannot be interrupted",
    () => {
      const issuer = Issuer.scripted(Issuer.hangUninterruptibly)
      return Effect.gen(function* () {
        const asks = [read, refresh, Effect.map(Effect.flatten(TokenCache.reader("line")), Issuer.value)]
        const all = yield* Effect.fork(
          Effect.forEach(asks, (ask) => Effect.timeoutOption(ask, "50 millis"), { concurrency: "unbounded" })
        )
        yield* TestClock.adjust("50 millis")
        assert.deepStrictEqual((yield* Fiber.join(all)).map(Option.isNone), [true, true, true])
        assert.isTrue((yield* status).refreshing)
      }).pipe(Effect.provide(layer(issuer)))
    }
  )

  it.effect(
    "Effect 4 cachedWithTTL, Effect-TS/effect#8389: the attempt goes on when its last reader is interrupted",
    () => {
      const issuer = Issuer.scripted(Issuer.slow("slow", "3 seconds"))
      return Effect.gen(function* () {
        const readers = yield* Effect.fork(times(3, read))
        yield* TestClock.adjust("1 second")
        yield* Fiber.interrupt(readers)
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual(yield* read, "slow")
        assert.deepStrictEqual(seconds(issuer), [0])
      }).pipe(Effect.provide(layer(issuer)))
    }
  )

  it.effect(
    "Effect-TS/effect#7578: an attempt that was given up takes away no newer token, and puts back no older one",
    () => {
      const issuer = Issuer.scripted(
        Issuer.run(
          Effect.uninterruptible(Effect.delay(Issuer.scripted(Issuer.succeed("1 hour", "late")).issue, "90 seconds"))
        ),
        Issuer.succeed("1 hour", "newer")
      )
      return Effect.gen(function* () {
        yield* TestClock.adjust("60 seconds")
        assert.strictEqual(yield* read, "newer")
        yield* TestClock.adjust("60 seconds")
        assert.strictEqual(yield* read, "newer")
        assert.strictEqual((yield* status).generation, 1)
      }).pipe(Effect.provide(layer(issuer)))
    }
  )

  it.effect("Effect-TS/effect#7590: an attempt that was given up and fails late takes away no newer token", () => {
    const failing = Effect.delay(Issuer.scripted(Issuer.fail()).issue, "90 seconds")
    const issuer = Issuer.scripted(Issuer.run(Effect.uninterruptible(failing)), Issuer.succeed("1 hour", "newer"))
    return Effect.gen(function* () {
      yield* TestClock.adjust("60 seconds")
      assert.strictEqual(yield* read, "newer")
      yield* TestClock.adjust("60 seconds")
      assert.strictEqual(yield* read, "newer")
      const { consecutiveFailures, state } = yield* status
      assert.deepStrictEqual([state, consecutiveFailures], ["ready", 0])
    }).pipe(Effect.provide(layer(issuer)))
  })
})

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

describe("who watches", () => {
  it.effect("golang/oauth2#84: is told of each refresh, without the token", () => {
    const issuer = Issuer.scripted(Issuer.succeed("15 minutes"))
    return Effect.gen(function* () {
      yield* read
      const watcher = yield* Effect.fork(Stream.runCollect(Stream.take(TokenCache.events, 2)))
      yield* TestClock.adjust("15 minutes")
      assert.deepStrictEqual(
        [...(yield* Fiber.join(watcher))],
        [
          { _tag: "Issued", name: "line", at: 450_000, generation: 2, expiresAt: 1_350_000 },
          { _tag: "Issued", name: "line", at: 900_000, generation: 3, expiresAt: 1_800_000 }
        ]
      )
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("azure tokenCycler: is told of a refresh that fails in the background, though no reader notices", () => {
    const issuer = Issuer.scripted(Issuer.succeed("15 minutes"), Issuer.fail({ status: 503 }))
    const shown: Array<string> = []
    return Effect.gen(function* () {
      yield* read
      const watcher = yield* Effect.fork(Stream.runHead(TokenCache.events))
      yield* TestClock.adjust("451 seconds")
      const event = Option.getOrThrow(yield* Fiber.join(watcher))
      assert.isTrue(event._tag === "IssueFailed" && event.at === 450_000 && event.error.status === 503)
      const { lastError, state } = yield* status
      assert.deepStrictEqual([state, lastError?.status], ["degraded", 503])
      assert.isTrue(shown.some((line) => line.includes("Could not issue an access token: issuer answered 503")))
      assert.strictEqual(yield* read, "token-1")
    }).pipe(Effect.provide(layer(issuer)), exposedLogs(shown))
  })

  it.effect(
    "line-bot-sdk-java FixedChannelTokenSupplier: a token record that is printed does not show the token",
    () => {
      const issuer = Issuer.scripted(Issuer.succeed("15 minutes", "s3cr3t"))
      return Effect.gen(function* () {
        const record = yield* TokenCache.accessToken("line")
        const cache = yield* TokenCache
        const reader = yield* TokenCache.reader("line")
        const values = [record, record.accessToken, { ...record }, cache, reader, yield* TokenCache.status("line")]
        assert.notInclude([values, ...values].map(print).join(), "s3cr3t")
        assert.strictEqual(Issuer.value(record.accessToken), "s3cr3t")
      }).pipe(Effect.provide(layer(issuer)))
    }
  )

  it.effect("simple-oauth2#458: an option that is wrong is named without printing a secret", () => {
    const channelSecret = "hunter2-hunter2"
    const secret = { channelId: "1", channelSecret, baseUrl: "https://line.example" }
    const key = { channelId: "1", keyId: "k", privateKey, channelSecret, baseUrl: "https://line.example" }
    const cut = privateKey.slice(0, 200)
    const sources: Record<string, LineChannel.LineSource> = {
      "no channel id": LineChannel.stateless({ ...secret, channelId: "" }),
      "no channel id for a short-lived token": LineChannel.shortLived({ ...secret, channelId: "" }),
      "a base URL in the clear": LineChannel.stateless({ ...secret, baseUrl: `http://line.example/${channelSecret}` }),
      "a secret in the base URL": LineChannel.shortLived({ ...secret, baseUrl: `https://a:${channelSecret}@line.me` }),
      "a key that is cut": LineChannel.v21({ ...key, privateKey: cut }),
      "a JWK that is cut": LineChannel.statelessJwt({ ...key, privateKey: `{"kty":"RSA","d":"${channelSecret}` }),
      "a JWK that is none": LineChannel.statelessJwt({ ...key, privateKey: { kty: "RSA", d: channelSecret } }),
      "no key id": LineChannel.v21({ ...key, keyId: "" }),
      "a lifetime over LINE's": LineChannel.v21({ ...key, tokenLifetime: "31 days" })
    }
    const secrets = [channelSecret, ...privateKey.split("\n").slice(1, -2)]
    return Effect.gen(function* () {
      for (const [name, source] of Object.entries(sources)) {
        const wrong = { ...source, jitter: 2 }
        const options = yield* Effect.flip(Effect.scoped(Layer.build(TokenCache.layer({ line: wrong }))))
        const issue = yield* Effect.flip(source.issue)
        const unavailable = yield* Effect.flip(Effect.provide(read, TokenCache.layer({ line: source })))
        assert.deepStrictEqual(
          [options._tag, issue._tag, issue.permanent, unavailable._tag],
          ["InvalidOptions", "IssueError", true, "TokenUnavailable"],
          name
        )
        const shown = [source, wrong, options, issue, unavailable].map(print).join()
        assert.deepStrictEqual(
          secrets.filter((secret) => shown.includes(secret)),
          [],
          name
        )
      }
    }).pipe(Effect.provide(NodeHttpClient.layerUndici))
  })
})

describe("no timer overflows", () => {
  const lifetimes = ["30 days", "3650 days", Number.MAX_VALUE, Number.POSITIVE_INFINITY] as const
  for (const lifetime of lifetimes) {
    it.live(
      `directus#4054, keycloak-js#107, authkit-nextjs#273, rynfar/meridian#515, badgateway: a token of ${lifetime} is not issued non-stop`,
      () => {
        const issuer = Issuer.scripted(Issuer.succeed(lifetime))
        const timers = vi.spyOn(globalThis, "setTimeout")
        return Effect.gen(function* () {
          yield* read
          yield* Effect.sleep("50 millis")
          assert.strictEqual(issuer.calls.length, 1)
          const millis = timers.mock.calls.map(([, millis = 0]) => millis)
          assert.isAbove(Math.max(...millis), 3_600_000)
          assert.isAtMost(Math.max(...millis), 2 ** 31 - 1)
        }).pipe(Effect.provide(layer(issuer)), Effect.ensuring(Effect.sync(() => timers.mockRestore())))
      }
    )
  }
})

function valueOf({ accessToken }: IssuedToken.AccessToken) {
  return Redacted.value(accessToken)
}
