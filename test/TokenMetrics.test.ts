import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Layer, Metric, Schedule, Scope, TestClock } from "effect"
import { IssuedToken, TokenCache, TokenMetrics, type TokenSource } from "effect-token-cache"
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
import { cacheOf, measured, published, seriesOf } from "./support/series.js"

const source = (
  behaviours: readonly [Behaviour, ...ReadonlyArray<Behaviour>],
  options: Partial<TokenSource.TokenSource<unknown>> = {}
): TokenSource.TokenSource<unknown> => ({ issue: scripted(...behaviours).issue, jitter: 0, ...options })

const soon = run(
  Effect.delay(
    Effect.sync(() => IssuedToken.make({ accessToken: "slow", expiresIn: "1 hour" })),
    "2 seconds"
  )
)

describe("token_cache_refresh", () => {
  const attempts = (test: string) => published(test, "token_cache_refresh{")

  it.effect(
    "has a trigger for the first attempt, one that is due, one that is asked for and one that follows a 401",
    () =>
      Effect.gen(function* () {
        yield* TokenCache.token("a")
        const expected = { "issuer=bank,outcome=success,token=a,trigger=startup}": 1 }
        assert.deepStrictEqual(yield* attempts("triggers"), expected)
        yield* TestClock.adjust("50 seconds")
        Object.assign(expected, { "issuer=bank,outcome=success,token=a,trigger=schedule}": 1 })
        assert.deepStrictEqual(yield* attempts("triggers"), expected)
        const token = yield* TokenCache.refresh("a")
        Object.assign(expected, { "issuer=bank,outcome=success,token=a,trigger=manual}": 1 })
        assert.deepStrictEqual(yield* attempts("triggers"), expected)
        yield* TokenCache.invalidate("a", token)
        yield* TokenCache.token("a")
        Object.assign(expected, { "issuer=bank,outcome=success,token=a,trigger=unauthorized}": 1 })
        assert.deepStrictEqual(yield* attempts("triggers"), expected)
      }).pipe(measured("triggers", cacheOf({ a: source([succeed("100 seconds")], { issuer: "bank" }) })))
  )

  it.effect("has the trigger read for a token that ran out before its refresh was due", () => {
    const { issue } = scripted(succeed("10 seconds"))
    return Effect.gen(function* () {
      yield* TokenCache.token("a")
      yield* TestClock.adjust("20 seconds")
      yield* TokenCache.token("a")
      assert.deepStrictEqual(yield* attempts("read"), {
        "outcome=success,token=a,trigger=read}": 1,
        "outcome=success,token=a,trigger=startup}": 1
      })
    }).pipe(measured("read", cacheOf({ a: { issue, schedule: Schedule.spaced("1 hour") } })))
  })

  it.effect("counts the retry of a failure as one by schedule", () =>
    Effect.gen(function* () {
      yield* Effect.flip(TokenCache.token("a"))
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(yield* attempts("retry"), {
        "outcome=success,token=a,trigger=schedule}": 1,
        "outcome=unreachable,token=a,trigger=startup}": 1
      })
    }).pipe(measured("retry", cacheOf({ a: source([fail(), succeed("1 hour")]) })), Effect.provide(quiet))
  )

  const outcomes: Record<string, Behaviour> = {
    success: succeed("1 hour"),
    unreachable: fail({ reason: "Unreachable" }),
    rejected: fail({ reason: "Rejected", permanent: true }),
    throttled: fail({ reason: "Throttled" }),
    invalid_response: answer({}),
    timeout: hang,
    defect: die
  }
  const others: Record<string, readonly [Behaviour, string]> = {
    "an error that is no IssueError": [run(Effect.fail("no")), "unreachable"],
    "a token without a lifetime": [run(Effect.sync(() => IssuedToken.make({ accessToken: "t" }))), "invalid_response"],
    "an issuer that cannot be interrupted": [hangUninterruptibly, "timeout"],
    "an issuer that interrupts itself": [interruptItself, "defect"],
    "an IssueError that says Timeout": [fail({ reason: "Timeout" }), "timeout"]
  }
  const all = [
    ...Object.entries(outcomes).map(([outcome, behaviour]) => [outcome, behaviour, outcome] as const),
    ...Object.entries(others).map(([name, [behaviour, outcome]]) => [name, behaviour, outcome] as const)
  ]
  for (const [name, behaviour, outcome] of all) {
    it.effect(`has the outcome ${outcome}: ${name}`, () =>
      Effect.gen(function* () {
        yield* TestClock.adjust("4 seconds")
        assert.deepStrictEqual(yield* attempts(name), { [`outcome=${outcome},token=a,trigger=startup}`]: 1 })
        const durations = yield* published(name, "token_cache_refresh_duration_seconds_count{")
        assert.deepStrictEqual(durations, { [`outcome=${outcome}}`]: 1 })
      }).pipe(measured(name, cacheOf({ a: source([behaviour], { issueTimeout: "3 seconds" }) })), Effect.provide(quiet))
    )
  }

  it.effect("counts an attempt that many ask for once", () =>
    Effect.gen(function* () {
      const readers = yield* Effect.fork(
        Effect.all(
          Array.from({ length: 50 }, () => TokenCache.token("a")),
          { concurrency: "unbounded" }
        )
      )
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(readers)
      assert.deepStrictEqual(yield* attempts("shared"), { "outcome=success,token=a,trigger=startup}": 1 })
    }).pipe(measured("shared", cacheOf({ a: source([soon]) })))
  )

  it.effect("does not count an attempt that the end of the cache interrupts", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("1 second").pipe(measured("closed", cacheOf({ a: source([hang]) })))
      assert.notInclude(Object.keys(yield* seriesOf("closed")).join(), "token_cache_refresh{")
    })
  )
})

