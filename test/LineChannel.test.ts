import { generateKeyPairSync, verify } from "node:crypto"
import { inspect } from "node:util"
import { FetchHttpClient, HttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { channelAccessToken } from "@line/bot-sdk"
import { Cause, ConfigProvider, Duration, Effect, Exit, Layer, Redacted, Schedule, TestClock } from "effect"
import { type IssueError, TokenCache } from "effect-token-cache"
import * as LineAssertion from "effect-token-cache/LineAssertion"
import * as LineChannel from "effect-token-cache/LineChannel"
import { LineEmulator, type LoggedRequest, lineChannelId, lineChannelSecret } from "effect-token-cache/testing"
import { decodeJwt, decodeProtectedHeader } from "jose"
import { exposedLogs, exposedSpans } from "./support/exposure.js"
import { httpClients } from "./support/httpClients.js"
import { lineChannel, privateKey, publicKey, withLine } from "./support/lineChannel.js"
import { logged } from "./support/logs.js"
import { withSpans } from "./support/spans.js"

const failureOf = (source: { readonly issue: LineChannel.LineSource["issue"] }) => Effect.flip(source.issue)

const summary = ({ reason, permanent, message, advice }: IssueError) => ({ reason, permanent, message, advice })

const pathsOf = (requests: ReadonlyArray<LoggedRequest>) => requests.map(({ method, path }) => `${method} ${path}`)

const form = (request: LoggedRequest | undefined) => Object.fromEntries(new URLSearchParams(request?.body))

describe("LineChannel sources", () => {
  for (const [name, client] of Object.entries(httpClients)) {
    it.effect(`issue tokens through ${name}`, () =>
      Effect.gen(function* () {
        const { line, sources } = yield* lineChannel
        const lifetimes: Record<string, unknown> = {}
        for (const [kind, source] of Object.entries(sources)) {
          const { accessToken, expiresIn } = yield* source.issue
          assert.include(
            (yield* line.liveTokens(lineChannelId)).map(({ token }) => token),
            Redacted.value(accessToken)
          )
          lifetimes[kind] = expiresIn
        }
        assert.deepStrictEqual(lifetimes, {
          stateless: 900_000,
          statelessJwt: 900_000,
          v21: 2_592_000_000,
          shortLived: 2_592_000_000
        })
      }).pipe(Effect.provide(LineEmulator.layer()), Effect.provide(client))
    )
  }

  it.effect("keep the key id of a v2.1 token", () =>
    Effect.gen(function* () {
      const { line, sources } = yield* lineChannel
      const { keyId } = yield* sources.v21.issue
      assert.isString(keyId)
      assert.strictEqual(keyId, (yield* line.liveTokens(lineChannelId))[0]?.keyId)
    }).pipe(withLine())
  )

  it.effect("ask for the v2.1 lifetime that is given", () =>
    Effect.gen(function* () {
      const { byKey } = yield* lineChannel
      const { expiresIn } = yield* LineChannel.v21({ ...byKey, tokenLifetime: "2 days" }).issue
      assert.strictEqual(expiresIn, 172_800_000)
    }).pipe(withLine())
  )

  it.effect("sign an assertion anew for each attempt", () =>
    Effect.gen(function* () {
      const { line, sources } = yield* lineChannel
      yield* sources.statelessJwt.issue
      yield* TestClock.adjust("10 minutes")
      yield* sources.statelessJwt.issue
      const requests = yield* line.requests
      assert.deepStrictEqual(
        requests.map((request) => decodeJwt(form(request).client_assertion!).exp),
        [300, 900]
      )
    }).pipe(withLine())
  )

  it.effect("take secrets that are redacted already", () =>
    Effect.gen(function* () {
      const { bySecret, byKey } = yield* lineChannel
      yield* LineChannel.stateless({ ...bySecret, channelSecret: Redacted.make(lineChannelSecret) }).issue
      yield* LineChannel.statelessJwt({ ...byKey, privateKey: Redacted.make(privateKey) }).issue
    }).pipe(withLine())
  )

  it.effect("keep the RequestInit of a caller who uses fetch", () =>
    Effect.gen(function* () {
      const { line, sources } = yield* lineChannel
      yield* Effect.provideService(sources.stateless.issue, FetchHttpClient.RequestInit, { headers: { "x-team": "a" } })
      assert.strictEqual((yield* line.requests)[0]?.headers["x-team"], "a")
    }).pipe(Effect.provide(LineEmulator.layer()), Effect.provide(FetchHttpClient.layer))
  )

  it.effect("keep a path in the base URL and do without its trailing slash", () =>
    Effect.gen(function* () {
      const { line, bySecret } = yield* lineChannel
      yield* line.fault({ match: "/line/api/oauth2/v3/token", body: { access_token: "t", expires_in: 900 } })
      yield* LineChannel.stateless({ ...bySecret, baseUrl: `${line.url}/` }).issue
      yield* LineChannel.stateless({ ...bySecret, baseUrl: `${line.url}/line/api/` }).issue
      assert.deepStrictEqual(pathsOf(yield* line.requests), ["POST /oauth2/v3/token", "POST /line/api/oauth2/v3/token"])
    }).pipe(withLine())
  )

  it.effect("refuse a base URL that is neither https nor loopback, before any request and without quoting it", () =>
    Effect.gen(function* () {
      const { bySecret } = yield* lineChannel
      const urls = [
        "http://api.line.me",
        "http://localhost.evil.example",
        "https://user:hunter2@api.line.me",
        "https://api.line.me?key=hunter2",
        "https://api.line.me#hunter2",
        "ftp://127.0.0.1",
        "api.line.me",
        ""
      ]
      for (const baseUrl of urls) {
        assert.deepStrictEqual(summary(yield* failureOf(LineChannel.stateless({ ...bySecret, baseUrl }))), {
          reason: "Rejected",
          permanent: true,
          message:
            "the base URL must be https, or http on loopback, without user, query or fragment, such as https://api.line.me",
          advice: "Check the base URL (LINE_API_BASE_URL)."
        })
      }
    }).pipe(withLine())
  )

  it.effect("refuse options that cannot work before any request", () =>
    Effect.gen(function* () {
      const { line, bySecret, byKey } = yield* lineChannel
      const wrong = {
        noId: LineChannel.stateless({ ...bySecret, channelId: "" }),
        noSecret: LineChannel.shortLived({ ...bySecret, channelSecret: " " }),
        noKeyId: LineChannel.statelessJwt({ ...byKey, keyId: "" }),
        noKey: LineChannel.v21({ ...byKey, privateKey: "" }),
        tooLong: LineChannel.v21({ ...byKey, tokenLifetime: "31 days" })
      }
      for (const [name, source] of Object.entries(wrong)) {
        const { reason, permanent } = yield* failureOf(source)
        assert.deepStrictEqual({ reason, permanent }, { reason: "Rejected", permanent: true }, name)
      }
      assert.isEmpty(yield* line.requests)
    }).pipe(withLine())
  )
})

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
        [{ access_token: "t".repeat(70_000), expires_in: 900 }, "the answer is not a JSON object"],
        [{ expires_in: 900 }, "access_token is missing"],
        [{ access_token: "t", expires_in: "soon" }, "expires_in is not a positive number of seconds"],
        [{ access_token: "t", expires_in: 900, token_type: "MAC" }, "token_type is not Bearer"]
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

describe("LineChannel revoke", () => {
  const runToClose = (source: LineChannel.LineSource) =>
    TokenCache.accessToken("line").pipe(Effect.provide(TokenCache.layer({ line: source })), Effect.asVoid)

  it.live("revokes the last short-lived token when the cache closes", () =>
    Effect.gen(function* () {
      const { line, sources } = yield* lineChannel
      yield* runToClose(sources.shortLived)
      assert.isEmpty(yield* line.liveTokens(lineChannelId))
      assert.deepStrictEqual(pathsOf(yield* line.requests), ["POST /v2/oauth/accessToken", "POST /v2/oauth/revoke"])
    }).pipe(withLine())
  )

  it.live("revokes the last v2.1 token when the cache closes, if there is a channel secret", () =>
    Effect.gen(function* () {
      const { line, byKey } = yield* lineChannel
      yield* runToClose(LineChannel.v21({ ...byKey, channelSecret: lineChannelSecret }))
      assert.isEmpty(yield* line.liveTokens(lineChannelId))
    }).pipe(withLine())
  )

  it.live("leaves a v2.1 token to expire without one, and a stateless token always", () =>
    Effect.gen(function* () {
      const { line, sources } = yield* lineChannel
      yield* runToClose(sources.v21)
      yield* runToClose(sources.stateless)
      assert.lengthOf(yield* line.liveTokens(lineChannelId), 2)
    }).pipe(withLine())
  )

  it.live("lets 40 restarts stay under the cap of 30", () =>
    Effect.gen(function* () {
      const { byKey } = yield* lineChannel
      const restart = runToClose(LineChannel.v21({ ...byKey, channelSecret: lineChannelSecret }))
      yield* Effect.replicateEffect(restart, 40)
    }).pipe(withLine())
  )

  it.live("is left out with revoke: undefined", () =>
    Effect.gen(function* () {
      const { line, sources } = yield* lineChannel
      yield* runToClose({ ...sources.shortLived, revoke: undefined })
      assert.lengthOf(yield* line.liveTokens(lineChannelId), 1)
    }).pipe(withLine())
  )
})

describe("LineChannel.verifyShortLived", () => {
  it.effect("tells the channel, what is left and the scope", () =>
    Effect.gen(function* () {
      const { line, sources } = yield* lineChannel
      const { accessToken } = yield* sources.shortLived.issue
      yield* TestClock.adjust("1 day")
      assert.deepStrictEqual(yield* LineChannel.verifyShortLived({ accessToken, baseUrl: line.url }), {
        channelId: lineChannelId,
        expiresIn: Duration.days(29),
        scope: "P CM"
      })
    }).pipe(withLine())
  )

  it.effect("takes the lifetime of a long-lived token, which is over a hundred years", () =>
    Effect.gen(function* () {
      const { line } = yield* lineChannel
      yield* line.fault({ body: { client_id: lineChannelId, expires_in: 3138007490 } })
      assert.deepStrictEqual(yield* LineChannel.verifyShortLived({ accessToken: "token", baseUrl: line.url }), {
        channelId: lineChannelId,
        expiresIn: Duration.seconds(3138007490)
      })
    }).pipe(withLine())
  )

  it.effect("rejects a token that is not valid", () =>
    Effect.gen(function* () {
      const { line } = yield* lineChannel
      const error = yield* Effect.flip(LineChannel.verifyShortLived({ accessToken: "unknown", baseUrl: line.url }))
      assert.deepStrictEqual(summary(error), {
        reason: "Rejected",
        permanent: true,
        message: "issuer answered 400 invalid_request",
        advice: "The token is malformed, expired or revoked, or it is of a kind that this endpoint is not for."
      })
    }).pipe(withLine())
  )
})

describe("LineChannel.verifyV21", () => {
  it.effect("tells the channel, what is left and the scope", () =>
    Effect.gen(function* () {
      const { line, sources } = yield* lineChannel
      const { accessToken } = yield* sources.v21.issue
      yield* TestClock.adjust("10 days")
      assert.deepStrictEqual(yield* LineChannel.verifyV21({ accessToken, baseUrl: line.url }), {
        channelId: lineChannelId,
        expiresIn: Duration.days(20),
        scope: "profile chat_message.write"
      })
    }).pipe(withLine())
  )

  it.effect("rejects a stateless token, which LINE cannot verify", () =>
    Effect.gen(function* () {
      const { line, sources } = yield* lineChannel
      const { accessToken } = yield* sources.stateless.issue
      const error = yield* Effect.flip(LineChannel.verifyV21({ accessToken, baseUrl: line.url }))
      assert.deepStrictEqual([error.reason, error.status], ["Rejected", 400])
    }).pipe(withLine())
  )
})

describe("LineChannel.revokeShortLived", () => {
  it.effect("revokes the token, and one that is unknown is no error", () =>
    Effect.gen(function* () {
      const { line, sources } = yield* lineChannel
      const { accessToken } = yield* sources.shortLived.issue
      yield* LineChannel.revokeShortLived({ accessToken, baseUrl: line.url })
      assert.isEmpty(yield* line.liveTokens(lineChannelId))
      yield* LineChannel.revokeShortLived({ accessToken: "unknown", baseUrl: line.url })
    }).pipe(withLine())
  )
})

describe("LineChannel.revokeV21", () => {
  it.effect("revokes the token", () =>
    Effect.gen(function* () {
      const { line, bySecret, sources } = yield* lineChannel
      const { accessToken } = yield* sources.v21.issue
      yield* LineChannel.revokeV21({ ...bySecret, accessToken })
      assert.isEmpty(yield* line.liveTokens(lineChannelId))
    }).pipe(withLine())
  )

  it.effect("takes a 400 for a token that is gone, and logs it", () =>
    Effect.gen(function* () {
      const { bySecret } = yield* lineChannel
      const [, lines] = yield* logged(LineChannel.revokeV21({ ...bySecret, accessToken: "no JWS" }))
      assert.deepStrictEqual(lines, [
        "The token counts as revoked, though LINE does not know it: issuer answered 400 invalid_request"
      ])
    }).pipe(withLine())
  )

  it.effect("rejects a wrong secret", () =>
    Effect.gen(function* () {
      const { bySecret, sources } = yield* lineChannel
      const { accessToken } = yield* sources.v21.issue
      const wrong = { ...bySecret, channelSecret: "wrong", accessToken }
      assert.deepStrictEqual(summary(yield* Effect.flip(LineChannel.revokeV21(wrong))), {
        reason: "Rejected",
        permanent: true,
        message: "issuer answered 400 invalid_client",
        advice: "Check LINE_CHANNEL_ID and LINE_CHANNEL_SECRET."
      })
    }).pipe(withLine())
  )
})

describe("LineChannel.keyIds", () => {
  it.effect("gives the key ids of the live v2.1 tokens", () =>
    Effect.gen(function* () {
      const { byKey, sources } = yield* lineChannel
      assert.deepStrictEqual(yield* LineChannel.keyIds(byKey), [])
      const first = yield* sources.v21.issue
      const second = yield* sources.v21.issue
      assert.deepStrictEqual<ReadonlyArray<string | undefined>>(yield* LineChannel.keyIds(byKey), [
        first.keyId,
        second.keyId
      ])
    }).pipe(withLine())
  )

  it.effect("refuses an answer without kids", () =>
    Effect.gen(function* () {
      const { line, byKey } = yield* lineChannel
      yield* line.fault({ body: { kids: [1] } })
      const error = yield* Effect.flip(LineChannel.keyIds(byKey))
      assert.deepStrictEqual([error.reason, error.message], ["InvalidResponse", "kids is missing"])
    }).pipe(withLine())
  )
})

describe("LineChannel from Config", () => {
  const withEnv = (env: Record<string, string>) =>
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(env))))

  const failing = (effect: Effect.Effect<unknown, unknown>, env: Record<string, string>) =>
    Effect.map(Effect.flip(withEnv(env)(effect)), String)

  const secretEnv = { LINE_CHANNEL_ID: lineChannelId, LINE_CHANNEL_SECRET: lineChannelSecret }
  const keyEnv = { LINE_CHANNEL_ID: lineChannelId, LINE_KEY_ID: "kid", LINE_PRIVATE_KEY: privateKey }

  it.effect("makes the four sources from the environment", () =>
    Effect.gen(function* () {
      const { line, byKey } = yield* lineChannel
      const env = {
        LINE_CHANNEL_ID: ` ${lineChannelId}\n`,
        LINE_CHANNEL_SECRET: `${lineChannelSecret}\n`,
        LINE_KEY_ID: byKey.keyId,
        LINE_PRIVATE_KEY: privateKey.replaceAll("\n", "\\n"),
        LINE_API_BASE_URL: line.url
      }
      for (const source of [
        LineChannel.statelessFromConfig,
        LineChannel.statelessJwtFromConfig,
        LineChannel.v21FromConfig,
        LineChannel.shortLivedFromConfig
      ]) {
        yield* (yield* withEnv(env)(source)).issue
      }
      assert.deepStrictEqual(
        (yield* line.liveTokens(lineChannelId)).map(({ kind }) => kind),
        ["stateless", "stateless", "v2.1", "short-lived"]
      )
    }).pipe(withLine())
  )

  it.effect("names a variable that is missing or empty", () =>
    Effect.gen(function* () {
      for (const [source, env] of [
        [LineChannel.statelessFromConfig, secretEnv],
        [LineChannel.shortLivedFromConfig, secretEnv],
        [LineChannel.statelessJwtFromConfig, keyEnv],
        [LineChannel.v21FromConfig, keyEnv]
      ] as const) {
        yield* withEnv(env)(source)
        for (const name of Object.keys(env)) {
          const without = Object.fromEntries(Object.entries(env).filter(([key]) => key !== name))
          assert.match(yield* failing(source, without), new RegExp(`Missing data at ${name}`))
          assert.match(yield* failing(source, { ...env, [name]: " " }), new RegExp(`Missing data at ${name}`))
        }
      }
    })
  )

  it.effect("makes a missing variable a failure of the layer", () =>
    Effect.gen(function* () {
      const layer = TokenCache.layer({ line: LineChannel.statelessFromConfig })
      const exit = yield* Effect.exit(withEnv({})(Effect.scoped(Layer.build(layer))))
      assert.isTrue(Exit.isFailure(exit) && Cause.pretty(exit.cause).includes("LINE_CHANNEL_ID"))
    }).pipe(Effect.provide(FetchHttpClient.layer))
  )

  it.effect("names LINE_PRIVATE_KEY when the key cannot be used, and does not show it", () =>
    Effect.gen(function* () {
      const broken = privateKey.slice(0, -100)
      const message = yield* failing(LineChannel.v21FromConfig, { ...keyEnv, LINE_PRIVATE_KEY: broken })
      assert.match(message, /Invalid data at LINE_PRIVATE_KEY: "the private key cannot be read: give an unencrypted/)
      assert.notInclude(message, privateKey.split("\n")[3]!)
      const small = generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey
      assert.include(
        yield* failing(LineChannel.statelessJwtFromConfig, {
          ...keyEnv,
          LINE_PRIVATE_KEY: small.export({ type: "pkcs8", format: "pem" }).toString()
        }),
        'Invalid data at LINE_PRIVATE_KEY: "the private key has 1024 bits, but LINE accepts only 2048'
      )
    })
  )

  it.effect("names LINE_API_BASE_URL when it cannot be used; empty is not set", () =>
    Effect.gen(function* () {
      const env = { ...secretEnv, LINE_API_BASE_URL: "http://api.line.me" }
      assert.include(
        yield* failing(LineChannel.statelessFromConfig, env),
        'Invalid data at LINE_API_BASE_URL: "the base URL must be https, or http on loopback'
      )
      yield* withEnv({ ...secretEnv, LINE_API_BASE_URL: "" })(LineChannel.statelessFromConfig)
    })
  )

  it.effect("revokes v2.1 tokens at close where LINE_CHANNEL_SECRET is set", () =>
    Effect.gen(function* () {
      assert.isFunction((yield* withEnv({ ...keyEnv, ...secretEnv })(LineChannel.v21FromConfig)).revoke)
      assert.isUndefined((yield* withEnv(keyEnv)(LineChannel.v21FromConfig)).revoke)
    })
  )
})

