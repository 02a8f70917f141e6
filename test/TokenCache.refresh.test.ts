import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, LogLevel, Redacted, Schedule, TestClock, type Tracer } from "effect"
import { IssuedToken, TokenCache } from "effect-token-cache"
import * as Issuer from "./support/issuer.js"
import { tell, throwing } from "./support/logs.js"
import { invalidate, layer, read, refresh, status } from "./support/oneToken.js"

describe("the refresh fiber", () => {
  it.effect("replaces the token before it runs out, without a reader", () => {
    const issuer = Issuer.scripted(Issuer.succeed("15 minutes"))
    return Effect.gen(function* () {
      yield* TestClock.adjust("30 minutes")
      assert.deepStrictEqual(issuer.calls, [0, 450_000, 900_000, 1_350_000, 1_800_000])
      assert.strictEqual(yield* read, "token-5")
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("keeps a 30-day token warm: a single sleep of 27 days would never end", () => {
    const issuer = Issuer.scripted(Issuer.succeed("30 days"))
    return Effect.gen(function* () {
      yield* TestClock.adjust("60 days")
      assert.deepStrictEqual(
        issuer.calls,
        [0, 27, 54].map((days) => Duration.toMillis(Duration.days(days)))
      )
      assert.strictEqual(yield* read, "token-3")
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("with jitter: adjusting to the nominal due time has always refreshed", () => {
    const issuer = Issuer.scripted(Issuer.succeed("15 minutes"))
    return Effect.gen(function* () {
      yield* TestClock.adjust("450 seconds")
      assert.strictEqual(yield* read, "token-2")
      assert.isTrue(issuer.calls[1]! >= 405_000 && issuer.calls[1]! <= 450_000)
    }).pipe(Effect.provide(TokenCache.layer({ line: { issue: issuer.issue } })))
  })

  it.effect("sees a recovered issuer within the policy's delay", () => {
    const issuer = Issuer.scripted(Issuer.fail(), Issuer.fail(), Issuer.succeed("1 hour"))
    return Effect.gen(function* () {
      yield* TestClock.adjust("90 seconds")
      assert.strictEqual(yield* read, "token-3")
      assert.deepStrictEqual(issuer.calls, [0, 30_000, 90_000])
    }).pipe(Effect.provide(layer(issuer)))
  })

  describe("survives an issuer that", () => {
    const kinds: ReadonlyArray<readonly [string, Issuer.Behaviour, string, string]> = [
      ["fails", Issuer.fail({ reason: "Rejected", status: 400 }), "Rejected", "issuer answered 400"],
      [
        "fails with an error of its own",
        Issuer.run(Effect.fail({ _tag: "Odd", secret: "s3cr3t" })),
        "Unreachable",
        "issue failed with Odd"
      ],
      ["fails with a string", Issuer.run(Effect.fail("s3cr3t")), "Unreachable", "issue failed with a string"],
      ["hangs", Issuer.hang, "Timeout", "issuer did not answer in time"],
      ["hangs uninterruptibly", Issuer.hangUninterruptibly, "Timeout", "issuer did not answer in time"],
      ["dies", Issuer.die, "Defect", "issue died with TypeError"],
      ["throws", Issuer.throws, "Defect", "issue died with RangeError"],
      ["interrupts itself", Issuer.interruptItself, "Defect", "issue interrupted itself"],
      ["interrupts its own fiber", Issuer.run(interruptOwnFiber()), "Defect", "issue interrupted itself"],
      ["answers undefined", Issuer.answer(undefined), "InvalidResponse", "the issuer did not return an IssuedToken"],
      [
        "answers a plain string",
        Issuer.answer("s3cr3t"),
        "InvalidResponse",
        "the issuer did not return an IssuedToken"
      ],
      [
        "answers an empty token",
        Issuer.succeed("1 hour", ""),
        "InvalidResponse",
        "the issuer did not return an IssuedToken"
      ],
      [
        "answers without a lifetime",
        Issuer.answer(IssuedToken.make({ accessToken: "s3cr3t" })),
        "InvalidResponse",
        "the token has no lifetime: give the source a defaultLifetime"
      ],
      [
        "answers a lifetime of 0",
        Issuer.succeed(0),
        "InvalidResponse",
        "the token's lifetime is not a positive duration"
      ],
      [
        "answers a lifetime that is not a duration",
        Issuer.answer({ ...IssuedToken.make({ accessToken: "s3cr3t" }), expiresIn: {} }),
        "InvalidResponse",
        "the token's lifetime is not a positive duration"
      ],
      [
        "answers an expired token",
        Issuer.answer(IssuedToken.make({ accessToken: "s3cr3t", expiresAt: -5 })),
        "InvalidResponse",
        "the token's lifetime is not a positive duration"
      ],
      [
        "answers NaN",
        Issuer.answer(IssuedToken.make({ accessToken: "s3cr3t", expiresAt: Number.NaN })),
        "InvalidResponse",
        "the token's lifetime is not a positive duration"
      ],
      ["answers a wiped token", Issuer.answer(wiped()), "Defect", "issue died with Error"]
    ]
    for (const [name, behaviour, reason, message] of kinds) {
      it.effect(`${name}, cold`, () => {
        const issuer = Issuer.scripted(behaviour)
        return Effect.gen(function* () {
          yield* TestClock.adjust("30 seconds")
          const { lastError, state } = yield* status
          assert.strictEqual(state, "down")
          assert.strictEqual(lastError?.reason, reason)
          assert.strictEqual(lastError?.message, message)
          issuer.becomes(Issuer.succeed("1 hour", "recovered"))
          yield* TestClock.adjust("5 minutes")
          assert.strictEqual(yield* read, "recovered")
          // Only an attempt that cannot be interrupted is still there when the next one starts.
          assert.strictEqual(issuer.record.mostAtOnce, name === "hangs uninterruptibly" ? 2 : 1)
        }).pipe(Effect.provide(layer(issuer)))
      })

      it.effect(`${name}, while the old token is given`, () => {
        const issuer = Issuer.scripted(Issuer.succeed("15 minutes"), behaviour)
        return Effect.gen(function* () {
          yield* TestClock.adjust("485 seconds")
          assert.strictEqual(yield* read, "token-1")
          assert.strictEqual((yield* status).state, "degraded")
          assert.strictEqual((yield* status).lastError?.reason, reason)
        }).pipe(Effect.provide(layer(issuer)))
      })
    }
  })

  it.effect("gives up an attempt after issueTimeout, and discards its late result", () => {
    const issuer = Issuer.scripted(
      Issuer.run(
        Effect.uninterruptible(Effect.delay(Issuer.scripted(Issuer.succeed("1 hour", "late")).issue, "12 seconds"))
      ),
      Issuer.fail()
    )
    return Effect.gen(function* () {
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* status).lastError?.reason, "Timeout")
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* status).generation, 0)
      assert.strictEqual((yield* Effect.flip(TokenCache.token("line"))).reason, "IssueFailed")
    }).pipe(Effect.provide(layer(issuer, { issueTimeout: "10 seconds" })))
  })

  it.effect("runs each attempt in a scope of its own", () => {
    const log: Array<string> = []
    const acquire = Effect.acquireRelease(
      Effect.sync(() => log.push("acquired")),
      () => Effect.sync(() => log.push("released"))
    )
    const issue = Effect.as(acquire, IssuedToken.make({ accessToken: "scoped", expiresIn: "1 hour" }))
    return Effect.gen(function* () {
      assert.strictEqual(yield* read, "scoped")
      assert.deepStrictEqual(log, ["acquired", "released"])
    }).pipe(Effect.provide(TokenCache.layer({ line: { issue } })))
  })

  it.effect("32 sources that hang starve nobody: the 33rd stays warm and reads cold", () => {
    const issuer = Issuer.scripted(Issuer.succeed("1 minute"))
    const hanging = Object.fromEntries(Array.from({ length: 32 }, (_, i) => [`hangs-${i}`, { issue: Effect.never }]))
    return Effect.gen(function* () {
      assert.strictEqual(yield* read, "token-1")
      yield* TestClock.adjust("30 minutes")
      // Half of its minute, and at most the readTimeout of two full rounds of hanging attempts, lie between two calls.
      const gaps = issuer.calls.slice(1).map((at, index) => at - issuer.calls[index]!)
      assert.isTrue(issuer.calls.length > 40)
      assert.isTrue(Math.max(...gaps) <= 41_000, `${Math.max(...gaps)}`)
      assert.strictEqual((yield* status).state, "ready")
    }).pipe(Effect.provide(TokenCache.layer({ ...hanging, line: { issue: issuer.issue, jitter: 0 } })))
    // With a store each of them renews a lease: many instants for the TestClock to stop at.
  })

  it.effect("runs at most `concurrency` attempts at once, the earliest expiry first", () => {
    let running = 0
    let most = 0
    const order: Array<number> = []
    const source = (index: number) => {
      const token = IssuedToken.make({ accessToken: `${index}`, expiresIn: `${200 - index} minutes` })
      const later = Effect.acquireUseRelease(
        Effect.sync(() => {
          most = Math.max(most, ++running)
          order.push(index)
        }),
        () => Effect.delay(Effect.succeed(token), "1 second"),
        () => Effect.sync(() => running--)
      )
      const issuer = Issuer.scripted(Issuer.run(Effect.succeed(token)), Issuer.run(later))
      return { issue: issuer.issue, schedule: Schedule.spaced("100 minutes") }
    }
    const sources = Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`${index}`, source(index)]))
    return Effect.gen(function* () {
      yield* TestClock.adjust("101 minutes")
      assert.strictEqual(most, 3)
      assert.deepStrictEqual(order, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0])
    }).pipe(Effect.provide(TokenCache.layer(sources, { concurrency: 3 })))
  })

  it.effect("gets the place back of an attempt that was removed and cannot be interrupted", () => {
    const issuer = Issuer.scripted(Issuer.succeed("1 minute"))
    return Effect.gen(function* () {
      yield* TokenCache.register("stuck", { issue: Effect.uninterruptible(Effect.never) }).pipe(
        Effect.zipRight(TestClock.adjust("1 second")),
        Effect.scoped
      )
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual((yield* status).state, "ready")
    }).pipe(
      Effect.provide(TokenCache.layer({ line: { issue: issuer.issue } }, { concurrency: 1, readTimeout: "1 hour" }))
    )
  })

  it.effect("survives a logger that throws", () => {
    const issuer = Issuer.scripted(Issuer.fail(), Issuer.succeed("1 hour"))
    return Effect.gen(function* () {
      yield* TestClock.adjust("40 seconds")
      assert.strictEqual(yield* read, "token-2")
    }).pipe(Effect.provide(layer(issuer)), Effect.provide(throwing))
  })

  it.effect("gives each attempt a trace of its own, not the builder's", () => {
    const spans: Array<Tracer.Span> = []
    const issuer = Issuer.scripted(
      Issuer.run(
        Effect.flatMap(Effect.currentSpan, (span) => {
          spans.push(span)
          return Effect.succeed(IssuedToken.make({ accessToken: "traced", expiresIn: "1 hour" }))
        })
      )
    )
    return Effect.gen(function* () {
      assert.strictEqual(yield* read, "traced")
      assert.deepStrictEqual(
        spans.map(({ attributes, name, parent }) => [name, parent._tag, [...attributes]]),
        [
          [
            "TokenCache.refresh",
            "None",
            [
              ["token_cache.token", "line"],
              ["token_cache.trigger", "startup"],
              ["token_cache.outcome", "success"]
            ]
          ]
        ]
      )
    }).pipe(Effect.provide(layer(issuer)), Effect.withSpan("startup"))
  })

  describe("a schedule of the source's own", () => {
    const withSchedule = (issuer: ReturnType<typeof Issuer.scripted>, schedule: Schedule.Schedule<unknown>) =>
      TokenCache.layer({ line: { issue: issuer.issue, schedule } })

    it.effect("decides when the next attempt starts", () => {
      const issuer = Issuer.scripted(Issuer.succeed("1 hour"))
      return Effect.gen(function* () {
        yield* TestClock.adjust("35 seconds")
        assert.deepStrictEqual(issuer.calls, [0, 10_000, 20_000, 30_000])
      }).pipe(Effect.provide(withSchedule(issuer, Schedule.spaced("10 seconds"))))
    })

    it.effect("cannot ask for more than an attempt a second", () => {
      const issuer = Issuer.scripted(Issuer.succeed("1 hour"))
      return Effect.gen(function* () {
        yield* TestClock.adjust("3 seconds")
        assert.deepStrictEqual(issuer.calls, [0, 1000, 2000, 3000])
      }).pipe(Effect.provide(withSchedule(issuer, Schedule.forever)))
    })

    const broken: ReadonlyArray<readonly [string, Schedule.Schedule<unknown>]> = [
      ["ends", Schedule.stop],
      ["dies", Schedule.delayedEffect(Schedule.forever, () => Effect.die("boom"))],
      ["hangs", Schedule.delayedEffect(Schedule.forever, () => Effect.never)],
      ["hangs uninterruptibly", Schedule.delayedEffect(Schedule.forever, () => Effect.uninterruptible(Effect.never))],
      ["waits for ever", Schedule.spaced(Duration.infinity)]
    ]
    for (const [name, schedule] of broken) {
      it.effect(`falls back to the default policy when it ${name}`, () => {
        const issuer = Issuer.scripted(Issuer.succeed("15 minutes"))
        return Effect.gen(function* () {
          yield* TestClock.adjust("1 second")
          assert.strictEqual(yield* read, "token-1")
          yield* TestClock.adjust("450 seconds")
          assert.strictEqual(yield* read, "token-2")
        }).pipe(Effect.provide(withSchedule(issuer, schedule)))
      })
    }
  })

  it.effect("a schedule that dies after a refused token is logged with the token's name", () => {
    const lines: Array<string> = []
    const logger = tell(({ annotations, logLevel, message }) => {
      if (logLevel === LogLevel.Error) lines.push(`${JSON.stringify([...annotations])} ${String(message)}`)
    })
    const issuer = Issuer.scripted(Issuer.succeed("1 hour"))
    let steps = 0
    const schedule = Schedule.delayedEffect(Schedule.forever, () =>
      ++steps === 3 ? Effect.die("boom") : Effect.succeed(Duration.hours(1))
    )
    return Effect.gen(function* () {
      yield* TokenCache.invalidate("line", yield* TokenCache.token("line"))
      yield* TokenCache.invalidate("line", yield* TokenCache.token("line"))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(lines, [
        `[["token","line"]] The schedule of this token died; the default policy replaces it`
      ])
    }).pipe(Effect.provide(TokenCache.layer({ line: { issue: issuer.issue, schedule } })), Effect.provide(logger))
  })

  it.effect("accepts the very same token again, and asks again no sooner than retryAfter", () => {
    const issuer = Issuer.scripted(
      Issuer.run(Effect.succeed(IssuedToken.make({ accessToken: "same", expiresAt: 120_000 })))
    )
    return Effect.gen(function* () {
      yield* TestClock.adjust("100 seconds")
      assert.strictEqual(yield* read, "same")
      assert.deepStrictEqual(issuer.calls, [0, 60_000, 90_000])
    }).pipe(Effect.provide(layer(issuer)))
  })
})