describe("token_cache_refresh_duration_seconds", () => {
  it.effect("is in seconds, in the bucket of its length", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("2 seconds")
      const { issuer, outcome } = { issuer: "issuer=bank", outcome: "outcome=success" }
      assert.deepStrictEqual(yield* published("duration", "token_cache_refresh_duration_seconds"), {
        [`_count{${issuer},${outcome}}`]: 1,
        [`_sum{${issuer},${outcome}}`]: 2
      })
      const histogram = (yield* Metric.snapshot).find(
        ({ metricKey: { name, tags } }) =>
          name === "token_cache_refresh_duration_seconds" && tags.some(({ value }) => value === "duration")
      )
      assert.deepInclude(Object(histogram?.metricState), {
        buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, Number.POSITIVE_INFINITY].map(
          (boundary) => [boundary, boundary < 2 ? 0 : 1] as const
        )
      })
    }).pipe(measured("duration", cacheOf({ a: source([soon], { issuer: "bank" }) })))
  )

  it.effect("is the time limit for an attempt that hangs", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(yield* published("limit", "token_cache_refresh_duration_seconds_sum"), {
        "{outcome=timeout}": 30
      })
    }).pipe(measured("limit", cacheOf({ a: source([hang]) })), Effect.provide(quiet))
  )
})

describe("token_cache_unauthorized", () => {
  it.effect("says what each report of a refused token led to", () =>
    Effect.gen(function* () {
      const first = yield* TokenCache.token("a")
      yield* TokenCache.invalidate("a", first)
      const second = yield* TokenCache.token("a")
      yield* TokenCache.invalidate("a", first)
      yield* TokenCache.invalidate("a", first)
      const reports = published("reports", "token_cache_unauthorized{")
      assert.deepStrictEqual(yield* reports, { "action=reissued,token=a}": 1, "action=stale,token=a}": 2 })
      yield* TokenCache.invalidate("a", second)
      assert.deepStrictEqual(yield* reports, {
        "action=stale,token=a}": 2,
        "action=backed_off,token=a}": 1,
        "action=reissued,token=a}": 1
      })
    }).pipe(measured("reports", cacheOf({ a: source([succeed("1 hour")]) })))
  )

  it.effect("does not count a report of a name that is not in the cache", () =>
    Effect.gen(function* () {
      yield* TokenCache.invalidate("b", yield* TokenCache.token("a"))
      assert.deepStrictEqual(yield* published("nobody", "token_cache_unauthorized{"), {})
    }).pipe(measured("nobody", cacheOf({ a: source([succeed("1 hour")]) })))
  )
})

const lookups = (test: string) => published(test, "token_cache_reads{")

