import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, FastCheck, Random, Redacted, ScheduleIntervals } from "effect"
import { type AccessToken, InvalidOptions, IssueError, RefreshPolicy } from "effect-token-cache"

const seconds = (n: number) => n * 1000

const token = (lifetime: number, leeway = Math.min(5000, lifetime / 10), issuedAt = 0): AccessToken => ({
  accessToken: Redacted.make("secret"),
  issuedAt,
  expiresAt: issuedAt + lifetime,
  usableUntil: issuedAt + lifetime - leeway,
  generation: 1
})

const issued = (lifetime: number, leeway?: number) => Exit.succeed(token(lifetime, leeway))

const failed = (options: Partial<ConstructorParameters<typeof IssueError>[0]> = {}) =>
  Exit.fail(new IssueError({ reason: "Unreachable", ...options }))

/** The delays after a series of outcomes, each stepped at the instant that the one before was due. */
const delays = (
  options: RefreshPolicy.RefreshPolicyOptions,
  outcomes: ReadonlyArray<RefreshPolicy.IssueOutcome>,
  random = 0
): Effect.Effect<ReadonlyArray<number>> =>
  Effect.gen(function* () {
    const schedule = RefreshPolicy.make(options)
    const result: Array<number> = []
    let state = schedule.initial
    let now = 0
    for (const outcome of outcomes) {
      const at = Exit.isSuccess(outcome) ? outcome.value.issuedAt : now
      const [next, , decision] = yield* schedule.step(at, outcome, state)
      assert.strictEqual(decision._tag, "Continue")
      if (decision._tag === "Continue") {
        now = ScheduleIntervals.start(decision.intervals)
      }
      state = next
      result.push(now - at)
    }
    return result
  }).pipe(Effect.withRandom(Random.fixed([random])))

const afterSuccess = (lifetime: number, options: RefreshPolicy.RefreshPolicyOptions = {}, random = 0) =>
  Effect.map(delays(options, [issued(lifetime)], random), ([delay]) => delay)