describe("LineChannel and @line/bot-sdk", () => {
  /** What must be equal in two requests that ask for the same, and in what LINE answers to them. */
  const meaning = ({ method, path, query, headers, body, status }: LoggedRequest) => ({
    status,
    method,
    path,
    query: fields(query),
    mediaType: headers["content-type"]?.split(";")[0],
    authorization: headers.authorization,
    retryKey: headers["x-line-retry-key"],
    form: fields(body)
  })

  const fields = (encoded: string) =>
    Array.from(new URLSearchParams(encoded), ([name, value]) => [
      name,
      name === "client_assertion"
        ? { header: decodeProtectedHeader(value), claims: decodeJwt(value), signed: isSigned(value) }
        : value
    ]).sort()

  const isSigned = (assertion: string) => {
    const [header, claims, signature = ""] = assertion.split(".")
    return verify("RSA-SHA256", Buffer.from(`${header}.${claims}`), publicKey, Buffer.from(signature, "base64url"))
  }

  /** The token that these name is none of LINE's. */
  const refused = ["verifyShortLived", "verifyV21", "revokeShortLived", "revokeV21"]

  it.effect("send the same requests to every token endpoint", () =>
    Effect.gen(function* () {
      const { line, bySecret, byKey, sources } = yield* lineChannel
      const sdk = new channelAccessToken.ChannelAccessTokenClient({ baseURL: line.url })
      const grant = "client_credentials"
      const type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
      const accessToken = "eyJ.tok+en/==~* &"
      const assertion = Redacted.value(yield* LineAssertion.sign(byKey))
      const v21Assertion = Redacted.value(yield* LineAssertion.sign({ ...byKey, tokenLifetime: "30 days" }))
      const pairs: Record<
        string,
        readonly [Effect.Effect<unknown, IssueError, HttpClient.HttpClient>, () => Promise<unknown>]
      > = {
        stateless: [
          sources.stateless.issue,
          () => sdk.issueStatelessChannelTokenByClientSecret(lineChannelId, lineChannelSecret)
        ],
        statelessJwt: [sources.statelessJwt.issue, () => sdk.issueStatelessChannelTokenByJWTAssertion(assertion)],
        v21: [sources.v21.issue, () => sdk.issueChannelTokenByJWT(grant, type, v21Assertion)],
        shortLived: [sources.shortLived.issue, () => sdk.issueChannelToken(grant, lineChannelId, lineChannelSecret)],
        verifyShortLived: [
          LineChannel.verifyShortLived({ accessToken, baseUrl: line.url }),
          () => sdk.verifyChannelToken(accessToken)
        ],
        verifyV21: [
          LineChannel.verifyV21({ accessToken, baseUrl: line.url }),
          () => sdk.verifyChannelTokenByJWT(accessToken)
        ],
        revokeShortLived: [
          LineChannel.revokeShortLived({ accessToken, baseUrl: line.url }),
          () => sdk.revokeChannelToken(accessToken)
        ],
        revokeV21: [
          LineChannel.revokeV21({ ...bySecret, accessToken }),
          () => sdk.revokeChannelTokenByJWT(lineChannelId, lineChannelSecret, accessToken)
        ],
        keyIds: [LineChannel.keyIds(byKey), () => sdk.getsAllValidChannelAccessTokenKeyIds(type, assertion)]
      }
      for (const [name, [ours, theirs]] of Object.entries(pairs)) {
        yield* line.clearRequests
        yield* Effect.exit(ours)
        yield* Effect.exit(Effect.tryPromise(theirs))
        const requests = yield* line.requests
        assert.lengthOf(requests, 2, name)
        const [our, their] = requests.map(meaning)
        assert.deepStrictEqual(our, their, name)
        assert.strictEqual(our?.status, refused.includes(name) ? 400 : 200, name)
        assert.notInclude(JSON.stringify(our), '"signed":false', name)
      }
    }).pipe(withLine())
  )
})
