import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, FastCheck, TestClock } from "effect"
import { IssuedToken, IssueError, TokenCache } from "effect-token-cache"
import * as Issuer from "./support/issuer.js"

const lifetimes = ["50 millis", "1 second", "20 seconds", "2 minutes", "15 minutes", "1 day"] as const

const behaviour = FastCheck.oneof(
  FastCheck.record({ _tag: FastCheck.constant("succeed" as const), lifetime: FastCheck.constantFrom(...lifetimes) }),
  FastCheck.record({ _tag: FastCheck.constant("slow" as const), lifetime: FastCheck.constantFrom(...lifetimes) }),
  FastCheck.record({
    _tag: FastCheck.constant("fail" as const),
    permanent: FastCheck.boolean(),
    retryAfter: FastCheck.constantFrom(undefined, "1 second" as const, "3 minutes" as const)
  }),
  FastCheck.constantFrom(
    { _tag: "hang" as const },
    { _tag: "die" as const },
    { _tag: "throw" as const },
    { _tag: "interrupt" as const },
    { _tag: "nonsense" as const },
    { _tag: "again" as const }
  )
)

const operation = FastCheck.oneof(
  {
    weight: 4,
    arbitrary: FastCheck.record({
      _tag: FastCheck.constant("advance" as const),
      millis: FastCheck.oneof(
        FastCheck.integer({ min: 0, max: 3000 }),
        FastCheck.integer({ min: 3000, max: 1_200_000 }),
        FastCheck.constantFrom(30_000, 450_000, 895_000)
      )
    })
  },
  { weight: 3, arbitrary: FastCheck.record({ _tag: FastCheck.constant("issuer" as const), behaviour }) },
  {
    weight: 3,
    arbitrary: FastCheck.record({
      _tag: FastCheck.constant("read" as const),
      readers: FastCheck.integer({ min: 1, max: 5 })
    })
  },
  {
    weight: 2,
    arbitrary: FastCheck.constantFrom(
      { _tag: "refresh" as const },
      { _tag: "invalidate" as const },
      { _tag: "invalidateOld" as const }
    )
  }
)

/** An issuer that keeps the book: when each token it gave out expires, and how many attempts ran at once. */
const bookkeeping = () => {
  const expiries = new Map<string, number>()
  let current: typeof behaviour extends FastCheck.Arbitrary<infer B> ? B : never = {
    _tag: "succeed",
    lifetime: "15 minutes"
  }
  let running = 0
  let mostAtOnce = 0
  let last: IssuedToken.IssuedToken | undefined
  let issuedSinceChange = 0
  const issueToken = (lifetime: Duration.DurationInput, startedAt: number) => {
    // A short life for ever would only make the test slow: a TestClock takes milliseconds for each wake-up.
    if (++issuedSinceChange === 4) current = { _tag: "succeed", lifetime: "1 day" }
    const accessToken = `token-${expiries.size + 1}`
    expiries.set(accessToken, startedAt + Duration.toMillis(lifetime))
    last = IssuedToken.make({ accessToken, expiresAt: startedAt + Duration.toMillis(lifetime) })
    return last
  }
  const issue: Effect.Effect<IssuedToken.IssuedToken, unknown> = Effect.gen(function* () {
    const startedAt = yield* Clock.currentTimeMillis
    mostAtOnce = Math.max(mostAtOnce, ++running)
    switch (current._tag) {
      case "succeed":
        return issueToken(current.lifetime, startedAt)
      case "slow": {
        const token = issueToken(current.lifetime, startedAt)
        return yield* Effect.delay(Effect.succeed(token), "4 seconds")
      }
      case "fail":
        return yield* new IssueError({ reason: "Rejected", ...current })
      case "hang":
        return yield* Effect.never
      case "die":
        return yield* Effect.die("boom")
      case "throw":
        throw new Error("boom")
      case "interrupt":
        return yield* Effect.interrupt
      case "nonsense":
        return {} as IssuedToken.IssuedToken
      case "again":
        return last ?? issueToken("1 minute", startedAt)
    }
  }).pipe(Effect.ensuring(Effect.sync(() => running--)))
  return {
    issue,
    expiries,
    mostAtOnce: () => mostAtOnce,
    becomes: (next: typeof current) => {
      current = next
      issuedSinceChange = 0
    }
  }
}

describe("any history", () => {
  it.effect.prop(
    "never gives an expired or invalidated token, runs one attempt at a time, and recovers when the issuer does",
    { operations: FastCheck.array(operation, { maxLength: 25 }), jitter: FastCheck.constantFrom(0, 0.1) },
    ({ jitter, operations }) => {
      const issuer = bookkeeping()
      const invalidated = new Set<string>()
      const seen: Array<string> = []
      const use = <E>(effect: Effect.Effect<string, E, TokenCache>) =>
        Effect.flatMap(effect, (value) =>
          Effect.map(Clock.currentTimeMillis, (now) => {
            seen.push(value)
            assert.isTrue(now < (issuer.expiries.get(value) ?? -1), `${value} read at ${now} has expired`)
            assert.isFalse(invalidated.has(value), `${value} was invalidated`)
          })
        )
      const read = use(Effect.map(TokenCache.token("line"), Issuer.value))
      const refresh = use(Effect.map(TokenCache.refresh("line"), Issuer.value))
      const invalidate = (value: string | undefined) =>
        value === undefined
          ? Effect.void
          : Effect.zipRight(
              TokenCache.invalidate("line", IssuedToken.make({ accessToken: value }).accessToken),
              Effect.sync(() => invalidated.add(value))
            )
      return Effect.gen(function* () {
        const fibers = []
        for (const operation of operations) {
          switch (operation._tag) {
            case "advance":
              yield* TestClock.adjust(operation.millis)
              break
            case "issuer":
              issuer.becomes(operation.behaviour)
              break
            case "read":
              for (let reader = 0; reader < operation.readers; reader++) fibers.push(yield* Effect.fork(read))
              break
            case "refresh":
              fibers.push(yield* Effect.fork(refresh))
              break
            case "invalidate":
              yield* invalidate(seen.at(-1))
              break
            case "invalidateOld":
              yield* invalidate(seen[0])
          }
          yield* Effect.yieldNow()
        }
        issuer.becomes({ _tag: "succeed", lifetime: "1 day" })
        // The longest that anything can have put the next attempt off: an attempt that hangs, and maxRetryAfter.
        yield* TestClock.adjust("6 minutes")
        yield* read
        assert.strictEqual((yield* TokenCache.status("line")).state, "ready")
        yield* TestClock.adjust("1 day")
        yield* read
        assert.strictEqual(issuer.mostAtOnce(), 1)
        for (const fiber of fibers) {
          const exit = yield* fiber.await
          if (exit._tag === "Failure") {
            assert.strictEqual(exit.cause._tag, "Fail", String(exit.cause))
          }
        }
      }).pipe(Effect.provide(TokenCache.layer({ line: { issue: issuer.issue, jitter } })))
    },
    { fastCheck: { numRuns: 100 } }
  )
})