describe("RefreshPolicy.make", () => {
  describe("after a success", () => {
    const table: ReadonlyArray<readonly [string, number, RefreshPolicy.RefreshPolicyOptions, number]> = [
      ["30 days: a tenth of the lifetime before expiry", seconds(2_592_000), {}, seconds(2_332_800)],
      ["1 hour: 10 minutes before expiry", seconds(3600), {}, seconds(3000)],
      ["15 minutes: half the lifetime, since 10 minutes before is sooner", seconds(900), {}, seconds(450)],
      ["20 seconds: half the lifetime", seconds(20), {}, seconds(10)],
      ["1 second: never under a second", seconds(1), {}, seconds(1)],
      ["refreshBefore of its own", seconds(3600), { refreshBefore: "1 minute" }, seconds(3540)],
      [
        "refreshBefore within the leeway: before the leeway begins",
        seconds(3600),
        { refreshBefore: "1 second" },
        seconds(3594)
      ],
      ["refreshBefore longer than the lifetime", seconds(900), { refreshBefore: "2 hours" }, seconds(450)]
    ]
    for (const [name, lifetime, options, delay] of table) {
      it.effect(name, () =>
        Effect.map(afterSuccess(lifetime, { ...options, jitter: 0 }), (actual) => assert.strictEqual(actual, delay))
      )
    }

    it.effect("jitter makes it earlier, by up to a fraction of the time between due and expiry", () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* afterSuccess(seconds(900), {}, 0), seconds(450))
        assert.strictEqual(yield* afterSuccess(seconds(900), {}, 1), seconds(405))
        assert.strictEqual(yield* afterSuccess(seconds(900), { jitter: 0.5 }, 1), seconds(225))
      })
    )
  })

  describe("after a failure", () => {
    it.effect("doubles retryAfter per consecutive failure up to maxRetryAfter", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(
          yield* delays(
            { jitter: 0 },
            Array.from({ length: 6 }, () => failed())
          ),
          [30, 60, 120, 240, 300, 300].map(seconds)
        )
        assert.deepStrictEqual(
          yield* delays(
            { jitter: 0, retryAfter: "1 second", maxRetryAfter: "3 seconds" },
            Array.from({ length: 4 }, () => failed())
          ),
          [1, 2, 3, 3].map(seconds)
        )
      })
    )

    it.effect("a success resets the doubling", () =>
      Effect.gen(function* () {
        const all = yield* delays({ jitter: 0 }, [failed(), failed(), issued(1000), failed()])
        assert.deepStrictEqual(all, [30, 60, 1, 30].map(seconds))
      })
    )

    it.effect("jitter makes it later, past maxRetryAfter by its tenth", () =>
      Effect.gen(function* () {
        const all = yield* delays(
          {},
          Array.from({ length: 5 }, () => failed()),
          1
        )
        assert.deepStrictEqual(all, [33, 66, 132, 264, 330].map(seconds))
      })
    )

    it.effect("while a token is usable, no more than half of what is left of it, but not under retryAfter", () =>
      Effect.gen(function* () {
        // Usable for 895 s, refreshed after 450 s: 445 s are left, then 415, 355, 235 (half is 117.5), 117.5, 87.5, ...
        const all = yield* delays({ jitter: 0 }, [issued(seconds(900)), ...Array.from({ length: 7 }, () => failed())])
        assert.deepStrictEqual(all, [450, 30, 60, 120, 117.5, 58.75, 30, 30].map(seconds))
      })
    )

    it.effect("a Retry-After is a floor, capped at an hour", () =>
      Effect.gen(function* () {
        const delayAfter = (retryAfter: Duration.DurationInput) =>
          Effect.map(delays({ jitter: 0 }, [failed({ reason: "Throttled", retryAfter })]), ([delay]) => delay)
        assert.strictEqual(yield* delayAfter("10 minutes"), seconds(600))
        assert.strictEqual(yield* delayAfter("5 seconds"), seconds(30))
        assert.strictEqual(yield* delayAfter("1 day"), seconds(3600))
      })
    )

    it.effect("a Retry-After goes before half of what is left", () =>
      Effect.map(
        delays({ jitter: 0 }, [issued(seconds(900)), failed({ reason: "Throttled", retryAfter: "10 minutes" })]),
        ([, delay]) => assert.strictEqual(delay, seconds(600))
      )
    )

    it.effect("a permanent failure waits maxRetryAfter at once, and never gives up", () =>
      Effect.map(
        delays(
          { jitter: 0 },
          Array.from({ length: 3 }, () => failed({ reason: "Rejected", permanent: true }))
        ),
        (all) => assert.deepStrictEqual(all, [300, 300, 300].map(seconds))
      )
    )
  })

  it.effect("counts from the clock before the request", () =>
    Effect.gen(function* () {
      const schedule = RefreshPolicy.make({ jitter: 0 })
      const outcome = Exit.succeed(token(seconds(900), 5000, 7000))
      const [, , decision] = yield* schedule.step(9000, outcome, schedule.initial)
      assert.strictEqual(decision._tag === "Continue" ? ScheduleIntervals.start(decision.intervals) : -1, 457_000)
    })
  )

  it.effect.prop(
    "any lifetime and options: a delay of at least a second, before the leeway begins where that allows",
    {
      lifetime: FastCheck.integer({ min: 1, max: seconds(40_000_000) }),
      refreshBefore: FastCheck.option(FastCheck.integer({ min: 1, max: seconds(40_000_000) }), { nil: undefined }),
      jitter: FastCheck.double({ min: 0, max: 1, noNaN: true }),
      random: FastCheck.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })
    },
    ({ jitter, lifetime, random, refreshBefore }) =>
      Effect.gen(function* () {
        const exact = (yield* afterSuccess(lifetime, { refreshBefore, jitter: 0 }))!
        const delay = (yield* afterSuccess(lifetime, { refreshBefore, jitter }, random))!
        assert.isTrue(delay >= 1000)
        assert.isTrue(delay <= exact)
        assert.isTrue(Number.isInteger(delay))
        if (lifetime > 1200) {
          assert.isTrue(delay < lifetime - Math.min(5000, lifetime / 10))
        }
      })
  )

  it("refuses durations that are not positive and a jitter outside 0 to 1", () => {
    for (const options of [
      { refreshBefore: 0 },
      { retryAfter: "-1 seconds" as Duration.DurationInput },
      { maxRetryAfter: Duration.infinity },
      { retryAfter: "soon" as Duration.DurationInput },
      { jitter: -0.1 },
      { jitter: 2 },
      { jitter: Number.NaN }
    ]) {
      try {
        RefreshPolicy.make(options)
        assert.fail("it was accepted")
      } catch (error) {
        assert.instanceOf(error, InvalidOptions)
        assert.strictEqual(error.option, Object.keys(options)[0])
        assert.include(error.message, error.option)
      }
    }
  })
})