describe("token_cache_reads", () => {
  it.effect("tells reads that had a token from those that waited, and those that got none", () =>
    Effect.gen(function* () {
      const waiting = yield* Effect.fork(TokenCache.token("a"))
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(waiting)
      yield* TokenCache.token("a")
      yield* TokenCache.accessToken("a")
      yield* Effect.flatten(TokenCache.reader("a"))
      yield* Effect.flip(TokenCache.token("b"))
      assert.deepStrictEqual(yield* lookups("results"), {
        "result=hit,token=a}": 3,
        "result=hit,token=b}": 0,
        "result=unavailable,token=a}": 0,
        "result=unavailable,token=b}": 1,
        "result=waited,token=a}": 1,
        "result=waited,token=b}": 0
      })
    }).pipe(measured("results", cacheOf({ a: source([soon]), b: source([fail()]) })), Effect.provide(quiet))
  )

  it.effect("counts a reader that waits when it has its answer, and one that was interrupted not at all", () =>
    Effect.gen(function* () {
      const waiting = yield* Effect.fork(TokenCache.token("a"))
      yield* Effect.flatMap(Effect.fork(TokenCache.token("a")), (fiber) =>
        Effect.zipRight(Effect.yieldNow(), Fiber.interrupt(fiber))
      )
      const none = { "result=hit,token=a}": 0, "result=unavailable,token=a}": 0, "result=waited,token=a}": 0 }
      assert.deepStrictEqual(yield* lookups("waiting"), none)
      yield* TestClock.adjust("5 seconds")
      yield* Effect.flip(Fiber.join(waiting))
      assert.deepStrictEqual(yield* lookups("waiting"), { ...none, "result=unavailable,token=a}": 1 })
    }).pipe(measured("waiting", cacheOf({ a: source([hang]) })))
  )

  it.effect("counts each read once, however often it is published, and never goes down", () =>
    Effect.gen(function* () {
      const hits = Effect.map(lookups("once"), (series) => series["result=hit,token=a}"])
      const seen: Array<number | undefined> = []
      for (const reads of [3, 0, 0, 2]) {
        yield* Effect.repeatN(TokenCache.token("a"), reads).pipe(Effect.when(() => reads > 0))
        seen.push(yield* hits, yield* hits)
      }
      // The very first read waits.
      assert.deepStrictEqual(seen, [3, 3, 3, 3, 3, 3, 6, 6])
    }).pipe(measured("once", cacheOf({ a: source([succeed("1 hour")]) })))
  )

  it.effect("is left alone by a warm read, as is every other metric of the library", () =>
    Effect.gen(function* () {
      yield* TokenCache.token("a")
      yield* TokenMetrics.publish
      const before = yield* seriesOf("warm")
      const reader = yield* TokenCache.reader("a")
      yield* Effect.repeatN(TokenCache.token("a"), 100)
      yield* Effect.repeatN(reader, 100)
      assert.strictEqual(before["token_cache_reads{result=waited,token=a}"], 1)
      assert.deepStrictEqual(yield* seriesOf("warm"), before)
      assert.strictEqual((yield* lookups("warm"))["result=hit,token=a}"], 202)
    }).pipe(measured("warm", cacheOf({ a: source([succeed("1 hour")]) })))
  )
})

