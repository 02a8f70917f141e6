import { inspect } from "node:util"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Data, Effect, Exit, Fiber, Layer, Redacted, Runtime, Scope, Stream, TestClock } from "effect"
import { IssuedToken, IssueError, LineChannel, LineMessaging, TokenCache } from "effect-token-cache"
import { LineEmulator, lineChannelId, lineChannelSecret } from "effect-token-cache/testing"
import { exposedLogs, exposedSpans, found, metrics, print } from "./support/exposure.js"
import * as Issuer from "./support/issuer.js"
import { lineChannel, withLine } from "./support/lineChannel.js"
import { layer, read, seconds, status, unavailable } from "./support/oneToken.js"
import { settableClock } from "./support/settableClock.js"

// The weak points of ExLine.ChannelAccessToken.Cache, by their numbers: what must not happen here.

describe("ExLine", () => {
  it.effect("W1: a refresh of 7 seconds keeps no reader waiting, let alone ends it", () => {
    const issuer = Issuer.scripted(Issuer.succeed("15 minutes"), Issuer.slow("slow", "7 seconds", "15 minutes"))
    return Effect.gen(function* () {
      yield* TestClock.adjust("450 seconds")
      for (let second = 0; second < 7; second++) {
        assert.isTrue((yield* status).refreshing)
        assert.strictEqual(yield* read, "token-1")
        yield* TestClock.adjust("1 second")
      }
      assert.strictEqual(yield* read, "slow")
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("W2: a token of 2 seconds is not given out at 4.5 seconds while the issuer is down", () => {
    const issuer = Issuer.scripted(Issuer.succeed("2 seconds"), Issuer.fail())
    return Effect.gen(function* () {
      assert.strictEqual(yield* read, "token-1")
      yield* TestClock.adjust("4500 millis")
      assert.strictEqual((yield* unavailable).reason, "IssueFailed")
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("W3: an issuer that throws five times loses neither the token nor the cache", () => {
    const throwing = [Issuer.throws, Issuer.die, Issuer.throws, Issuer.die, Issuer.throws] as const
    const issuer = Issuer.scripted(Issuer.succeed("1 hour"), ...throwing, Issuer.succeed("1 hour"))
    return Effect.gen(function* () {
      yield* read
      for (const _ of throwing) {
        assert.strictEqual((yield* Effect.flip(TokenCache.refresh("line"))).lastError?.reason, "Defect")
        assert.strictEqual(yield* read, "token-1")
      }
      assert.strictEqual(Issuer.value(yield* TokenCache.refresh("line")), "token-7")
    }).pipe(Effect.provide(layer(issuer)))
  })

  describe("W4: no type of expires_in ends the cache:", () => {
    const tenYears = 3650 * 86_400_000
    const accepted: ReadonlyArray<readonly [unknown, number]> = [
      [900, 900_000],
      [900.5, 900_500],
      ["900", 900_000],
      ["900.0", 900_000],
      [1e308, tenYears]
    ]
    const noNumber = "expires_in is not a positive number of seconds"
    const refused: ReadonlyArray<readonly [unknown, string]> = [
      [undefined, "the token has no lifetime: give the source a defaultLifetime"],
      [null, "the token has no lifetime: give the source a defaultLifetime"],
      [Number.NaN, noNumber],
      [Number.POSITIVE_INFINITY, noNumber],
      [0, noNumber],
      [-900, noNumber],
      ["", noNumber],
      ["soon", noNumber],
      ["0x10", noNumber],
      [true, noNumber],
      [[900], noNumber],
      [{}, noNumber]
    ]
    const answering = (expires_in: unknown) =>
      Issuer.run(Effect.suspend(() => IssuedToken.fromOAuth({ access_token: "first", expires_in })))
    for (const [expiresIn, lifetime] of accepted) {
      it.effect(`${inspect(expiresIn)} is a lifetime`, () =>
        Effect.gen(function* () {
          const { accessToken, expiresAt, issuedAt } = yield* TokenCache.accessToken("line")
          assert.deepStrictEqual([Issuer.value(accessToken), expiresAt - issuedAt], ["first", lifetime])
        }).pipe(Effect.provide(layer(Issuer.scripted(answering(expiresIn)))))
      )
    }
    for (const [expiresIn, message] of refused) {
      it.effect(`${inspect(expiresIn)} is a failed attempt, and there is a next one`, () => {
        const issuer = Issuer.scripted(answering(expiresIn), Issuer.succeed("1 hour", "second"))
        return Effect.gen(function* () {
          const { lastError } = yield* unavailable
          assert.deepStrictEqual([lastError?.reason, lastError?.message], ["InvalidResponse", message])
          yield* TestClock.adjust("30 seconds")
          assert.strictEqual(yield* read, "second")
          assert.deepStrictEqual(seconds(issuer), [0, 30])
        }).pipe(Effect.provide(layer(issuer)))
      })
    }

    it.effect("none of them costs the token that is still usable", () => {
      const answers = refused.map(([expiresIn]) => answering(expiresIn))
      const issuer = Issuer.scripted(Issuer.succeed("1 hour", "old"), ...answers, Issuer.succeed("1 hour", "new"))
      return Effect.gen(function* () {
        yield* read
        for (const _ of refused) {
          const { lastError } = yield* Effect.flip(TokenCache.refresh("line"))
          assert.strictEqual(lastError?.reason, "InvalidResponse")
          assert.strictEqual(yield* read, "old")
        }
        assert.strictEqual(Issuer.value(yield* TokenCache.refresh("line")), "new")
      }).pipe(Effect.provide(layer(issuer)))
    })

    const noLifetime = [Number.NaN, 0, -900, null, "", "soon", true, {}]
    for (const expiresIn of noLifetime) {
      it.effect(`${inspect(expiresIn)} is refused by the cache as well, from an issuer that decodes by itself`, () =>
        Effect.gen(function* () {
          const { lastError } = yield* unavailable
          assert.deepStrictEqual(
            [lastError?.reason, lastError?.message],
            ["InvalidResponse", "the token's lifetime is not a positive duration"]
          )
        }).pipe(
          Effect.provide(layer(Issuer.scripted(Issuer.answer({ accessToken: Redacted.make("first"), expiresIn }))))
        )
      )
    }
  })

  it.effect("W6: refreshes, invalidations and reads between do not start a second chain of refreshes", () => {
    const issuer = Issuer.scripted(Issuer.succeed("15 minutes"))
    return Effect.gen(function* () {
      yield* TestClock.adjust("100 seconds")
      yield* TokenCache.refresh("line")
      yield* TestClock.adjust("100 seconds")
      yield* TokenCache.invalidate("line", yield* TokenCache.token("line"))
      yield* read
      yield* TestClock.adjust("20 minutes")
      assert.deepStrictEqual(seconds(issuer), [0, 100, 200, 650, 1100])
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("W7: two channels in one app do not exclude each other, nor get each other's token", () => {
    const channels = ["1000000001", "1000000002"].map((channelId) => ({ channelId, channelSecret: `of ${channelId}` }))
    return Effect.gen(function* () {
      const line = yield* LineEmulator
      const [first, second] = channels.map((channel) => LineChannel.stateless({ ...channel, baseUrl: line.url }))
      const Tokens = TokenCache.layerToken("second", second!).pipe(
        Layer.provideMerge(TokenCache.layer({ first: first! }))
      )
      const tokens = yield* Effect.all([TokenCache.token("first"), TokenCache.token("second")]).pipe(
        Effect.provide(Tokens)
      )
      const live = yield* Effect.forEach(channels, ({ channelId }) => line.liveTokens(channelId))
      assert.deepStrictEqual(
        live.map((tokens) => tokens.map(({ token }) => token)),
        tokens.map((token) => [Redacted.value(token)])
      )
    }).pipe(Effect.provide(LineEmulator.layer({ channels })), Effect.provide(NodeHttpClient.layerUndici))
  })

  describe("W8: a refreshBefore of 10 minutes is no hot loop for a token of", () => {
    const cases: ReadonlyArray<readonly ["10 minutes" | "1 minute" | "10 seconds" | "1 second", number]> = [
      ["10 minutes", 300],
      ["1 minute", 30],
      ["10 seconds", 5],
      ["1 second", 1]
    ]
    for (const [lifetime, gap] of cases) {
      it.effect(`${lifetime}: it is refreshed every ${gap} seconds`, () => {
        const issuer = Issuer.scripted(Issuer.succeed(lifetime))
        return Effect.gen(function* () {
          yield* TestClock.adjust(gap * 10_000)
          assert.deepStrictEqual(
            seconds(issuer),
            Array.from({ length: 11 }, (_, index) => index * gap)
          )
        }).pipe(Effect.provide(layer(issuer, { refreshBefore: "10 minutes" })))
      })
    }

    it.effect("10 minutes: v2.1 tokens of that life never come near LINE's cap of 30", () =>
      Effect.gen(function* () {
        const { byKey, line } = yield* lineChannel
        const source = LineChannel.v21({ ...byKey, tokenLifetime: "10 minutes" })
        yield* Effect.gen(function* () {
          const generation = (wanted: number) =>
            Stream.runDrain(Stream.takeUntil(TokenCache.changes("line"), (status) => status.generation === wanted))
          for (let issues = 1; issues <= 40; issues++) {
            yield* generation(issues)
            assert.isAtMost((yield* line.liveTokens(lineChannelId)).length, 2)
            yield* TestClock.adjust("5 minutes")
          }
        }).pipe(
          Effect.provide(
            TokenCache.layer({ line: { ...source, revoke: undefined, refreshBefore: "10 minutes", jitter: 0 } })
          )
        )
      }).pipe(withLine())
    )
  })

  it.effect("W9: 100 tokens that start together do not refresh together", () => {
    const issuers = Array.from({ length: 100 }, () => Issuer.scripted(Issuer.succeed("15 minutes")))
    const sources = Object.fromEntries(issuers.map(({ issue }, index) => [`line-${index}`, { issue }]))
    return Effect.gen(function* () {
      yield* TestClock.adjust("450 seconds")
      const second = issuers.map(({ calls }) => calls[1]!)
      assert.isAtLeast(new Set(second).size, 50)
      assert.isAtLeast(Math.min(...second), 405_000)
      assert.isAtMost(Math.max(...second), 450_000)
    }).pipe(Effect.provide(TokenCache.layer(sources, { concurrency: 100 })))
  })

  describe("W10: the retry is not 30 seconds for everything:", () => {
    it.effect("a 503 is tried again after 30 seconds, then less and less often", () => {
      const issuer = Issuer.scripted(Issuer.fail({ status: 503 }))
      return Effect.gen(function* () {
        yield* TestClock.adjust("20 minutes")
        assert.deepStrictEqual(seconds(issuer), [0, 30, 90, 210, 450, 750, 1050])
      }).pipe(Effect.provide(layer(issuer)))
    })

    it.effect("a wrong secret is tried again every 5 minutes, and its readers are told at once", () =>
      Effect.gen(function* () {
        const { bySecret, line } = yield* lineChannel
        yield* line.rotateSecret(lineChannelId, "rotated")
        yield* Effect.gen(function* () {
          const error = yield* unavailable
          assert.strictEqual(
            error.message,
            'no usable token for "line": issuer answered 400 invalid_request (attempt 1, next in 5m). Check LINE_CHANNEL_ID and LINE_CHANNEL_SECRET.'
          )
          assert.isTrue(error.lastError?.permanent)
        }).pipe(Effect.provide(TokenCache.layer({ line: { ...LineChannel.stateless(bySecret), jitter: 0 } })))
      }).pipe(withLine())
    )

    it.effect("near expiry it is tried again in time", () => {
      const issuer = Issuer.scripted(
        Issuer.succeed("15 minutes"),
        Issuer.fail(),
        Issuer.fail(),
        Issuer.fail(),
        Issuer.fail(),
        Issuer.succeed("15 minutes")
      )
      return Effect.gen(function* () {
        // Doubling alone would be 30, 60, 120 and 240 seconds: the last would be too late for a token of 900 seconds.
        yield* TestClock.adjust("890 seconds")
        assert.deepStrictEqual(seconds(issuer), [0, 450, 480, 540, 660, 777.5])
        assert.strictEqual(yield* read, "token-6")
      }).pipe(Effect.provide(layer(issuer)))
    })
  })

  it.effect("W11: a token that another node's 31st evicts is not used for the rest of its 30 days", () =>
    Effect.gen(function* () {
      const { bySecret, line } = yield* lineChannel
      const push = LineMessaging.push("line", "U4af4980629", LineMessaging.text("hi"), { baseUrl: line.url })
      yield* Effect.gen(function* () {
        const evicted = yield* TokenCache.token("line")
        // The oldest is the one that goes.
        yield* TestClock.adjust("1 second")
        yield* Effect.replicateEffect(LineChannel.shortLived(bySecret).issue, 30)
        yield* push
        assert.notStrictEqual(yield* read, Redacted.value(evicted))
        assert.strictEqual((yield* status).generation, 2)
      }).pipe(Effect.provide(TokenCache.layer({ line: LineChannel.shortLived(bySecret) })))
      assert.deepStrictEqual(
        (yield* line.requests).filter(({ path }) => path.endsWith("push")).map((request) => request.status),
        [401, 200]
      )
    }).pipe(withLine())
  )

  describe("W12: restarts do not use up the cap of 30 v2.1 tokens:", () => {
    const run = (source: LineChannel.LineSource) =>
      TokenCache.accessToken("line").pipe(Effect.provide(TokenCache.layer({ line: source })))

    it.live("30 restarts of an app that revokes leave at most one live token", () =>
      Effect.gen(function* () {
        const { byKey, line } = yield* lineChannel
        const source = LineChannel.v21({ ...byKey, channelSecret: lineChannelSecret })
        const keyIds = yield* Effect.replicateEffect(Effect.zip(run(source), line.liveTokens(lineChannelId)), 30)
        assert.strictEqual(new Set(keyIds.map(([{ keyId }]) => keyId)).size, 30)
        assert.isAtMost(Math.max(...keyIds.map(([, live]) => live.length)), 1)
      }).pipe(withLine())
    )

    it.effect("the 31st start of an app that does not revoke is a permanent failure that names the cap", () =>
      Effect.gen(function* () {
        const { byKey, line } = yield* lineChannel
        const source = { ...LineChannel.v21(byKey), jitter: 0 }
        yield* Effect.replicateEffect(run(source), 30)
        assert.lengthOf(yield* line.liveTokens(lineChannelId), 30)
        const error = yield* Effect.flip(run(source))
        assert.isTrue(error._tag === "TokenUnavailable" && error.lastError?.permanent)
        assert.match(
          error.message,
          /issuer answered 400: the channel has 30 live v2\.1 tokens, .*\(attempt 1, next in 5m\)/
        )
        assert.strictEqual((yield* line.requests).at(-1)?.status, 400)
      }).pipe(withLine())
    )
  })

  describe("W13: the token is in no log, and in nothing else that is printed,", () => {
    const secret = "SECRET-TOKEN"
    const answer = { access_token: secret, expires_in: 900 }
    class Refused extends Data.TaggedError("Refused")<{ readonly response: { readonly body: unknown } }> {}
    const refusal = new Refused({ response: { body: answer } })
    const issueErrorOfItsOwn = { ...new IssueError({ reason: "Rejected" }), response: answer, cause: secret }
    const behaviours: Record<string, Issuer.Behaviour> = {
      "when the answer lacks expires_in": Issuer.run(
        Effect.suspend(() => IssuedToken.fromOAuth({ access_token: secret }))
      ),
      "when the issuer returns the answer as it is": Issuer.answer(answer),
      "when the issuer fails with the answer": Issuer.run(Effect.fail(answer)),
      "when the issuer fails with the token": Issuer.run(Effect.fail(secret)),
      "when the issuer fails with an error that holds the answer": Issuer.run(refusal),
      "when the issuer fails with an Error that quotes it, and with a cause": Issuer.run(
        Effect.fail(new Error(`no ${secret}`, { cause: answer }))
      ),
      "when the issuer fails with an IssueError that has more in it": Issuer.run(Effect.fail(issueErrorOfItsOwn)),
      "when the issuer dies with the answer": Issuer.run(Effect.die(answer)),
      "when the issuer dies with an Error that quotes it, and with a cause": Issuer.run(
        Effect.die(new Error(`no ${secret}`, { cause: refusal }))
      ),
      "when the issuer throws it": Issuer.run(
        Effect.suspend(() => {
          throw refusal
        })
      ),
      "when a promise is rejected with it": Issuer.run(
        Effect.promise(() => Promise.reject(new TypeError(secret, { cause: answer })))
      ),
      "when a finalizer of the issuer dies with it": Issuer.run(
        Effect.ensuring(Issuer.scripted(Issuer.succeed("15 minutes", secret)).issue, Effect.die(refusal))
      ),
      "when it is fine": Issuer.succeed("15 minutes", secret)
    }
    const attempts: Record<string, (behaviour: Issuer.Behaviour) => ReturnType<typeof Issuer.scripted>> = {
      "": (behaviour) => Issuer.scripted(behaviour),
      ", at a refresh": (behaviour) => Issuer.scripted(Issuer.succeed("1 hour", secret), behaviour)
    }
    for (const [attempt, issuerOf] of Object.entries(attempts)) {
      for (const [name, behaviour] of Object.entries(behaviours)) {
        it.effect(`${name}${attempt}`, () => {
          const shown: Array<string> = []
          return Effect.gen(function* () {
            yield* Effect.exit(TokenCache.token("line"))
            const event = yield* Effect.fork(Stream.runHead(TokenCache.events))
            yield* TestClock.adjust(0)
            const exits = [
              yield* Effect.exit(TokenCache.refresh("line")),
              yield* Effect.exit(TokenCache.token("line")),
              yield* Effect.exit(TokenCache.accessToken("line"))
            ]
            yield* Effect.logTrace("exits", ...exits)
            const change = yield* Stream.runHead(TokenCache.changes("line"))
            const seen = [...exits, yield* Fiber.join(event), change, yield* TokenCache.statuses, yield* TokenCache]
            shown.push(print(seen), ...seen.map(print), yield* metrics)
            assert.isTrue(shown.some((text) => text.includes("level=TRACE")))
            assert.isTrue(shown.some((text) => text.includes("TokenCache.refresh")))
            assert.deepStrictEqual(found({ token: secret }, shown), [])
          }).pipe(Effect.provide(layer(issuerOf(behaviour))), exposedSpans(shown), exposedLogs(shown))
        })
      }
    }
  })

  it.effect("W14: a stateless token costs 192 issues a day, not 288", () => {
    const issuer = Issuer.scripted(Issuer.succeed("15 minutes"))
    return Effect.gen(function* () {
      yield* TestClock.adjust("1 second")
      yield* TestClock.adjust("1 day")
      assert.strictEqual(issuer.calls.length, 1 + 192)
    }).pipe(Effect.provide(layer(issuer)))
  })

  describe("W15: a cold start leaves no reader without a cause:", () => {
    it.effect("a reader joins the first attempt", () => {
      const issuer = Issuer.scripted(Issuer.slow("slow", "6 seconds", "15 minutes"))
      return Effect.gen(function* () {
        yield* TestClock.adjust("2 seconds")
        const reader = yield* Effect.fork(read)
        yield* TestClock.adjust("4 seconds")
        assert.strictEqual(yield* Fiber.join(reader), "slow")
        assert.deepStrictEqual(seconds(issuer), [0])
      }).pipe(Effect.provide(layer(issuer)))
    })

    it.effect("readers who join an attempt that fails get its error, not a timeout of their own", () => {
      const failing = Effect.delay(Issuer.scripted(Issuer.fail({ status: 503 })).issue, "6 seconds")
      const issuer = Issuer.scripted(Issuer.run(failing))
      return Effect.gen(function* () {
        yield* TestClock.adjust("2 seconds")
        const readers = yield* Effect.fork(Effect.replicateEffect(unavailable, 10, { concurrency: "unbounded" }))
        yield* TestClock.adjust("4 seconds")
        const errors = yield* Fiber.join(readers)
        const seen = errors.map(({ lastError, reason }) => `${reason} ${lastError?.status}`)
        assert.deepStrictEqual([...new Set(seen)], ["IssueFailed 503"])
        assert.deepStrictEqual(seconds(issuer), [0])
      }).pipe(Effect.provide(layer(issuer)))
    })

    it.effect("a reader after a failed first attempt gets its error and when the next one starts", () => {
      const issuer = Issuer.scripted(Issuer.fail({ reason: "Unreachable", status: 503 }), Issuer.succeed("15 minutes"))
      return Effect.gen(function* () {
        yield* TestClock.adjust("1 second")
        const { lastError, nextAttemptAt, reason } = yield* unavailable
        assert.deepStrictEqual([reason, lastError?.status, nextAttemptAt], ["IssueFailed", 503, 30_000])
        // Whoever cannot wait asks for an attempt.
        assert.strictEqual(Issuer.value(yield* TokenCache.refresh("line")), "token-2")
      }).pipe(Effect.provide(layer(issuer)))
    })

    it.effect("an app that must not start without a token does not", () => {
      const issuer = Issuer.scripted(Issuer.fail({ status: 503 }))
      return Effect.gen(function* () {
        const error = yield* Effect.flip(
          Effect.scoped(Layer.build(TokenCache.layer({ line: { issue: issuer.issue } }, { prefetch: "sync" })))
        )
        assert.isTrue(error._tag === "TokenUnavailable" && error.lastError?.status === 503)
      })
    })
  })

  it.effect("W16: not started, closed, late or failed are typed failures, not exits", () => {
    const sources = { late: { issue: Effect.never }, failed: { issue: Effect.fail("no") } }
    return Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(TokenCache.layer(sources), scope)
      const exitOf = (name: string) => Effect.fork(Effect.provide(Effect.exit(TokenCache.token(name)), context))
      const readers = yield* Effect.forEach(["other", "late", "failed"], exitOf)
      yield* TestClock.adjust("6 seconds")
      const closing = yield* exitOf("late")
      yield* Effect.yieldNow()
      yield* Scope.close(scope, Exit.void)
      const exits = yield* Fiber.join(Fiber.all([...readers, closing, yield* exitOf("failed")]))
      assert.deepStrictEqual(
        exits.map((exit) => (exit._tag === "Failure" && exit.cause._tag === "Fail" ? exit.cause.error.reason : exit)),
        ["UnknownName", "TimedOut", "IssueFailed", "Closed", "Closed"]
      )
    })
  })

  describe("W17: the clock of a lifetime", () => {
    it.effect("starts before the request, not when the answer is there", () => {
      const issuer = Issuer.scripted(Issuer.slow("slow", "6 seconds", "10 seconds"), Issuer.fail())
      return Effect.gen(function* () {
        yield* TestClock.adjust("8999 millis")
        assert.strictEqual(yield* read, "slow")
        yield* TestClock.adjust("1 millis")
        assert.strictEqual((yield* unavailable).reason, "IssueFailed")
      }).pipe(Effect.provide(layer(issuer)))
    })

    it.effect("does not stand still while the machine is suspended", () => {
      const issuer = Issuer.scripted(Issuer.succeed("15 minutes"), Issuer.fail())
      return Effect.gen(function* () {
        const { clock, set } = yield* settableClock
        yield* Effect.gen(function* () {
          assert.strictEqual(yield* read, "token-1")
          set(900_000)
          assert.strictEqual((yield* unavailable).reason, "IssueFailed")
        }).pipe(Effect.provide(layer(issuer)), Effect.withClock(clock))
      })
    })
  })

  it.effect("W19: 10,000 reads during a refresh that hangs queue nowhere: each is done before the next begins", () => {
    const issuer = Issuer.scripted(Issuer.succeed("15 minutes"), Issuer.hang)
    return Effect.gen(function* () {
      yield* TestClock.adjust("460 seconds")
      assert.isTrue((yield* status).refreshing)
      const { token } = yield* TokenCache
      const runSync = Runtime.runSync(yield* Effect.runtime<never>())
      const tokens = Array.from({ length: 10_000 }, () => Issuer.value(runSync(token("line"))))
      assert.deepStrictEqual([...new Set(tokens)], ["token-1"])
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("W19: 100 reads during a refresh that hangs let no other fiber in between", () => {
    const issuer = Issuer.scripted(Issuer.succeed("15 minutes"), Issuer.hang)
    return Effect.gen(function* () {
      yield* TestClock.adjust("460 seconds")
      let turns = 0
      yield* Effect.fork(
        Effect.forever(
          Effect.zipRight(
            Effect.yieldNow(),
            Effect.sync(() => turns++)
          )
        )
      )
      yield* Effect.yieldNow()
      const before = turns
      for (let reads = 0; reads < 100; reads++) {
        yield* read
      }
      assert.strictEqual(turns, before)
      yield* Effect.yieldNow()
      assert.isAbove(turns, before)
    }).pipe(Effect.provide(layer(issuer)))
  })

  it.effect("W20: an issuer that hangs is not waited for for ever: it is aborted, and there is a next attempt", () => {
    const aborted: Array<boolean> = []
    const hanging = Issuer.run(
      Effect.promise((signal) => {
        signal.addEventListener("abort", () => aborted.push(signal.aborted))
        return new Promise(() => {})
      })
    )
    const issuer = Issuer.scripted(hanging, Issuer.succeed("15 minutes"))
    return Effect.gen(function* () {
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(aborted, [true])
      assert.strictEqual((yield* unavailable).lastError?.reason, "Timeout")
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* read, "token-2")
    }).pipe(Effect.provide(layer(issuer)))
  })
})
