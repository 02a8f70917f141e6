import { FetchHttpClient, HttpClientRequest } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, TestClock } from "effect"
import { BearerClient, IssuedToken, TokenCache } from "effect-token-cache"
import {
  answer,
  type Behaviour,
  die,
  fail,
  hang,
  hangUninterruptibly,
  interruptItself,
  run,
  scripted,
  succeed
} from "./support/issuer.js"
import { quiet } from "./support/logs.js"
import { cacheOf } from "./support/series.js"
import { type Recorded, recordedSpans } from "./support/spans.js"

const source = (...behaviours: readonly [Behaviour, ...ReadonlyArray<Behaviour>]) =>
  ({
    issue: scripted(...behaviours).issue,
    issueTimeout: "3 seconds",
    jitter: 0
  }) as const

const attempts = (spans: ReadonlyArray<Recorded>) => spans.filter(({ name }) => name === "TokenCache.refresh")

describe("the span TokenCache.refresh", () => {
  const outcomes: Record<string, Behaviour> = {
    success: succeed("1 hour"),
    unreachable: fail(),
    rejected: fail({ reason: "Rejected" }),
    throttled: fail({ reason: "Throttled" }),
    invalid_response: answer({}),
    timeout: hang,
    defect: die
  }
  for (const [outcome, behaviour] of Object.entries(outcomes)) {
    it.effect(`has token, issuer, trigger and outcome: ${outcome}`, () =>
      recordedSpans((spans) =>
        Effect.gen(function* () {
          yield* TestClock.adjust("3 seconds")
          const [span, ...others] = attempts(spans())
          assert.deepStrictEqual(span?.attributes, {
            "token_cache.token": "a",
            "token_cache.issuer": "bank",
            "token_cache.trigger": "startup",
            "token_cache.outcome": outcome
          })
          assert.strictEqual(span?.exit?._tag, outcome === "success" ? "Success" : "Failure")
          assert.lengthOf(others, 0)
        }).pipe(Effect.provide(cacheOf({ a: { ...source(behaviour), issuer: "bank" } })), Effect.provide(quiet))
      )
    )
  }

  it.effect("has no issuer where the source names none", () =>
    recordedSpans((spans) =>
      Effect.gen(function* () {
        yield* TokenCache.token("a")
        assert.deepStrictEqual(attempts(spans())[0]?.attributes, {
          "token_cache.token": "a",
          "token_cache.trigger": "startup",
          "token_cache.outcome": "success"
        })
      }).pipe(Effect.provide(cacheOf({ a: source(succeed("1 hour")) })))
    )
  )

  it.effect("is one for each attempt, with its trigger", () =>
    recordedSpans((spans) =>
      Effect.gen(function* () {
        const first = yield* TokenCache.token("a")
        yield* TestClock.adjust("50 seconds")
        yield* TokenCache.refresh("a")
        yield* TokenCache.invalidate("a", first)
        yield* TokenCache.invalidate("a", yield* TokenCache.token("a"))
        yield* TokenCache.token("a")
        assert.deepStrictEqual(
          attempts(spans()).map(({ attributes }) => attributes["token_cache.trigger"]),
          ["startup", "schedule", "manual", "unauthorized"]
        )
      }).pipe(Effect.provide(cacheOf({ a: source(succeed("100 seconds")) })))
    )
  )

  it.effect("begins a trace, whoever asks for the attempt, and is the parent of what the issuer does", () =>
    recordedSpans((spans) =>
      Effect.gen(function* () {
        yield* TokenCache.token("a")
        yield* Effect.withSpan(TokenCache.refresh("a"), "caller")
        const seen = spans().filter(({ name }) => name === "TokenCache.refresh" || name === "issuer")
        assert.deepStrictEqual(
          seen.map(({ name, parent }) => [name, parent]),
          [
            ["TokenCache.refresh", undefined],
            ["issuer", "TokenCache.refresh"],
            ["TokenCache.refresh", undefined],
            ["issuer", "TokenCache.refresh"]
          ]
        )
      }).pipe(
        Effect.provide(cacheOf({ a: { issue: Effect.withSpan(scripted(succeed("1 hour")).issue, "issuer") } })),
        Effect.withSpan("app")
      )
    )
  )

  it.effect("ends with an IssueError, and with nothing of what the issuer failed with", () =>
    recordedSpans((spans) =>
      Effect.gen(function* () {
        yield* TestClock.adjust("1 second")
        const shown = attempts(spans()).map(({ exit }) =>
          exit !== undefined && Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "no failure"
        )
        assert.deepStrictEqual(
          shown.map((text) => [text.includes("IssueError"), text.includes("s3cr3t")]),
          [
            [true, false],
            [true, false]
          ]
        )
      }).pipe(
        Effect.provide(
          cacheOf({ a: source(run(Effect.fail(new Error("s3cr3t")))), b: source(run(Effect.die(new Error("s3cr3t")))) })
        ),
        Effect.provide(quiet)
      )
    )
  )

  it.effect(
    "of an attempt that cannot be interrupted stays open past the time limit, and then has the outcome timeout",
    () => {
      const late = Effect.sync(() => IssuedToken.make({ accessToken: "late", expiresIn: "1 hour" }))
      const slow = run(Effect.uninterruptible(Effect.delay(late, "10 seconds")))
      return recordedSpans((spans) =>
        Effect.gen(function* () {
          yield* TestClock.adjust("3 seconds")
          assert.strictEqual((yield* TokenCache.status("a")).lastError?.reason, "Timeout")
          assert.deepStrictEqual(
            attempts(spans()).map(({ exit }) => exit),
            [undefined]
          )
          yield* TestClock.adjust("7 seconds")
          const [span] = attempts(spans())
          assert.strictEqual(span?.attributes["token_cache.outcome"], "timeout")
          assert.isDefined(span?.exit)
          // The late token is not taken.
          assert.strictEqual((yield* TokenCache.status("a")).generation, 0)
        }).pipe(Effect.provide(cacheOf({ a: source(slow, fail()) })), Effect.provide(quiet))
      )
    }
  )

  it.effect("never ends, if such an attempt never does", () =>
    recordedSpans((spans) =>
      Effect.gen(function* () {
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(attempts(spans())[0]?.exit, undefined)
        assert.isAbove(attempts(spans()).length, 1)
      }).pipe(Effect.provide(cacheOf({ a: source(hangUninterruptibly, succeed("1 hour")) })), Effect.provide(quiet))
    )
  )

  it.effect("has the outcome defect for an issuer that interrupts itself", () =>
    recordedSpans((spans) =>
      Effect.gen(function* () {
        yield* TestClock.adjust("1 second")
        assert.strictEqual(attempts(spans())[0]?.attributes["token_cache.outcome"], "defect")
      }).pipe(Effect.provide(cacheOf({ a: source(interruptItself) })), Effect.provide(quiet))
    )
  )

  it.effect("has no outcome when the cache closes before the attempt ends", () =>
    recordedSpans((spans) =>
      Effect.gen(function* () {
        yield* Effect.provide(TestClock.adjust("1 second"), cacheOf({ a: source(hang) }))
        const [span] = attempts(spans())
        assert.isDefined(span?.exit)
        assert.notProperty(span?.attributes, "token_cache.outcome")
      }).pipe(Effect.provide(quiet))
    )
  )

  it.effect("is that of a refresh, where one is asked for while the attempt waits for its turn", () =>
    recordedSpans((spans) =>
      Effect.gen(function* () {
        yield* TokenCache.token("a")
        const hanging = yield* Effect.fork(TokenCache.refresh("b"))
        yield* TestClock.adjust("54 minutes")
        const refreshed = yield* Effect.fork(TokenCache.refresh("a"))
        yield* TestClock.adjust(0)
        yield* Fiber.join(refreshed)
        yield* Fiber.interrupt(hanging)
        assert.deepStrictEqual(
          attempts(spans())
            .filter(({ attributes }) => attributes["token_cache.token"] === "a")
            .map(({ attributes }) => attributes["token_cache.trigger"]),
          ["startup", "manual"]
        )
      }).pipe(
        Effect.provide(
          TokenCache.layer(
            {
              a: { issue: scripted(succeed("1 hour")).issue, jitter: 0 },
              b: { issue: scripted(hang).issue, issueTimeout: "2 hours" }
            },
            { concurrency: 1, readTimeout: "3 hours" }
          )
        ),
        Effect.provide(quiet)
      )
    )
  )

  it.effect("is not begun by a warm read", () =>
    recordedSpans((spans) =>
      Effect.gen(function* () {
        yield* TokenCache.token("a")
        const before = spans().length
        yield* Effect.repeatN(TokenCache.token("a"), 20)
        yield* Effect.flatten(TokenCache.reader("a"))
        assert.strictEqual(spans().length, before)
      }).pipe(Effect.provide(cacheOf({ a: source(succeed("1 hour")) })))
    )
  )
})

describe("the spans of a request that is sent again", () => {
  it.effect("have http.request.resend_count on the second alone", () => {
    const statuses = [401, 200]
    const fetch: typeof globalThis.fetch = () => Promise.resolve(new Response("", { status: statuses.shift() ?? 500 }))
    return recordedSpans((spans) =>
      Effect.gen(function* () {
        const client = yield* BearerClient.make("a", { origins: ["https://api.example.com"] })
        const { status } = yield* client.execute(HttpClientRequest.get("https://api.example.com/x"))
        assert.strictEqual(status, 200)
        const sent = spans().filter(({ name }) => name.startsWith("http.client"))
        assert.deepStrictEqual(
          sent.map(({ attributes }) => [
            attributes["http.response.status_code"],
            attributes["http.request.resend_count"]
          ]),
          [
            [401, undefined],
            [200, 1]
          ]
        )
      }).pipe(
        Effect.provide(cacheOf({ a: source(succeed("1 hour")) })),
        Effect.provide(FetchHttpClient.layer),
        Effect.provideService(FetchHttpClient.Fetch, fetch)
      )
    )
  })
})