describe("the gauges", () => {
  const gauges = (test: string) =>
    Effect.map(published(test, "token_cache_"), (series) =>
      Object.fromEntries(Object.entries(series).filter(([key]) => /^(token_|refresh_consecutive)/.test(key)))
    )

  it.effect("are instants in epoch seconds, readiness and failures, and are left out where there is none", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_700_000_000_500)
      const labels = "{issuer=bank,token=a}"
      const failures = "refresh_consecutive_failures{token=a}"
      yield* Effect.gen(function* () {
        // The first attempt runs: there is no instant yet.
        yield* Effect.yieldNow()
        assert.deepStrictEqual(yield* gauges("gauges"), { [`token_ready${labels}`]: 0, [failures]: 0 })
        yield* TestClock.adjust("2 seconds")
        const ready = {
          [`token_ready${labels}`]: 1,
          [`token_issued_timestamp_seconds${labels}`]: 1_700_000_000.5,
          [`token_refresh_timestamp_seconds${labels}`]: 1_700_003_000.5,
          [`token_expiration_timestamp_seconds${labels}`]: 1_700_003_600.5,
          [failures]: 0
        }
        assert.deepStrictEqual(yield* gauges("gauges"), ready)
        yield* TestClock.setTime(1_700_003_000_500)
        const { [`token_refresh_timestamp_seconds${labels}`]: retry, ...degraded } = yield* gauges("gauges")
        const { [`token_refresh_timestamp_seconds${labels}`]: _, ...unchanged } = ready
        assert.strictEqual(retry, 1_700_003_030.5)
        assert.deepStrictEqual(degraded, { ...unchanged, [failures]: 1 })
        yield* TestClock.setTime(1_700_003_600_500)
        const down = yield* gauges("gauges")
        assert.strictEqual(down[`token_ready${labels}`], 0)
        assert.isAbove(down[failures] ?? 0, 1)
      }).pipe(measured("gauges", cacheOf({ a: source([soon, fail()], { issuer: "bank" }) })))
      // Nobody would keep them up to date.
      assert.deepStrictEqual(
        Object.keys(yield* seriesOf("gauges")).filter((key) => !/reads|refresh\{|duration/.test(key)),
        []
      )
    }).pipe(Effect.provide(quiet))
  )

  it.effect("lose the instants of a token that was refused", () =>
    Effect.gen(function* () {
      const first = yield* TokenCache.token("a")
      yield* TokenCache.invalidate("a", first)
      const second = yield* TokenCache.token("a")
      yield* TokenCache.invalidate("a", second)
      assert.deepStrictEqual(Object.keys(yield* gauges("refused")).sort(), [
        "refresh_consecutive_failures{token=a}",
        "token_ready{token=a}",
        "token_refresh_timestamp_seconds{token=a}"
      ])
    }).pipe(measured("refused", cacheOf({ a: source([succeed("1 hour")]) })))
  )

  it.effect("end with a name that is removed, and begin again with one that is registered anew", () =>
    Effect.gen(function* () {
      const register = (issuer: string) => TokenCache.register("m", source([succeed("1 hour")], { issuer }))
      const names = Effect.map(gauges("removed"), (series) =>
        Object.keys(series).filter((key) => key.startsWith("token_ready"))
      )
      const first = yield* Scope.make()
      yield* Scope.extend(register("one"), first)
      yield* TokenCache.token("m")
      yield* TokenCache.token("m")
      assert.deepStrictEqual(yield* names, ["token_ready{issuer=one,token=m}"])
      yield* TokenCache.token("m")
      yield* Scope.close(first, Exit.void)
      const reads = Effect.map(lookups("removed"), (series) => series["result=hit,token=m}"])
      assert.deepStrictEqual(yield* gauges("removed"), {})
      assert.strictEqual(yield* reads, 2)
      const second = yield* Scope.make()
      yield* Scope.extend(register("two"), second)
      yield* TokenCache.token("m")
      yield* TokenCache.token("m")
      assert.deepStrictEqual(yield* names, ["token_ready{issuer=two,token=m}"])
      // Nothing is published between the end of this one and the begin of the next.
      yield* TokenCache.token("m")
      yield* Scope.close(second, Exit.void)
      const third = yield* Scope.make()
      yield* Scope.extend(register("three"), third)
      yield* TokenCache.token("m")
      yield* TokenCache.token("m")
      assert.deepStrictEqual(yield* names, ["token_ready{issuer=three,token=m}"])
      assert.strictEqual(yield* reads, 5)
      yield* Scope.close(third, Exit.void)
    }).pipe(measured("removed", cacheOf({})))
  )
})

