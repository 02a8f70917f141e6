import { generateKeyPairSync } from "node:crypto"
import { inspect } from "node:util"
import { HttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Redacted, Schedule, TestClock } from "effect"
import type { IssueError } from "effect-token-cache"
import * as LineChannel from "effect-token-cache/LineChannel"
import { LineEmulator, lineChannelId, lineChannelSecret } from "effect-token-cache/testing"
import { exposedLogs, exposedSpans } from "./support/exposure.js"
import { httpClients } from "./support/httpClients.js"
import { failureOf, lineChannel, pathsOf, privateKey, summary, withLine } from "./support/lineChannel.js"
import { withSpans } from "./support/spans.js"

describe("LineChannel errors", () => {
  const issue = (fault: {
    readonly status?: number
    readonly body?: unknown
    readonly headers?: Record<string, string>
  }) =>
    Effect.gen(function* () {
      const { line, sources } = yield* lineChannel
      yield* line.fault(fault)
      return yield* failureOf(sources.stateless)
    })

  it.effect("a wrong secret is a permanent Rejected that says what to check", () =>
    Effect.gen(function* () {
      const { line, sources } = yield* lineChannel
      yield* line.rotateSecret(lineChannelId, "another")
      const error = yield* failureOf(sources.stateless)
      assert.deepStrictEqual(summary(error), {
        reason: "Rejected",
        permanent: true,
        message: "issuer answered 400 invalid_request",
        advice: "Check LINE_CHANNEL_ID and LINE_CHANNEL_SECRET."
      })
      assert.strictEqual(error.requestId, (yield* line.requests)[0]?.requestId)
      assert.strictEqual((yield* failureOf(sources.shortLived)).message, "issuer answered 400 invalid_client")
    }).pipe(withLine())
  )

  it.effect("a key that is not registered is a permanent Rejected that names LINE_KEY_ID", () =>
    Effect.gen(function* () {
      const { byKey } = yield* lineChannel
      const unknown = { ...byKey, keyId: "unknown" }
      for (const source of [LineChannel.v21(unknown), LineChannel.statelessJwt(unknown)]) {
        assert.deepStrictEqual(summary(yield* failureOf(source)), {
          reason: "Rejected",
          permanent: true,
          message: "issuer answered 404",
          advice: "Check LINE_KEY_ID: the key is not registered in this channel."
        })
      }
    }).pipe(withLine())
  )

  it.effect("an assertion that LINE refuses is a permanent Rejected that names key and clock", () =>
    Effect.gen(function* () {
      const { byKey } = yield* lineChannel
      const other = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" })
      assert.deepStrictEqual(summary(yield* failureOf(LineChannel.v21({ ...byKey, privateKey: other }))), {
        reason: "Rejected",
        permanent: true,
        message: "issuer answered 400 invalid_client",
        advice: "Check LINE_CHANNEL_ID, LINE_KEY_ID and LINE_PRIVATE_KEY, and the clock of this machine."
      })
    }).pipe(withLine())
  )

  it.effect("the 31st v2.1 token is a permanent Rejected that names the cap and the way out", () =>
    Effect.gen(function* () {
      const { sources } = yield* lineChannel
      yield* Effect.replicateEffect(sources.v21.issue, 30)
      assert.deepStrictEqual(summary(yield* failureOf(sources.v21)), {
        reason: "Rejected",
        permanent: true,
        message:
          "issuer answered 400: the channel has 30 live v2.1 tokens, the most that LINE allows: share one with a TokenStore",
        advice:
          "Revoke those that are not in use (LineChannel.revokeV21), wait until some expire, or use LineChannel.stateless."
      })
    }).pipe(withLine())
  )

  it.effect("the cap is told by the shape of the answer, not by its text", () =>
    Effect.gen(function* () {
      const { line, sources } = yield* lineChannel
      yield* line.fault({ status: 400, body: { message: "anything" } })
      assert.include((yield* failureOf(sources.v21)).message, "30 live v2.1 tokens")
      yield* line.fault({
        status: 400,
        body: { error: "x", error_description: "The maximum number of access tokens has already been issued" }
      })
      assert.strictEqual((yield* failureOf(sources.v21)).message, "issuer answered 400 x")
      yield* line.fault({ status: 400, body: { message: "anything" } })
      assert.strictEqual((yield* failureOf(sources.stateless)).message, "issuer answered 400")
    }).pipe(withLine())
  )

  for (const status of [400, 401, 403, 404, 405, 422]) {
    it.effect(`${status} is a permanent Rejected`, () =>
      Effect.gen(function* () {
        const error = yield* issue({ status, body: { error: "nope" } })
        assert.deepStrictEqual(
          [error.reason, error.permanent, error.status, error.code],
          ["Rejected", true, status, "nope"]
        )
      }).pipe(withLine())
    )
  }

  for (const status of [408, 500, 501, 502, 503, 504]) {
    it.effect(`${status} is Unreachable, for now`, () =>
      Effect.gen(function* () {
        const error = yield* issue({ status, body: "<html>" })
        assert.deepStrictEqual(
          [error.reason, error.permanent, error.status, error.message],
          ["Unreachable", false, status, `issuer answered ${status}`]
        )
      }).pipe(withLine())
    )
  }

  it.effect("429 is Throttled and keeps Retry-After, in seconds or as a date by the Clock", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.parse("2026-01-01T00:00:00Z"))
      const retryAfter = (value: string) =>
        Effect.map(issue({ status: 429, headers: { "retry-after": value } }), (error) => {
          assert.deepStrictEqual([error.reason, error.permanent], ["Throttled", false])
          return error.retryAfter
        })
      assert.deepStrictEqual(yield* retryAfter("20"), Duration.seconds(20))
      assert.deepStrictEqual(yield* retryAfter("Thu, 01 Jan 2026 00:01:30 GMT"), Duration.seconds(90))
      assert.deepStrictEqual(yield* retryAfter("Wed, 31 Dec 2025 00:00:00 GMT"), Duration.zero)
      assert.isUndefined(yield* retryAfter("soon"))
      assert.isUndefined(yield* retryAfter("-5"))
    }).pipe(withLine())
  )

  it.effect("a body of either shape, of none, or no JSON at all leaves the status to decide", () =>
    Effect.gen(function* () {
      const bodies = [{ error: "a" }, { message: "b" }, "<html>", "", "null", "[]", '{"error":1}', "{"]
      for (const body of bodies) {
        const { reason, status } = yield* issue({ status: 400, body })
        assert.deepStrictEqual({ reason, status }, { reason: "Rejected", status: 400 })
      }
    }).pipe(withLine())
  )

  it.effect("an error code is kept if it looks like one, and could not be an echo of a secret", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        (yield* issue({ status: 400, body: { error: "unsupported_grant_type" } })).code,
        "unsupported_grant_type"
      )
      const echoes = [
        lineChannelSecret,
        `no ${lineChannelSecret}`,
        "eyJhbGciOiJIUzI1NiJ9.e30.c2ln",
        "<b>",
        "",
        "x".repeat(65),
        1
      ]
      for (const error of echoes) {
        const { code, message } = yield* issue({ status: 400, body: { error } })
        assert.deepStrictEqual([code, message], [undefined, "issuer answered 400"])
      }
    }).pipe(withLine())
  )

  it.effect("a success without a token is an InvalidResponse", () =>
    Effect.gen(function* () {
      const answers = [
        ["<html>", "the answer is not a JSON object"],
        ["", "the answer is not a JSON object"],
        [{ access_token: "t".repeat(70_000), expires_in: 900 }, "the answer exceeds 64 KiB"],
        [{ expires_in: 900 }, "access_token is missing"],
        [{ access_token: "t", expires_in: "soon" }, "expires_in is not a positive number of seconds"],
        [{ access_token: "t", expires_in: 900, token_type: "MAC" }, "token_type is not Bearer or BearerToken"]
      ] as const
      for (const [body, message] of answers) {
        const error = yield* issue({ status: 200, body })
        assert.deepStrictEqual(
          [error.reason, error.permanent, error.status, error.message],
          ["InvalidResponse", false, 200, message]
        )
        assert.isString(error.requestId)
      }
    }).pipe(withLine())
  )

  for (const [name, client] of Object.entries(httpClients)) {
    it.effect(`a redirect is an InvalidResponse and is not followed by ${name}`, () =>
      Effect.gen(function* () {
        const { line, sources } = yield* lineChannel
        yield* line.fault({ status: 307, headers: { location: `${line.url}/elsewhere` } })
        const error = yield* failureOf(sources.stateless)
        assert.deepStrictEqual(
          [error.reason, error.permanent, error.message, error.advice],
          ["InvalidResponse", false, "issuer answered 307", "Check the base URL (LINE_API_BASE_URL)."]
        )
        assert.deepStrictEqual(pathsOf(yield* line.requests), ["POST /oauth2/v3/token"])
      }).pipe(Effect.provide(LineEmulator.layer()), Effect.provide(client))
    )

    it.effect(`a connection that breaks or is refused is Unreachable through ${name}`, () =>
      Effect.gen(function* () {
        const { line, sources, bySecret } = yield* lineChannel
        yield* line.fault({ drop: true })
        const dropped = yield* failureOf(sources.stateless)
        assert.deepStrictEqual([dropped.reason, dropped.permanent, dropped.status], ["Unreachable", false, undefined])
        const refused = yield* failureOf(LineChannel.stateless({ ...bySecret, baseUrl: "http://127.0.0.1:1" }))
        assert.match(refused.message, /^issuer unreachable: (ECONNREFUSED|no answer) at 127\.0\.0\.1:1$/)
      }).pipe(Effect.provide(LineEmulator.layer()), Effect.provide(client))
    )
  }

  it.effect("a client that filters and retries by itself gives the same errors", () =>
    Effect.gen(function* () {
      const { line, sources } = yield* lineChannel
      const through = Effect.provideServiceEffect(
        HttpClient.HttpClient,
        Effect.map(HttpClient.HttpClient, (client) =>
          client.pipe(HttpClient.filterStatusOk, HttpClient.retryTransient({ schedule: Schedule.recurs(2) }))
        )
      )
      yield* line.fault({ times: 2, status: 503 })
      yield* through(sources.stateless.issue)
      assert.lengthOf(yield* line.requests, 3)
      yield* line.fault({ times: 3, status: 503, headers: { "retry-after": "7" } })
      const unavailable = yield* Effect.flip(through(sources.stateless.issue))
      assert.deepStrictEqual(
        [unavailable.reason, unavailable.status, unavailable.retryAfter],
        ["Unreachable", 503, Duration.seconds(7)]
      )
      yield* line.rotateSecret(lineChannelId, "another")
      assert.deepStrictEqual(
        (yield* Effect.flip(through(sources.stateless.issue))).message,
        "issuer answered 400 invalid_request"
      )
    }).pipe(withLine())
  )
})