describe("TokenCache.refresh", () => {
  it.effect("issues now and gives the new token", () => {
    const issuer = Issuer.scripted(Issuer.succeed("1 hour"))
    return Effect.gen(function* () {
      assert.strictEqual(yield* read, "token-1")
      assert.strictEqual(yield* refresh, "token-2")
      assert.strictEqual(yield* refresh, "token-3")
      assert.strictEqual(yield* read, "token-3")
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("100 at once cost one issue", () => {
    const issuer = Issuer.scripted(Issuer.succeed("1 hour"), Issuer.slow("fresh"))
    return Effect.gen(function* () {
      yield* read
      const all = yield* Effect.fork(
        Effect.all(
          Array.from({ length: 100 }, () => refresh),
          { concurrency: "unbounded" }
        )
      )
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual([...new Set(yield* Fiber.join(all))], ["fresh"])
      assert.strictEqual(issuer.calls.length, 2)
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("shares a running attempt, and waits as long as it may run", () => {
    const issuer = Issuer.scripted(Issuer.slow("slow", "29 seconds"))
    return Effect.gen(function* () {
      yield* TestClock.adjust("2 seconds")
      const refreshing = yield* Effect.fork(refresh)
      yield* TestClock.adjust("27 seconds")
      assert.strictEqual(yield* Fiber.join(refreshing), "slow")
      assert.strictEqual(issuer.calls.length, 1)
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("overrides a back-off", () => {
    const issuer = Issuer.scripted(Issuer.fail({ reason: "Rejected", permanent: true }), Issuer.succeed("1 hour"))
    return Effect.gen(function* () {
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* refresh, "token-2")
      assert.deepStrictEqual(issuer.calls, [0, 1000])
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("never overrides a Retry-After", () => {
    const issuer = Issuer.scripted(
      Issuer.fail({ reason: "Throttled", retryAfter: "10 minutes" }),
      Issuer.succeed("1 hour")
    )
    return Effect.gen(function* () {
      yield* TestClock.adjust("5 minutes")
      const error = yield* Effect.flip(refresh)
      assert.strictEqual(error.reason, "IssueFailed")
      assert.strictEqual(error.nextAttemptAt, 600_000)
      assert.strictEqual(issuer.calls.length, 1)
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("keeps the old token when it fails", () => {
    const issuer = Issuer.scripted(Issuer.succeed("1 hour"), Issuer.fail())
    return Effect.gen(function* () {
      yield* read
      const error = yield* Effect.flip(refresh)
      assert.strictEqual(error._tag, "TokenUnavailable")
      assert.strictEqual(error.reason, "IssueFailed")
      assert.strictEqual(yield* read, "token-1")
    }).pipe(Effect.provide(layer(issuer)))
  })
})

describe("TokenCache.invalidate", () => {
  it.effect("drops the current token and issues at once", () => {
    const issuer = Issuer.scripted(Issuer.succeed("1 hour"))
    return Effect.gen(function* () {
      yield* TokenCache.invalidate("line", yield* TokenCache.token("line"))
      assert.strictEqual(yield* read, "token-2")
      assert.deepStrictEqual(issuer.calls, [0, 0])
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("does nothing for a token that is no longer the current one, nor for an unknown name", () => {
    const issuer = Issuer.scripted(Issuer.succeed("1 hour"))
    return Effect.gen(function* () {
      const old = yield* TokenCache.token("line")
      yield* TokenCache.refresh("line")
      yield* TokenCache.invalidate("line", old)
      yield* TokenCache.invalidate("other", old)
      assert.strictEqual(yield* read, "token-2")
      assert.strictEqual(issuer.calls.length, 2)
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("100 at once cost one issue", () => {
    const issuer = Issuer.scripted(Issuer.succeed("1 hour"), Issuer.slow("fresh"))
    return Effect.gen(function* () {
      const old = yield* TokenCache.token("line")
      const all = yield* Effect.fork(
        Effect.all(
          Array.from({ length: 100 }, () => Effect.zipRight(TokenCache.invalidate("line", old), read)),
          { concurrency: "unbounded" }
        )
      )
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual([...new Set(yield* Fiber.join(all))], ["fresh"])
      assert.strictEqual(issuer.calls.length, 2)
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("shares a running attempt", () => {
    const issuer = Issuer.scripted(Issuer.succeed("15 minutes"), Issuer.slow("fresh"))
    return Effect.gen(function* () {
      yield* TestClock.adjust("450 seconds")
      yield* invalidate("token-1")
      const reader = yield* Effect.fork(read)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(reader), "fresh")
      assert.strictEqual(issuer.calls.length, 2)
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("of a token that answered an invalidation counts as a failure: the next attempt backs off", () => {
    const issuer = Issuer.scripted(Issuer.succeed("1 hour"))
    return Effect.gen(function* () {
      yield* read
      yield* invalidate("token-1")
      yield* read
      yield* invalidate("token-2")
      const error = yield* Effect.flip(read)
      assert.strictEqual(error.reason, "IssueFailed")
      assert.strictEqual(error.lastError?.reason, "Rejected")
      assert.strictEqual(error.nextAttemptAt, 30_000)
      assert.strictEqual((yield* status).consecutiveFailures, 1)
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* read, "token-3")
      yield* invalidate("token-3")
      assert.strictEqual((yield* Effect.flip(read)).nextAttemptAt, 90_000)
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("of a token that was in use for maxRetryAfter issues at once again", () => {
    const issuer = Issuer.scripted(Issuer.succeed("1 hour"))
    return Effect.gen(function* () {
      yield* read
      yield* invalidate("token-1")
      yield* TestClock.adjust("5 minutes")
      yield* invalidate("token-2")
      assert.strictEqual(yield* read, "token-3")
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("during a back-off drops the token and backs off further", () => {
    const issuer = Issuer.scripted(Issuer.succeed("15 minutes"), Issuer.fail())
    return Effect.gen(function* () {
      yield* TestClock.adjust("451 seconds")
      yield* invalidate("token-1")
      const error = yield* Effect.flip(read)
      assert.strictEqual(error.reason, "IssueFailed")
      assert.strictEqual(error.nextAttemptAt, 511_000)
      assert.strictEqual((yield* status).consecutiveFailures, 2)
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("never overrides a Retry-After", () => {
    const issuer = Issuer.scripted(
      Issuer.succeed("1 hour"),
      Issuer.fail({ reason: "Throttled", retryAfter: "10 minutes" }),
      Issuer.succeed("1 hour")
    )
    return Effect.gen(function* () {
      yield* read
      yield* Effect.flip(refresh)
      yield* invalidate("token-1")
      assert.strictEqual((yield* Effect.flip(read)).nextAttemptAt, 600_000)
      yield* TestClock.adjust("599 seconds")
      assert.strictEqual(issuer.calls.length, 2)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* read, "token-3")
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("refuses the token that was just invalidated when the issuer gives it out again", () => {
    const issuer = Issuer.scripted(Issuer.succeed("1 hour", "same"))
    return Effect.gen(function* () {
      yield* read
      yield* invalidate("same")
      const error = yield* Effect.flip(read)
      assert.strictEqual(error.lastError?.reason, "InvalidResponse")
      assert.strictEqual(issuer.calls.length, 2)
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("an API that refuses every token for an hour costs 8 issues, with pauses that double", () => {
    const issuer = Issuer.scripted(Issuer.succeed("30 days"))
    const call = Effect.flatMap(TokenCache.token("line"), (token) => TokenCache.invalidate("line", token))
    return Effect.gen(function* () {
      for (let second = 0; second < 3600; second += 5) {
        yield* Effect.exit(call)
        yield* Effect.exit(call)
        yield* TestClock.adjust("5 seconds")
      }
      assert.deepStrictEqual(
        issuer.calls.map((at) => at / 1000),
        [0, 0, 30, 90, 210, 450, 930, 1890]
      )
    }).pipe(Effect.provide(layer(issuer)))
  })
})

function interruptOwnFiber() {
  return Effect.withFiberRuntime<never>((fiber) => Effect.zipRight(Fiber.interruptFork(fiber), Effect.never))
}

function wiped() {
  const token = IssuedToken.make({ accessToken: "s3cr3t", expiresIn: "1 hour" })
  Redacted.unsafeWipe(token.accessToken)
  return token
}