describe("TokenMetrics.layer", () => {
  it.effect("publishes at each interval, and the last reads when it closes", () =>
    Effect.gen(function* () {
      const hits = Effect.map(seriesOf("interval"), (series) => series["token_cache_reads{result=hit,token=a}"])
      yield* Effect.gen(function* () {
        yield* TokenCache.token("a")
        yield* Effect.repeatN(TokenCache.token("a"), 4)
        assert.strictEqual(yield* hits, 0)
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(yield* hits, 5)
        yield* TokenCache.token("a")
        assert.strictEqual(yield* hits, 5)
      }).pipe(
        Effect.provide(Layer.provideMerge(TokenMetrics.layer(), cacheOf({ a: source([succeed("1 hour")]) }))),
        Effect.tagMetrics("test", "interval")
      )
      assert.strictEqual(yield* hits, 6)
    })
  )

  it.effect(
    "counts once where there are two of them, and the one that closes first leaves the gauges to the other",
    () =>
      Effect.gen(function* () {
        const cache = yield* Effect.map(Layer.build(cacheOf({ a: source([succeed("1 hour")]) })), (context) =>
          Layer.succeedContext(context)
        )
        const other = yield* Scope.make()
        yield* Layer.buildWithScope(Layer.provide(TokenMetrics.layer({ interval: "20 days" }), cache), other)
        const series = seriesOf("two")
        yield* Effect.gen(function* () {
          const token = yield* TokenCache.token("a")
          yield* TokenCache.token("a")
          yield* TokenCache.invalidate("a", token)
          yield* TokenCache.token("a")
          yield* TokenMetrics.publish
          yield* Scope.close(other, Exit.void)
          const { "token_cache_token_ready{token=a}": ready, ...counted } = yield* series
          assert.strictEqual(ready, 1)
          assert.deepInclude(counted, {
            "token_cache_reads{result=hit,token=a}": 1,
            "token_cache_reads{result=waited,token=a}": 2,
            "token_cache_refresh{outcome=success,token=a,trigger=startup}": 1,
            "token_cache_refresh{outcome=success,token=a,trigger=unauthorized}": 1,
            "token_cache_refresh_duration_seconds_count{outcome=success}": 2,
            "token_cache_unauthorized{action=reissued,token=a}": 1
          })
        }).pipe(measured("two", cache))
        assert.notProperty(yield* series, "token_cache_token_ready{token=a}")
      }).pipe(Effect.tagMetrics("test", "two"), Effect.scoped)
  )

  it.effect("has no gauges of a cache that is closed", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const cache = Layer.succeedContext(
        yield* Layer.buildWithScope(cacheOf({ a: source([succeed("1 hour")]) }), scope)
      )
      yield* Effect.gen(function* () {
        yield* TokenCache.token("a")
        assert.strictEqual((yield* published("stopped", "token_cache_token_ready"))["{token=a}"], 1)
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(yield* published("stopped", "token_cache_token"), {})
        assert.deepStrictEqual(yield* published("stopped", "token_cache_refresh_consecutive"), {})
        assert.strictEqual((yield* published("stopped", "token_cache_reads"))["{result=waited,token=a}"], 1)
      }).pipe(measured("stopped", cache))
    })
  )

  it.effect("keeps the labels of the fiber that builds it, on every metric", () =>
    Effect.gen(function* () {
      const token = yield* TokenCache.token("a")
      yield* TokenCache.invalidate("a", token)
      yield* TokenMetrics.publish
      const pairs = (yield* Metric.snapshot).filter(
        ({ metricKey: { name, tags } }) =>
          name.startsWith("token_cache_") && tags.some(({ value }) => value === "labels")
      )
      assert.deepStrictEqual([...new Set(pairs.map(({ metricKey: { name } }) => name))].sort(), [
        "token_cache_reads",
        "token_cache_refresh",
        "token_cache_refresh_consecutive_failures",
        "token_cache_refresh_duration_seconds",
        "token_cache_token_expiration_timestamp_seconds",
        "token_cache_token_issued_timestamp_seconds",
        "token_cache_token_ready",
        "token_cache_token_refresh_timestamp_seconds",
        "token_cache_unauthorized"
      ])
      for (const { metricKey } of pairs) {
        assert.isTrue(
          metricKey.tags.some(({ key, value }) => key === "region" && value === "tokyo"),
          metricKey.name
        )
      }
    }).pipe(measured("labels", cacheOf({ a: source([succeed("1 hour")]) })), Effect.tagMetrics("region", "tokyo"))
  )

  it.effect("publishes nothing of a cache that has no metrics layer", () =>
    Effect.gen(function* () {
      yield* TokenCache.refresh("unseen")
      assert.notInclude(JSON.stringify((yield* Metric.snapshot).map(({ metricKey }) => metricKey.tags)), "unseen")
    }).pipe(Effect.provide(cacheOf({ unseen: source([succeed("1 hour")]) })))
  )

  for (const interval of [0, -1, Duration.infinity]) {
    it.effect(`dies of an interval of ${Duration.format(interval)}`, () =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(
          Effect.scoped(Layer.build(Layer.provide(TokenMetrics.layer({ interval }), cacheOf({}))))
        )
        assert.include(String(exit), "interval must be a finite duration of more than 0")
      })
    )
  }
})