describe("LineChannel secrets", () => {
  const canary = "canary-0123456789abcdef"

  const exposed =
    (shown: Array<string>) =>
    <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      effect.pipe(exposedSpans(shown), exposedLogs(shown))

  it.effect("are in no error, span or log, whatever LINE answers", () =>
    Effect.gen(function* () {
      const { line, byKey } = yield* lineChannel
      const bySecret = { channelId: lineChannelId, channelSecret: canary, baseUrl: line.url }
      const token = { accessToken: canary, baseUrl: line.url }
      const operations: Record<string, Effect.Effect<unknown, IssueError, HttpClient.HttpClient>> = {
        stateless: LineChannel.stateless(bySecret).issue,
        shortLived: LineChannel.shortLived(bySecret).issue,
        statelessJwt: LineChannel.statelessJwt(byKey).issue,
        v21: LineChannel.v21(byKey).issue,
        keyIds: LineChannel.keyIds(byKey),
        verifyShortLived: LineChannel.verifyShortLived(token),
        verifyV21: LineChannel.verifyV21(token),
        revokeShortLived: LineChannel.revokeShortLived(token),
        revokeV21: LineChannel.revokeV21({ ...bySecret, ...token })
      }
      const echo = `you sent ${canary} ${privateKey}`
      const faults = [
        { status: 200, body: `<html>${echo}` },
        { status: 200, body: { access_token: canary, expires_in: "soon", client_id: 1, echo } },
        { status: 200, body: { access_token: canary, token_type: canary, expires_in: 900, kids: [1, echo] } },
        { status: 400, body: { error: "invalid_client", error_description: echo } },
        { status: 400, body: { error: canary } },
        { status: 400, body: { error: echo, message: echo } },
        { status: 400, body: { message: echo, details: [{ message: echo }] } },
        { status: 302, headers: { location: `${line.url}/elsewhere` }, body: echo },
        { status: 500, body: echo },
        { status: 429, body: { message: echo }, headers: { "retry-after": "soon" } },
        { drop: true }
      ]
      const shown: Array<string> = []
      let failures = 0
      for (const fault of faults) {
        for (const operation of Object.values(operations)) {
          yield* line.clearFaults
          yield* line.fault(fault)
          const exit = yield* operation.pipe(
            Effect.tapErrorCause((cause) => Effect.logTrace("failed", cause)),
            Effect.tapError((error) => Effect.logTrace(error)),
            Effect.withSpan("caller"),
            exposed(shown),
            Effect.exit
          )
          if (Exit.isFailure(exit)) {
            failures += 1
            shown.push(
              String(Cause.squash(exit.cause)),
              inspect(exit, { depth: 20, showHidden: true }),
              JSON.stringify(exit),
              Cause.pretty(exit.cause, { renderErrorCause: true })
            )
          }
        }
      }
      // Revoking has no use for the body of a 200, and a 400 from revokeV21 is a failure for invalid_client only.
      assert.strictEqual(failures, faults.length * Object.keys(operations).length - 3 * 2 - 3)
      const assertions = (yield* line.requests).flatMap(({ query, body }) =>
        new URLSearchParams(query || body).getAll("client_assertion")
      )
      assert.isNotEmpty(assertions)
      for (const secret of [canary, ...privateKey.split("\n").slice(1, -2), ...assertions]) {
        assert.isUndefined(shown.find((text) => text.includes(secret)))
      }
    }).pipe(withLine())
  )

  for (const [name, client] of Object.entries(httpClients)) {
    it.effect(`are in no span of a success through ${name}, even if its response is printed`, () =>
      Effect.gen(function* () {
        const { sources } = yield* lineChannel
        yield* withSpans((spans) =>
          Effect.gen(function* () {
            const { accessToken } = yield* sources.shortLived.issue
            assert.lengthOf(spans, 1)
            const printed = inspect(spans, { depth: 20, showHidden: true })
            assert.notInclude(printed, Redacted.value(accessToken))
            assert.notInclude(printed, lineChannelSecret)
          })
        )
      }).pipe(Effect.provide(LineEmulator.layer()), Effect.provide(client))
    )
  }

  it.effect("are in no source that is printed", () =>
    Effect.gen(function* () {
      const { line, byKey } = yield* lineChannel
      const sources = [
        LineChannel.stateless({ channelId: lineChannelId, channelSecret: canary, baseUrl: line.url }),
        LineChannel.shortLived({ channelId: lineChannelId, channelSecret: canary, baseUrl: line.url }),
        LineChannel.v21({ ...byKey, channelSecret: canary }),
        LineChannel.statelessJwt(byKey)
      ]
      const printed = inspect(sources, { depth: 20, showHidden: true }) + JSON.stringify(sources)
      assert.notInclude(printed, canary)
      assert.notInclude(printed, privateKey.split("\n")[3]!)
    }).pipe(withLine())
  )

  it.effect("in a query leave no span, in a form they leave one without them", () =>
    Effect.gen(function* () {
      const { byKey, sources } = yield* lineChannel
      const spansOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        withSpans((spans) =>
          Effect.map(effect, () => spans.map((span) => inspect(span, { depth: 20, showHidden: true })))
        )
      assert.isEmpty(yield* spansOf(LineChannel.keyIds(byKey)))
      const [span = "", ...others] = yield* spansOf(sources.stateless.issue)
      assert.isEmpty(others)
      assert.include(span, "http.request.method")
      assert.notInclude(span, lineChannelSecret)
    }).pipe(withLine())
  )
})
