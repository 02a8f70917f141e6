import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, FiberStatus, Layer, Option, Schedule, Stream, TestClock } from "effect"
import { LineChannel, TokenCache } from "effect-token-cache"
import { vi } from "vitest"
import { exposedLogs, print } from "./support/exposure.js"
import * as Issuer from "./support/issuer.js"
import { privateKey } from "./support/lineChannel.js"
import { delays, distinct, layer, read, refresh, seconds, status, times, unavailable } from "./support/oneToken.js"

// Where other token caches break, by their issue or, where there is none, by their name: it must not happen here.

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