describe("labels are bounded", () => {
  const many = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`n${index}`, source([soon])]))

  it.effect("names after the first 1,000 are counted together, and have no gauges", () =>
    Effect.gen(function* () {
      const names = Array.from({ length: 1100 }, (_, index) => `n${index}`)
      const readers = yield* Effect.fork(Effect.forEach(names, TokenCache.token, { concurrency: "unbounded" }))
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(readers)
      yield* Effect.forEach(names, TokenCache.token)
      const last = yield* TokenCache.token("n1099")
      yield* TokenCache.invalidate("n1099", last)
      yield* TokenMetrics.publish
      yield* TokenMetrics.publish
      const series = yield* seriesOf("many")
      const labels = (metric: string) => Object.keys(series).filter((key) => key.startsWith(`${metric}{`)).length
      assert.strictEqual(labels("token_cache_token_ready"), 1000)
      assert.strictEqual(labels("token_cache_refresh_consecutive_failures"), 1000)
      assert.strictEqual(labels("token_cache_reads"), 3 * 1001)
      assert.strictEqual(series["token_cache_refresh{outcome=success,token=*,trigger=startup}"], 100)
      assert.strictEqual(series["token_cache_unauthorized{action=reissued,token=*}"], 1)
      assert.strictEqual(series["token_cache_reads{result=hit,token=*}"], 101)
      assert.strictEqual(series["token_cache_reads{result=waited,token=*}"], 100)
    }).pipe(measured("many", cacheOf(many(1100))))
  )

  it.effect("tenants are counted together, those included that have come and gone between two publications", () => {
    const tenants = TokenCache.layerLookup(() => Effect.succeed(source([succeed("1 hour")], { issuer: "bank" })), {
      idleTimeToLive: "1 minute",
      capacity: 10
    })
    return Effect.gen(function* () {
      const lookups = published("tenants", "token_cache_reads{")
      const counts = (hit: number, waited: number) => ({
        "result=hit,token=*}": hit,
        "result=unavailable,token=*}": 0,
        "result=waited,token=*}": waited
      })
      assert.deepStrictEqual(yield* lookups, {})
      yield* TokenCache.token("t1")
      yield* TokenCache.token("t1")
      yield* TestClock.adjust("61 seconds")
      // t1 is gone by now.
      assert.deepStrictEqual(yield* TokenCache.statuses, [])
      assert.deepStrictEqual(yield* lookups, counts(1, 1))
      yield* Effect.forEach(["t1", "t2", "t2", "t3"], TokenCache.token)
      assert.deepStrictEqual(yield* lookups, counts(2, 4))
      yield* TestClock.adjust("61 seconds")
      assert.deepStrictEqual(yield* lookups, counts(2, 4))
      const series = Object.keys(yield* seriesOf("tenants"))
      assert.include(series, "token_cache_refresh{issuer=bank,outcome=success,token=*,trigger=startup}")
      assert.deepStrictEqual(
        series.filter((key) => /token_cache_token|consecutive|t1|t2/.test(key)),
        []
      )
    }).pipe(measured("tenants", Layer.orDie(tenants)))
  })

  it.effect("issuers after the first 100 are counted together", () => {
    const tenants = TokenCache.layerLookup((name) =>
      Effect.succeed(source([succeed("1 hour")], { issuer: `issuer of ${name}` }))
    )
    return Effect.gen(function* () {
      yield* Effect.forEach(
        Array.from({ length: 150 }, (_, index) => `t${index}`),
        TokenCache.token
      )
      const series = yield* published("issuers", "token_cache_refresh{")
      assert.lengthOf(Object.keys(series), 101)
      assert.strictEqual(series["issuer=*,outcome=success,token=*,trigger=startup}"], 50)
    }).pipe(measured("issuers", Layer.orDie(tenants)))
  })
})
