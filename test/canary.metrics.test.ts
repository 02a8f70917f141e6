import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Metric, TestClock } from "effect"
import { IssuedToken, IssueError, TokenCache, TokenMetrics, type TokenSource } from "effect-token-cache"
import * as PrometheusText from "../src/internal/metrics/prometheusText.js"
import { exposedLogs, exposedSpans, found, metrics, print } from "./support/exposure.js"
import { parse } from "./support/prometheusText.js"
import { cacheOf } from "./support/series.js"
import { recordedSpans } from "./support/spans.js"

const secrets = {
  "a token": "canary-token-0123456789abcdef",
  "a key id": "canary-kid-0123456789abcdef0",
  "a scope": "canary-scope-0123456789abcdef",
  "the text of an error": "canary-error-0123456789abcdef",
  "the text of a defect": "canary-defect-0123456789abcde",
  "the text of a revocation": "canary-revoke-0123456789abcde"
}

/** What an issuer says of a failure in an `IssueError` of its own: for people, in the log and the status. */
const words = "canary-words-0123456789abcdef"
const codes = { code: "canary_code", requestId: "canary-request", advice: "canary advice" }

const always = (issue: TokenSource.TokenSource<unknown>["issue"]) => ({ issue, issuer: "bank" })

let issued = 0

const sources = {
  good: {
    ...always(
      Effect.sync(() =>
        IssuedToken.make({
          // Not the same again, or it could not take the place of one that is refused.
          accessToken: `${secrets["a token"]}${issued++}`,
          expiresIn: "1 hour",
          keyId: secrets["a key id"],
          scope: secrets["a scope"]
        })
      )
    ),
    revoke: () => Effect.fail(new Error(secrets["the text of a revocation"]))
  },
  failing: always(Effect.fail(new Error(secrets["the text of an error"]))),
  dying: always(Effect.die(new Error(secrets["the text of a defect"]))),
  nonsense: always(Effect.sync(() => IssuedToken.make({ accessToken: secrets["a token"], expiresIn: -1 }))),
  explained: always(Effect.fail(new IssueError({ reason: "Rejected", message: words, ...codes })))
}

/** Reads, refreshes and refuses until each metric has a value. */
const use = Effect.gen(function* () {
  for (const name of Object.keys(sources)) {
    yield* Effect.exit(TokenCache.token(name))
    yield* Effect.exit(TokenCache.refresh(name))
  }
  const token = yield* TokenCache.token("good")
  yield* TokenCache.invalidate("good", token)
  yield* TestClock.adjust("10 minutes")
  yield* TokenMetrics.publish
})

const measuring = Layer.provideMerge(TokenMetrics.layer(), cacheOf(sources))

describe("metrics and spans", () => {
  it.effect("have nothing of a token, of a secret or of the text of an error", () => {
    const ended: Array<string> = []
    const logs: Array<string> = []
    return Effect.gen(function* () {
      const spans = yield* recordedSpans((spans) => Effect.as(Effect.provide(use, measuring), spans))
      const text = PrometheusText.render(yield* Metric.snapshot)
      assert.isAtLeast(parse(text).length, 9)
      assert.isNotEmpty(spans())
      const inNames = [text, yield* metrics, print(spans().map(({ attributes, name }) => ({ name, attributes })))]
      // In no metric, label or attribute; the failure that a span ends with is the IssueError itself.
      assert.deepStrictEqual(found({ words, ...codes }, inNames), [])
      assert.deepStrictEqual(found(secrets, [...inNames, ...ended, ...logs]), [])
      // What is looked for would be found.
      assert.isTrue(ended.some((text) => text.includes(words)))
      assert.isTrue(logs.some((line) => line.includes(words)))
      assert.isTrue(logs.some((line) => line.includes("Could not revoke the token")))
    }).pipe(exposedSpans(ended), exposedLogs(logs))
  })

  it.effect("have labels from a fixed set and the names that the app gave", () =>
    Effect.gen(function* () {
      yield* Effect.provide(use, measuring)
      const samples = parse(PrometheusText.render(yield* Metric.snapshot))
        .filter(({ name }) => name.startsWith("token_cache_"))
        .flatMap(({ samples }) => samples)
      const values: Record<string, Array<string>> = {}
      for (const [label, value] of samples.flatMap(({ labels }) => Object.entries(labels))) {
        values[label] = [...new Set([...(values[label] ?? []), value])].sort()
      }
      const { le: _, outcome = [], trigger = [], ...rest } = values
      assert.deepStrictEqual(rest, {
        action: ["reissued"],
        issuer: ["bank"],
        result: ["hit", "unavailable", "waited"],
        token: ["dying", "explained", "failing", "good", "nonsense"]
      })
      assert.deepStrictEqual(outcome, ["defect", "invalid_response", "rejected", "success", "unreachable"])
      assert.deepStrictEqual(trigger, ["manual", "schedule", "startup", "unauthorized"])
    })
  )
})
