import { randomUUID } from "node:crypto"
import { request as nodeRequest } from "node:http"
import { connect } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { channelAccessToken, HTTPFetchError, messagingApi } from "@line/bot-sdk"
import { Cause, Deferred, Duration, Effect, Exit, Fiber, Layer, Scope, TestClock } from "effect"
import {
  LineEmulator,
  type LineEmulatorOptions,
  type LineEmulatorService,
  type LiveToken,
  lineChannelId,
  lineChannelSecret
} from "effect-token-cache/testing"
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose"
import * as LineState from "../../src/testing/internal/lineState.js"
import * as Recent from "../../src/testing/internal/recent.js"
import { heldTimers } from "../support/heldTimers.js"

const keyPair = await generateKeyPair("RS256", { extractable: true })
const otherKeyPair = await generateKeyPair("RS256", { extractable: true })
const publicJwk = { ...(await exportJWK(keyPair.publicKey)), alg: "RS256", use: "sig" }

/** One emulator per test, on the test's clock. */
const emulated = (
  name: string,
  test: (line: LineEmulatorService) => Effect.Effect<unknown, unknown, Scope.Scope>,
  options?: LineEmulatorOptions
) =>
  it.scoped(name, () =>
    Effect.flatMap(LineEmulator, test).pipe(Effect.provide(LineEmulator.layer(options)), Effect.asVoid)
  )

const promised = <A>(call: () => Promise<A>) => Effect.tryPromise({ try: call, catch: (error) => error })

/** What the official client throws for an answer that is not 2xx. */
const refused = (call: () => Promise<unknown>) =>
  Effect.map(Effect.flip(promised(call)), (error) => {
    assert.instanceOf(error, HTTPFetchError)
    return { status: error.status, body: JSON.parse(error.body), headers: error.headers }
  })

const refusal = (call: () => Promise<unknown>) => Effect.map(refused(call), ({ status, body }) => ({ status, body }))

const tokens = (line: LineEmulatorService) => new channelAccessToken.ChannelAccessTokenClient({ baseURL: line.url })

const messaging = (line: LineEmulatorService, token: string) =>
  new messagingApi.MessagingApiClient({ baseURL: line.url, channelAccessToken: token })

const issueStateless = (line: LineEmulatorService) =>
  Effect.map(
    promised(() => tokens(line).issueStatelessChannelTokenByClientSecret(lineChannelId, lineChannelSecret)),
    (answer) => answer.access_token
  )

const issueShortLived = (line: LineEmulatorService) =>
  Effect.map(
    promised(() => tokens(line).issueChannelToken("client_credentials", lineChannelId, lineChannelSecret)),
    (answer) => answer.access_token
  )

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

interface AssertionParts {
  readonly header?: Record<string, unknown>
  readonly claims?: Record<string, unknown>
  readonly key?: CryptoKey
}

/** A valid assertion at the test clock's 0, save for the parts given. */
const sign = (kid: string, { header, claims, key }: AssertionParts = {}) =>
  promised(() =>
    new SignJWT({
      iss: lineChannelId,
      sub: lineChannelId,
      aud: "https://api.line.me/",
      exp: 1800,
      token_exp: 2_592_000,
      ...claims
    } as JWTPayload)
      .setProtectedHeader({ alg: "RS256", typ: "JWT", kid, ...header })
      .sign(key ?? keyPair.privateKey)
  )

const issueV21ByAssertion = (line: LineEmulatorService, assertion: string) =>
  promised(() => tokens(line).issueChannelTokenByJWT("client_credentials", assertionType, assertion))

const issueV21 = (line: LineEmulatorService, parts?: AssertionParts) =>
  Effect.gen(function* () {
    const kid = yield* line.registerKey(lineChannelId, publicJwk)
    const assertion = yield* sign(kid, parts)
    const answer = yield* issueV21ByAssertion(line, assertion)
    return { assertion, token: answer.access_token, answer }
  })

const hello = { to: "U4af4980629", messages: [{ type: "text" as const, text: "hello" }] }

const push = (line: LineEmulatorService, token: string, retryKey?: string) =>
  promised(() => messaging(line, token).pushMessage(hello, retryKey))

const send = (line: LineEmulatorService, path: string, init?: RequestInit) =>
  Effect.flatMap(
    promised(() => fetch(line.url + path, init)),
    (response) =>
      Effect.map(
        promised(() => response.text()),
        (body) => ({
          status: response.status,
          headers: response.headers,
          body: body.startsWith("{") ? JSON.parse(body) : body
        })
      )
  )

const form = (fields: Record<string, string> | string): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/x-www-form-urlencoded" },
  body: new URLSearchParams(fields).toString()
})

const statelessForm = form({
  grant_type: "client_credentials",
  client_id: lineChannelId,
  client_secret: lineChannelSecret
})

const pushJson = (line: LineEmulatorService, token: string, body: unknown, headers?: Record<string, string>) =>
  send(line, "/v2/bot/message/push", {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body)
  })

const answerOf = ({ status, body }: { readonly status: number; readonly body: unknown }) => ({ status, body })

/** Real time, which a request needs to arrive though the test clock stands still. */
const arrived = (line: LineEmulatorService, count: number) =>
  Effect.repeat(
    Effect.zipRight(
      Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 2))),
      line.requests
    ),
    { until: (requests) => requests.length >= count }
  )

const parametersInvalid = {
  status: 400,
  body: { error: "invalid_request", error_description: "some parameters missed or invalid" }
}

const invalidRequest = (error_description: string) => ({
  status: 400,
  body: { error: "invalid_request", error_description }
})

const invalidClient = (error_description: string) => ({
  status: 400,
  body: { error: "invalid_client", error_description }
})

const unknownKey = { status: 404, body: { message: "Cannot find channel key that satisfies the conditions" } }

const invalidToken = {
  status: 401,
  body: { message: "Authentication failed. Confirm that the access token in the authorization header is valid." }
}

const rateLimited = { status: 429, body: { message: "The API rate limit has been exceeded. Try again later." } }

describe("LineEmulator: stateless tokens", () => {
  emulated("are issued by secret, for 15 minutes", (line) =>
    Effect.gen(function* () {
      const answer = yield* promised(() =>
        tokens(line).issueStatelessChannelTokenByClientSecret(lineChannelId, lineChannelSecret)
      )
      assert.deepStrictEqual(
        { ...answer, access_token: "" },
        { token_type: "Bearer", access_token: "", expires_in: 900 }
      )
      assert.match(answer.access_token, /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/)
    })
  )

  emulated("are issued by assertion, which needs no token_exp", (line) =>
    Effect.gen(function* () {
      const kid = yield* line.registerKey(lineChannelId, publicJwk)
      const assertion = yield* sign(kid, { claims: { token_exp: undefined } })
      const answer = yield* promised(() => tokens(line).issueStatelessChannelTokenByJWTAssertion(assertion))
      assert.strictEqual(answer.expires_in, 900)
      assert.deepStrictEqual(
        (yield* line.liveTokens(lineChannelId)).map(({ kind }) => kind),
        ["stateless"]
      )
    })
  )

  emulated(
    "live as long as the options say",
    (line) =>
      Effect.gen(function* () {
        const answer = yield* promised(() =>
          tokens(line).issueStatelessChannelTokenByClientSecret(lineChannelId, lineChannelSecret)
        )
        assert.strictEqual(answer.expires_in, 899)
        yield* line.advance("898 seconds")
        assert.lengthOf(yield* line.liveTokens(lineChannelId), 1)
        yield* line.advance("1 second")
        assert.lengthOf(yield* line.liveTokens(lineChannelId), 0)
      }),
    { statelessLifetime: "899 seconds" }
  )

  emulated("have no cap", (line) =>
    Effect.gen(function* () {
      yield* Effect.replicateEffect(issueStateless(line), 40, { concurrency: "unbounded" })
      assert.lengthOf(yield* line.liveTokens(lineChannelId), 40)
    })
  )

  emulated("are refused for a wrong secret and for an unknown channel in the same words", (line) =>
    Effect.gen(function* () {
      const refusals = yield* Effect.all([
        refusal(() => tokens(line).issueStatelessChannelTokenByClientSecret(lineChannelId, "wrong")),
        refusal(() => tokens(line).issueStatelessChannelTokenByClientSecret("999", lineChannelSecret))
      ])
      const expected = invalidRequest("Invalid 'client_credentials'.")
      assert.deepStrictEqual(refusals, [expected, expected])
    })
  )

  emulated("are refused for another grant", (line) =>
    Effect.gen(function* () {
      const answer = yield* refusal(() =>
        tokens(line).issueStatelessChannelToken("password", "", "", lineChannelId, lineChannelSecret)
      )
      assert.deepStrictEqual(answer, parametersInvalid)
    })
  )

  emulated("are issued though the fields of the other form are there, empty", (line) =>
    Effect.gen(function* () {
      const answer = yield* promised(() =>
        tokens(line).issueStatelessChannelToken("client_credentials", "", "", lineChannelId, lineChannelSecret)
      )
      assert.strictEqual(answer.token_type, "Bearer")
    })
  )

  emulated("pass neither verify endpoint", (line) =>
    Effect.gen(function* () {
      const token = yield* issueStateless(line)
      assert.deepStrictEqual(
        yield* refusal(() => tokens(line).verifyChannelToken(token)),
        invalidRequest("access_token in invalid format")
      )
      assert.deepStrictEqual(
        yield* refusal(() => tokens(line).verifyChannelTokenByJWT(token)),
        invalidRequest("The access token malformed")
      )
    })
  )
})

describe("LineEmulator: short-lived tokens", () => {
  emulated("are issued for 30 days, with characters that a form must encode", (line) =>
    Effect.gen(function* () {
      const answer = yield* promised(() =>
        tokens(line).issueChannelToken("client_credentials", lineChannelId, lineChannelSecret)
      )
      assert.deepStrictEqual(
        { ...answer, access_token: "" },
        { access_token: "", expires_in: 2_592_000, token_type: "Bearer" }
      )
      assert.match(answer.access_token, /^[A-Za-z0-9+/]+=$/)
      assert.include(answer.access_token, "+")
      assert.include(answer.access_token, "/")
    })
  )

  emulated("are refused for an unknown channel, then for a wrong secret", (line) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* refusal(() => tokens(line).issueChannelToken("client_credentials", "999", "wrong")),
        invalidClient("invalid client_id")
      )
      assert.deepStrictEqual(
        yield* refusal(() => tokens(line).issueChannelToken("client_credentials", lineChannelId, "wrong")),
        invalidClient("invalid client_secret")
      )
    })
  )

  emulated("are refused for another grant and for missing fields", (line) =>
    Effect.gen(function* () {
      const refusals = yield* Effect.all([
        refusal(() => tokens(line).issueChannelToken("password", lineChannelId, lineChannelSecret)),
        refusal(() => tokens(line).issueChannelToken("client_credentials", "", lineChannelSecret)),
        refusal(() => tokens(line).issueChannelToken("client_credentials", lineChannelId, ""))
      ])
      assert.deepStrictEqual(refusals, [parametersInvalid, parametersInvalid, parametersInvalid])
    })
  )

  emulated("revoke the oldest without a word past 30", (line) =>
    Effect.gen(function* () {
      const oldest = yield* issueShortLived(line)
      yield* TestClock.adjust("1 second")
      yield* Effect.replicateEffect(issueShortLived(line), 29)
      assert.include(
        (yield* line.liveTokens(lineChannelId)).map(({ token }) => token),
        oldest
      )
      yield* issueShortLived(line)
      const live = (yield* line.liveTokens(lineChannelId)).map(({ token }) => token)
      assert.lengthOf(live, 30)
      assert.notInclude(live, oldest)
      assert.deepStrictEqual(
        yield* refusal(() => tokens(line).verifyChannelToken(oldest)),
        invalidRequest("access_token invalid")
      )
    })
  )

  emulated(
    "do not count against the cap once they have expired",
    (line) =>
      Effect.gen(function* () {
        yield* Effect.replicateEffect(issueShortLived(line), 30)
        yield* line.advance("2 hours")
        yield* issueShortLived(line)
        yield* issueShortLived(line)
        assert.lengthOf(yield* line.liveTokens(lineChannelId), 2)
      }),
    { shortLivedLifetime: "1 hour" }
  )

  emulated("are verified with the seconds left", (line) =>
    Effect.gen(function* () {
      const token = yield* issueShortLived(line)
      yield* TestClock.adjust("1 day")
      assert.deepStrictEqual(yield* promised(() => tokens(line).verifyChannelToken(token)), {
        client_id: lineChannelId,
        expires_in: 2_505_600,
        scope: "P CM"
      })
    })
  )

  emulated("fail verification when unknown, expired or ill-formed", (line) =>
    Effect.gen(function* () {
      const token = yield* issueShortLived(line)
      yield* line.advance("30 days")
      const refusals = yield* Effect.all([
        refusal(() => tokens(line).verifyChannelToken("unknown")),
        refusal(() => tokens(line).verifyChannelToken(token)),
        refusal(() => tokens(line).verifyChannelToken("no base64!"))
      ])
      assert.deepStrictEqual(refusals, [
        invalidRequest("access_token invalid"),
        invalidRequest("access_token invalid"),
        invalidRequest("access_token in invalid format")
      ])
    })
  )

  emulated("are revoked with an empty 200, and once more, and though unknown", (line) =>
    Effect.gen(function* () {
      const token = yield* issueShortLived(line)
      for (const each of [token, token, "unknown"]) {
        const { body, httpResponse } = yield* promised(() => tokens(line).revokeChannelTokenWithHttpInfo(each))
        assert.deepStrictEqual([httpResponse.status, body], [200, null])
      }
      assert.deepStrictEqual(yield* line.liveTokens(lineChannelId), [])
    })
  )

  emulated("are not revoked by an ill-formed token, which has no description", (line) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* refusal(() => tokens(line).revokeChannelToken("no base64!")), {
        status: 400,
        body: { error: "invalid_request" }
      })
    })
  )
})

describe("LineEmulator: long-lived tokens", () => {
  emulated("never expire, and verify with a huge expires_in", (line) =>
    Effect.gen(function* () {
      const token = yield* line.issueLongLived(lineChannelId)
      yield* line.advance("400 days")
      const answer = yield* promised(() => tokens(line).verifyChannelToken(token))
      assert.isAbove(answer.expires_in, 2 ** 31)
      yield* push(line, token)
    })
  )

  emulated("replace the channel's previous one", (line) =>
    Effect.gen(function* () {
      yield* line.issueLongLived(lineChannelId)
      const token = yield* line.issueLongLived(lineChannelId)
      assert.deepStrictEqual(yield* line.liveTokens(lineChannelId), [
        { token, kind: "long-lived", issuedAt: 0, expiresAt: Number.POSITIVE_INFINITY }
      ])
    })
  )
})

describe("LineEmulator: v2.1 tokens", () => {
  emulated("are issued by assertion for token_exp seconds, with a key_id", (line) =>
    Effect.gen(function* () {
      const { answer } = yield* issueV21(line, { claims: { token_exp: 3600 } })
      const { access_token: token, key_id: keyId } = answer
      assert.deepStrictEqual(answer, { access_token: token, token_type: "Bearer", expires_in: 3600, key_id: keyId })
      assert.match(token, /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/)
      assert.match(keyId, /^[\w-]{22}$/)
      assert.deepStrictEqual(yield* line.liveTokens(lineChannelId), [
        { token, kind: "v2.1", issuedAt: 0, expiresAt: 3_600_000, keyId }
      ])
    })
  )

  emulated("are refused past 30, until one expires", (line) =>
    Effect.gen(function* () {
      const { assertion } = yield* issueV21(line, { claims: { token_exp: 60, exp: 1800 } })
      yield* Effect.replicateEffect(issueV21ByAssertion(line, assertion), 29)
      const issue = () => tokens(line).issueChannelTokenByJWT("client_credentials", assertionType, assertion)
      assert.deepStrictEqual(yield* refusal(issue), {
        status: 400,
        body: { message: "The maximum number of access tokens has already been issued" }
      })
      yield* line.advance("1 minute")
      assert.strictEqual((yield* promised(issue)).expires_in, 60)
    })
  )

  emulated("stop at 30 for concurrent requests, too", (line) =>
    Effect.gen(function* () {
      const { assertion } = yield* issueV21(line)
      const exits = yield* Effect.replicateEffect(Effect.exit(issueV21ByAssertion(line, assertion)), 40, {
        concurrency: "unbounded"
      })
      assert.lengthOf(exits.filter(Exit.isSuccess), 29)
      assert.lengthOf(yield* line.liveTokens(lineChannelId), 30)
    })
  )

  emulated("are not counted together with the other kinds", (line) =>
    Effect.gen(function* () {
      yield* Effect.replicateEffect(issueShortLived(line), 30)
      yield* issueV21(line)
      assert.lengthOf(yield* line.liveTokens(lineChannelId), 31)
    })
  )

  emulated("are refused for another grant", (line) =>
    Effect.gen(function* () {
      const { assertion } = yield* issueV21(line)
      assert.deepStrictEqual(
        yield* refusal(() => tokens(line).issueChannelTokenByJWT("authorization_code", assertionType, assertion)),
        parametersInvalid
      )
    })
  )

  emulated("are verified with the seconds left", (line) =>
    Effect.gen(function* () {
      const { token } = yield* issueV21(line)
      yield* line.advance("341 seconds")
      assert.deepStrictEqual(yield* promised(() => tokens(line).verifyChannelTokenByJWT(token)), {
        client_id: lineChannelId,
        expires_in: 2_591_659,
        scope: "profile chat_message.write"
      })
    })
  )

  emulated("fail verification when expired, unknown, revoked or no JWS", (line) =>
    Effect.gen(function* () {
      const { token } = yield* issueV21(line, { claims: { token_exp: 60 } })
      const { token: revoked } = yield* issueV21(line)
      yield* line.revoke(revoked)
      yield* line.advance("1 minute")
      const verify = (value: string) => refusal(() => tokens(line).verifyChannelTokenByJWT(value))
      assert.deepStrictEqual(yield* Effect.all([verify(token), verify("a.b.c"), verify(revoked), verify("a+b/c=")]), [
        invalidRequest("The access token expired"),
        invalidRequest("The access token malformed"),
        invalidRequest("The access token malformed"),
        invalidRequest("The access token not JWS")
      ])
    })
  )

  emulated("are revoked by id and secret, once more and though unknown", (line) =>
    Effect.gen(function* () {
      const { token } = yield* issueV21(line)
      for (const each of [token, token, "a.b.c"]) {
        const { body, httpResponse } = yield* promised(() =>
          tokens(line).revokeChannelTokenByJWTWithHttpInfo(lineChannelId, lineChannelSecret, each)
        )
        assert.deepStrictEqual([httpResponse.status, body], [200, null])
      }
      assert.deepStrictEqual(yield* line.liveTokens(lineChannelId), [])
    })
  )

  emulated("are not revoked without the secret, nor if no JWS", (line) =>
    Effect.gen(function* () {
      const { token } = yield* issueV21(line)
      const wrongSecret = yield* refusal(() => tokens(line).revokeChannelTokenByJWT(lineChannelId, "wrong", token))
      assert.deepStrictEqual([wrongSecret.status, wrongSecret.body.error], [400, "invalid_client"])
      assert.deepStrictEqual(
        yield* refusal(() => tokens(line).revokeChannelTokenByJWT(lineChannelId, lineChannelSecret, "token")),
        invalidRequest("The access token not JWS")
      )
      assert.lengthOf(yield* line.liveTokens(lineChannelId), 1)
    })
  )

  emulated(
    "of another channel are not revoked",
    (line) =>
      Effect.gen(function* () {
        const { token } = yield* issueV21(line)
        yield* promised(() => tokens(line).revokeChannelTokenByJWT("2", "second", token))
        assert.lengthOf(yield* line.liveTokens(lineChannelId), 1)
      }),
    {
      channels: [
        { channelId: lineChannelId, channelSecret: lineChannelSecret },
        { channelId: "2", channelSecret: "second" }
      ]
    }
  )

  emulated("have their key ids listed while they live", (line) =>
    Effect.gen(function* () {
      const { assertion, answer } = yield* issueV21(line, { claims: { token_exp: 60 } })
      const other = yield* issueV21ByAssertion(line, assertion)
      const { token: revoked } = yield* issueV21(line)
      yield* line.revoke(revoked)
      const kids = Effect.map(
        promised(() => tokens(line).getsAllValidChannelAccessTokenKeyIds(assertionType, assertion)),
        (answer) => answer.kids
      )
      assert.notStrictEqual(answer.key_id, other.key_id)
      assert.deepStrictEqual(yield* kids, [answer.key_id, other.key_id])
      yield* line.advance("1 minute")
      assert.deepStrictEqual(yield* kids, [])
    })
  )
})

describe("LineEmulator: assertions", () => {
  /** Each breaks its own rule and all that follow, so that the order shows. */
  const broken: ReadonlyArray<{ rule: string; parts: AssertionParts; answer: { status: number; body: unknown } }> = [
    {
      rule: "kid",
      parts: { header: { kid: "unknown", typ: "JOSE" }, claims: { iss: "2" } },
      answer: unknownKey
    },
    {
      rule: "iss",
      parts: { header: { typ: "JOSE" }, claims: { iss: "2", exp: 0 } },
      answer: invalidClient("iss and clientId of key do not match")
    },
    {
      rule: "typ",
      parts: { header: { typ: "JOSE" }, key: otherKeyPair.privateKey },
      answer: invalidClient("Invalid typ")
    },
    {
      rule: "signature",
      parts: { claims: { sub: "2" }, key: otherKeyPair.privateKey },
      answer: invalidClient("Invalid signature")
    },
    { rule: "sub", parts: { claims: { sub: "2", aud: "elsewhere" } }, answer: invalidClient("Invalid sub") },
    {
      rule: "aud",
      parts: { claims: { aud: "https://api.line.me", exp: 0 } },
      answer: invalidClient("Invalid aud")
    },
    { rule: "exp", parts: { claims: { exp: 0, token_exp: 0 } }, answer: invalidClient("Invalid exp") },
    { rule: "token_exp", parts: { claims: { token_exp: 0 } }, answer: invalidClient("Invalid token_exp") }
  ]

  for (const { rule, parts, answer } of broken) {
    emulated(`are refused for their ${rule} before anything after it`, (line) =>
      Effect.gen(function* () {
        const kid = yield* line.registerKey(lineChannelId, publicJwk)
        const assertion = yield* sign(kid, parts)
        assert.deepStrictEqual(
          yield* refusal(() => tokens(line).issueChannelTokenByJWT("client_credentials", assertionType, assertion)),
          answer
        )
      })
    )
  }

  emulated("are refused for another algorithm", (line) =>
    Effect.gen(function* () {
      const kid = yield* line.registerKey(lineChannelId, publicJwk)
      const ps256 = yield* promised(() => generateKeyPair("PS256"))
      const assertion = yield* sign(kid, { header: { alg: "PS256" }, key: ps256.privateKey })
      assert.deepStrictEqual(
        yield* refusal(() => tokens(line).issueStatelessChannelTokenByJWTAssertion(assertion)),
        invalidClient("Invalid alg")
      )
    })
  )

  emulated("are refused when unsigned", (line) =>
    Effect.gen(function* () {
      const kid = yield* line.registerKey(lineChannelId, publicJwk)
      const assertion = yield* sign(kid)
      const unsigned = assertion.slice(0, assertion.lastIndexOf(".") + 1)
      assert.deepStrictEqual(
        yield* refusal(() => tokens(line).issueStatelessChannelTokenByJWTAssertion(unsigned)),
        invalidClient("Invalid signature")
      )
    })
  )

  emulated("are refused when they are no JWT", (line) =>
    Effect.gen(function* () {
      const base64url = (text: string) => Buffer.from(text).toString("base64url")
      const notJwts = ["jwt", "a.b", "a.b.c", "..", `${base64url("{}")}.${base64url("[]")}.c`, "%.%.%"]
      const answers = yield* Effect.forEach(notJwts, (notJwt) =>
        refusal(() => tokens(line).issueStatelessChannelTokenByJWTAssertion(notJwt))
      )
      assert.deepStrictEqual(
        answers,
        notJwts.map(() => invalidClient("Invalid client_assertion"))
      )
    })
  )

  emulated("are refused without their type, and when missing", (line) =>
    Effect.gen(function* () {
      const kid = yield* line.registerKey(lineChannelId, publicJwk)
      const assertion = yield* sign(kid)
      const answers = yield* Effect.all([
        refusal(() => tokens(line).issueChannelTokenByJWT("client_credentials", "jwt-bearer", assertion)),
        refusal(() => tokens(line).issueChannelTokenByJWT("client_credentials", assertionType, "")),
        refusal(() => tokens(line).getsAllValidChannelAccessTokenKeyIds("", assertion))
      ])
      assert.deepStrictEqual(answers, [parametersInvalid, parametersInvalid, parametersInvalid])
    })
  )

  emulated("live at most 30 minutes, to the second and one more", (line) =>
    Effect.gen(function* () {
      yield* TestClock.adjust("1 hour")
      const kid = yield* line.registerKey(lineChannelId, publicJwk)
      const statusFor = (exp: unknown) =>
        Effect.flatMap(sign(kid, { claims: { exp } }), (assertion) =>
          Effect.match(
            promised(() => tokens(line).issueStatelessChannelTokenByJWTAssertion(assertion)),
            { onSuccess: () => 200, onFailure: (error) => (error as HTTPFetchError).status }
          )
        )
      assert.deepStrictEqual(
        yield* Effect.forEach([3600, 3601, 5400, 5401, 5402], statusFor),
        [400, 200, 200, 200, 400]
      )
      assert.deepStrictEqual(yield* Effect.forEach(["3700", 3700.5, 3_700_000], statusFor), [400, 400, 400])
    })
  )

  emulated(
    "may be off by the skew of the options",
    (line) =>
      Effect.gen(function* () {
        yield* TestClock.adjust("1 hour")
        const kid = yield* line.registerKey(lineChannelId, publicJwk)
        for (const exp of [3541, 5460]) {
          const assertion = yield* sign(kid, { claims: { exp } })
          yield* promised(() => tokens(line).issueStatelessChannelTokenByJWTAssertion(assertion))
        }
      }),
    { assertionSkew: "1 minute" }
  )

  for (const token_exp of [undefined, "60", 1.5, -1, 2_592_001]) {
    emulated(`are refused for a token_exp of ${JSON.stringify(token_exp)}`, (line) =>
      Effect.gen(function* () {
        const kid = yield* line.registerKey(lineChannelId, publicJwk)
        const assertion = yield* sign(kid, { claims: { token_exp } })
        assert.deepStrictEqual(
          yield* refusal(() => tokens(line).issueChannelTokenByJWT("client_credentials", assertionType, assertion)),
          invalidClient("Invalid token_exp")
        )
      })
    )
  }

  emulated("of an unknown key or an expired one are refused by the key id list, too", (line) =>
    Effect.gen(function* () {
      const kid = yield* line.registerKey(lineChannelId, publicJwk)
      const [unknown, expired] = [yield* sign("unknown"), yield* sign(kid, { claims: { exp: 0 } })]
      assert.deepStrictEqual(
        yield* refusal(() => tokens(line).getsAllValidChannelAccessTokenKeyIds(assertionType, unknown)),
        unknownKey
      )
      assert.deepStrictEqual(
        yield* refusal(() => tokens(line).getsAllValidChannelAccessTokenKeyIds(assertionType, expired)),
        invalidClient("Invalid exp")
      )
    })
  )

  emulated("may be used again", (line) =>
    Effect.gen(function* () {
      const { assertion } = yield* issueV21(line)
      yield* issueV21ByAssertion(line, assertion)
      assert.lengthOf(yield* line.liveTokens(lineChannelId), 2)
    })
  )
})

describe("LineEmulator.registerKey", () => {
  const rules: ReadonlyArray<readonly [rule: string, jwk: () => Promise<object>]> = [
    ["kid", async () => ({ ...publicJwk, kid: "mine" })],
    ["kty", async () => ({ ...(await exportJWK((await generateKeyPair("ES256", { extractable: true })).publicKey)) })],
    ["private", async () => ({ ...publicJwk, ...(await exportJWK(keyPair.privateKey)) })],
    ["alg", async () => ({ ...publicJwk, alg: "RS512" })],
    ["use", async () => ({ ...publicJwk, use: "enc" })],
    ["use", async () => ({ ...publicJwk, use: undefined, key_ops: ["verify", "sign"] })],
    ["malformed", async () => ({ ...publicJwk, n: undefined, e: 1 })],
    [
      "modulus",
      async () => ({
        ...publicJwk,
        ...(await exportJWK((await generateKeyPair("RS256", { extractable: true, modulusLength: 3072 })).publicKey))
      })
    ]
  ]

  for (const [rule, jwk] of rules) {
    emulated(`names the broken rule: ${rule}`, (line) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(line.registerKey(lineChannelId, yield* promised(jwk)))
        assert.strictEqual(error._tag, "LineKeyRejected")
        assert.strictEqual(error.rule, rule)
        assert.include(error.message, "LINE does not register this key")
      })
    )
  }

  emulated("takes key_ops for use", (line) =>
    line.registerKey(lineChannelId, { ...publicJwk, use: undefined, key_ops: ["verify"] })
  )

  emulated("gives each key its own kid", (line) =>
    Effect.gen(function* () {
      const first = yield* line.registerKey(lineChannelId, publicJwk)
      assert.notStrictEqual(yield* line.registerKey(lineChannelId, publicJwk), first)
    })
  )

  emulated("dies for a channel that the emulator does not have", (line) =>
    Effect.gen(function* () {
      const cause = yield* Effect.flip(Effect.sandbox(line.registerKey("999", publicJwk)))
      assert.include(Cause.pretty(cause), 'no channel "999"')
    })
  )
})

describe("LineEmulator: push", () => {
  emulated("takes a message and gives it an id beyond 2^53, and a quote token", (line) =>
    Effect.gen(function* () {
      const token = yield* issueStateless(line)
      const { httpResponse, body } = yield* promised(() => messaging(line, token).pushMessageWithHttpInfo(hello))
      assert.lengthOf(body.sentMessages, 1)
      assert.match(body.sentMessages[0]!.id, /^\d+$/)
      assert.isAbove(Number(body.sentMessages[0]!.id), Number.MAX_SAFE_INTEGER)
      assert.isString(body.sentMessages[0]!.quoteToken)
      assert.deepStrictEqual(yield* line.messages, [
        {
          channelId: lineChannelId,
          ...hello,
          requestId: httpResponse.headers.get("x-line-request-id") ?? "",
          at: 0
        }
      ])
    })
  )

  emulated("numbers the messages in their order, and gives no quote token to what cannot be quoted", (line) =>
    Effect.gen(function* () {
      const token = yield* issueStateless(line)
      const location = { type: "location" as const, title: "t", address: "a", latitude: 0, longitude: 0 }
      const { sentMessages } = yield* promised(() =>
        messaging(line, token).pushMessage({ to: "U1", messages: [location, ...hello.messages] })
      )
      assert.deepStrictEqual(
        sentMessages.map(({ quoteToken }) => typeof quoteToken),
        ["undefined", "string"]
      )
      assert.strictEqual(BigInt(sentMessages[1]!.id) - BigInt(sentMessages[0]!.id), 1n)
    })
  )

  emulated("takes a live token of any kind", (line) =>
    Effect.gen(function* () {
      const { token } = yield* issueV21(line)
      const all = [
        token,
        yield* issueStateless(line),
        yield* issueShortLived(line),
        yield* line.issueLongLived(lineChannelId)
      ]
      yield* Effect.forEach(all, (each) => push(line, each))
      assert.lengthOf(yield* line.messages, 4)
    })
  )

  emulated("refuses a missing or ill-formed authorization", (line) =>
    Effect.gen(function* () {
      const expected = {
        status: 401,
        body: {
          message: "Authorization header required. Must follow the scheme, 'Authorization: Bearer <ACCESS TOKEN>'"
        }
      }
      const headers = { "content-type": "application/json" }
      for (const authorization of [undefined, "Basic abc", "Bearer", "Bearer a b"]) {
        const answer = yield* send(line, "/v2/bot/message/push", {
          method: "POST",
          headers: authorization === undefined ? headers : { ...headers, authorization },
          body: JSON.stringify(hello)
        })
        assert.deepStrictEqual(answerOf(answer), expected)
      }
    })
  )

  emulated("refuses unknown, expired and revoked tokens alike", (line) =>
    Effect.gen(function* () {
      const expired = yield* issueStateless(line)
      yield* line.advance("15 minutes")
      const revoked = yield* issueStateless(line)
      yield* push(line, revoked)
      yield* line.revoke(revoked)
      const answers = yield* Effect.forEach(["unknown", "undefined", expired, revoked], (token) =>
        refusal(() => messaging(line, token).pushMessage(hello))
      )
      assert.deepStrictEqual(answers, [invalidToken, invalidToken, invalidToken, invalidToken])
    })
  )

  emulated("refuses a body that is not declared as JSON", (line) =>
    Effect.gen(function* () {
      const token = yield* issueStateless(line)
      assert.deepStrictEqual(answerOf(yield* pushJson(line, token, hello, { "content-type": "text/plain" })), {
        status: 415,
        body: { message: "The content type, text/plain, is not supported" }
      })
    })
  )

  emulated("takes parameters of the content type", (line) =>
    Effect.gen(function* () {
      const token = yield* issueStateless(line)
      const answer = yield* pushJson(line, token, hello, { "content-type": "Application/JSON; charset=utf-8" })
      assert.strictEqual(answer.status, 200)
    })
  )

  emulated("refuses a body that is no JSON", (line) =>
    Effect.gen(function* () {
      const token = yield* issueStateless(line)
      assert.deepStrictEqual(answerOf(yield* pushJson(line, token, "{")), {
        status: 400,
        body: { message: "The request body could not be parsed as JSON (line: 1, column: 1)" }
      })
    })
  )

  emulated("refuses a body without a recipient", (line) =>
    Effect.gen(function* () {
      const token = yield* issueStateless(line)
      for (const body of [{ messages: hello.messages }, { ...hello, to: "" }, { ...hello, to: 1 }, "null", "[]"]) {
        assert.deepStrictEqual(answerOf(yield* pushJson(line, token, body)), {
          status: 400,
          body: { message: "The property, 'to', in the request body is invalid (line: -, column: -)" }
        })
      }
    })
  )

  emulated("refuses no messages and more than five", (line) =>
    Effect.gen(function* () {
      const token = yield* issueStateless(line)
      for (const messages of [undefined, [], Array(6).fill(hello.messages[0])]) {
        assert.deepStrictEqual(answerOf(yield* pushJson(line, token, { to: "U1", messages })), {
          status: 400,
          body: {
            message: "The request body has 1 error(s)",
            details: [{ message: "Size must be between 1 and 5", property: "messages" }]
          }
        })
      }
      assert.deepStrictEqual(yield* line.messages, [])
    })
  )

  emulated("names each message that is wrong, and sends none", (line) =>
    Effect.gen(function* () {
      const token = yield* issueStateless(line)
      const messages = [
        { type: "text", text: "" },
        { type: "text", text: "x".repeat(5000) },
        { type: "text", text: "x".repeat(5001) },
        { text: "no type" },
        null
      ]
      const { status, body } = yield* pushJson(line, token, { to: "U1", messages })
      assert.strictEqual(status, 400)
      assert.strictEqual(body.message, "The request body has 4 error(s)")
      assert.deepStrictEqual(body.details[0], { message: "May not be empty", property: "messages[0].text" })
      assert.deepStrictEqual(
        body.details.map(({ property }: { property: string }) => property),
        ["messages[0].text", "messages[2].text", "messages[3].type", "messages[4]"]
      )
      assert.deepStrictEqual(yield* line.messages, [])
    })
  )
})

describe("LineEmulator: retry keys", () => {
  emulated("make a second push a 409 with the first one's messages and request id", (line) =>
    Effect.gen(function* () {
      const token = yield* issueStateless(line)
      const retryKey = randomUUID()
      const first = yield* promised(() => messaging(line, token).pushMessageWithHttpInfo(hello, retryKey))
      const second = yield* refused(() => messaging(line, token).pushMessage(hello, retryKey.toUpperCase()))
      assert.deepStrictEqual(answerOf(second), {
        status: 409,
        body: { message: "The retry key is already accepted", sentMessages: first.body.sentMessages }
      })
      const requestId = first.httpResponse.headers.get("x-line-request-id")
      assert.strictEqual(second.headers.get("x-line-accepted-request-id"), requestId)
      assert.notStrictEqual(second.headers.get("x-line-request-id"), requestId)
      assert.deepStrictEqual(
        (yield* line.messages).map((message) => message.retryKey),
        [retryKey]
      )
    })
  )

  emulated("let one of many concurrent pushes through", (line) =>
    Effect.gen(function* () {
      const token = yield* issueStateless(line)
      const retryKey = randomUUID()
      const exits = yield* Effect.replicateEffect(Effect.exit(push(line, token, retryKey)), 20, {
        concurrency: "unbounded"
      })
      assert.lengthOf(exits.filter(Exit.isSuccess), 1)
      assert.lengthOf(yield* line.messages, 1)
    })
  )

  emulated("are new again 24 hours after the first push", (line) =>
    Effect.gen(function* () {
      const token = yield* line.issueLongLived(lineChannelId)
      const retryKey = randomUUID()
      yield* push(line, token, retryKey)
      yield* line.advance(Duration.subtract("24 hours", "1 millis"))
      assert.strictEqual((yield* refused(() => messaging(line, token).pushMessage(hello, retryKey))).status, 409)
      yield* line.advance("1 millis")
      yield* push(line, token, retryKey)
      assert.strictEqual((yield* refused(() => messaging(line, token).pushMessage(hello, retryKey))).status, 409)
      assert.lengthOf(yield* line.messages, 2)
    })
  )

  emulated("are not used up by a push that was refused", (line) =>
    Effect.gen(function* () {
      const token = yield* issueStateless(line)
      const retryKey = randomUUID()
      yield* refusal(() => messaging(line, "unknown").pushMessage(hello, retryKey))
      yield* refusal(() => messaging(line, token).pushMessage({ ...hello, messages: [] }, retryKey))
      yield* push(line, token, retryKey)
    })
  )

  emulated("must be UUIDs", (line) =>
    Effect.gen(function* () {
      const token = yield* issueStateless(line)
      for (const retryKey of ["1", `${randomUUID()}0`, randomUUID().replace("-", "g")]) {
        assert.strictEqual((yield* refusal(() => messaging(line, token).pushMessage(hello, retryKey))).status, 400)
      }
      assert.deepStrictEqual(yield* line.messages, [])
    })
  )

  emulated(
    "are the channel's own",
    (line) =>
      Effect.gen(function* () {
        const retryKey = randomUUID()
        for (const channelId of ["1", "2"]) {
          yield* push(line, yield* line.issueLongLived(channelId), retryKey)
        }
        assert.deepStrictEqual(
          (yield* line.messages).map(({ channelId }) => channelId),
          ["1", "2"]
        )
      }),
    {
      channels: [
        { channelId: "1", channelSecret: "first" },
        { channelId: "2", channelSecret: "second" }
      ]
    }
  )

  emulated("are refused by every other endpoint", (line) =>
    Effect.gen(function* () {
      const headers = { "x-line-retry-key": randomUUID() }
      for (const path of ["/v2/bot/message/reply", "/oauth2/v3/token"]) {
        assert.strictEqual((yield* send(line, path, { method: "POST", headers })).status, 400)
      }
    })
  )
})

describe("LineEmulator: limits", () => {
  emulated(
    "answers 429 past the rate limit, and refills with the clock",
    (line) =>
      Effect.gen(function* () {
        const token = yield* line.issueLongLived(lineChannelId)
        yield* push(line, token)
        yield* push(line, token)
        assert.deepStrictEqual(yield* refusal(() => messaging(line, token).pushMessage(hello)), rateLimited)
        yield* TestClock.adjust("500 millis")
        yield* push(line, token)
        assert.deepStrictEqual(yield* refusal(() => messaging(line, token).pushMessage(hello)), rateLimited)
        yield* line.advance("1 minute")
        yield* push(line, token)
        yield* push(line, token)
        assert.deepStrictEqual(yield* refusal(() => messaging(line, token).pushMessage(hello)), rateLimited)
      }),
    { rateLimit: { others: 2 } }
  )

  emulated(
    "has a bucket per endpoint, and one of its own for issuing short-lived tokens",
    (line) =>
      Effect.gen(function* () {
        yield* issueShortLived(line)
        assert.deepStrictEqual(
          yield* refusal(() => tokens(line).issueChannelToken("client_credentials", lineChannelId, lineChannelSecret)),
          rateLimited
        )
        yield* issueStateless(line)
        yield* issueStateless(line)
        assert.deepStrictEqual(
          yield* refusal(() => tokens(line).issueStatelessChannelTokenByClientSecret(lineChannelId, "wrong")),
          rateLimited
        )
      }),
    { rateLimit: { issueShortLived: 1, others: 2 } }
  )

  emulated(
    "has a bucket per channel",
    (line) =>
      Effect.gen(function* () {
        for (const channelId of ["1", "2"]) {
          yield* push(line, yield* line.issueLongLived(channelId))
        }
      }),
    {
      rateLimit: { others: 1 },
      channels: [
        { channelId: "1", channelSecret: "first" },
        { channelId: "2", channelSecret: "second" }
      ]
    }
  )

  emulated(
    "counts assertions and tokens to the channel they belong to",
    (line) =>
      Effect.gen(function* () {
        const { assertion, token } = yield* issueV21(line)
        assert.deepStrictEqual(
          yield* refusal(() => tokens(line).issueChannelTokenByJWT("client_credentials", assertionType, assertion)),
          rateLimited
        )
        yield* promised(() => tokens(line).verifyChannelTokenByJWT(token))
        assert.deepStrictEqual(yield* refusal(() => tokens(line).verifyChannelTokenByJWT(token)), rateLimited)
      }),
    { rateLimit: { others: 1 } }
  )

  emulated(
    "answers 429 past the monthly quota, until the next month",
    (line) =>
      Effect.gen(function* () {
        const token = yield* line.issueLongLived(lineChannelId)
        yield* push(line, token)
        yield* push(line, token)
        assert.deepStrictEqual(yield* refusal(() => messaging(line, token).pushMessage(hello)), {
          status: 429,
          body: { message: "You have reached your monthly limit." }
        })
        yield* line.advance("31 days")
        yield* push(line, token)
      }),
    { monthlyQuota: 2 }
  )

  emulated(
    "does not count refused pushes and retries against the quota",
    (line) =>
      Effect.gen(function* () {
        const token = yield* line.issueLongLived(lineChannelId)
        const retryKey = randomUUID()
        yield* push(line, token, retryKey)
        yield* refusal(() => messaging(line, token).pushMessage(hello, retryKey))
        yield* refusal(() => messaging(line, token).pushMessage({ ...hello, messages: [] }))
        yield* push(line, token)
      }),
    { monthlyQuota: 2 }
  )
})

describe("LineEmulator: behind LINE's back", () => {
  emulated("rotateSecret refuses the old secret and takes the new one", (line) =>
    Effect.gen(function* () {
      const token = yield* issueStateless(line)
      yield* line.rotateSecret(lineChannelId, "new")
      assert.instanceOf(yield* Effect.flip(issueStateless(line)), HTTPFetchError)
      yield* promised(() => tokens(line).issueStatelessChannelTokenByClientSecret(lineChannelId, "new"))
      yield* push(line, token)
    })
  )

  emulated("revoke and revokeAll end tokens of any kind", (line) =>
    Effect.gen(function* () {
      const stateless = yield* issueStateless(line)
      const shortLived = yield* issueShortLived(line)
      yield* line.revoke("unknown")
      yield* line.revoke(stateless)
      assert.deepStrictEqual((yield* line.liveTokens(lineChannelId)).map(toToken), [shortLived])
      yield* line.revokeAll(lineChannelId)
      assert.deepStrictEqual(yield* line.liveTokens(lineChannelId), [])
    })
  )

  emulated("liveTokens has the oldest first, without the expired", (line) =>
    Effect.gen(function* () {
      yield* issueStateless(line)
      yield* TestClock.adjust("10 minutes")
      const shortLived = yield* issueShortLived(line)
      yield* line.advance("2 minutes")
      const stateless = yield* issueStateless(line)
      assert.lengthOf(yield* line.liveTokens(lineChannelId), 3)
      yield* line.advance("3 minutes")
      assert.deepStrictEqual(yield* line.liveTokens(lineChannelId), [
        { token: shortLived, kind: "short-lived", issuedAt: 600_000, expiresAt: 2_592_600_000 },
        { token: stateless, kind: "stateless", issuedAt: 720_000, expiresAt: 1_620_000 }
      ])
    })
  )
})

describe("LineEmulator: faults", () => {
  emulated("before LINE sees the request: it is answered, not done", (line) =>
    Effect.gen(function* () {
      yield* line.fault({ status: 503, body: { message: "down" }, headers: { "Retry-After": "7" } })
      const answer = yield* refused(() =>
        tokens(line).issueStatelessChannelTokenByClientSecret(lineChannelId, lineChannelSecret)
      )
      assert.deepStrictEqual(answerOf(answer), { status: 503, body: { message: "down" } })
      assert.strictEqual(answer.headers.get("retry-after"), "7")
      assert.deepStrictEqual(yield* line.liveTokens(lineChannelId), [])
    })
  )

  emulated("after LINE has done it: the answer is replaced", (line) =>
    Effect.gen(function* () {
      yield* line.fault({ mode: "after", status: 500 })
      const answer = yield* send(line, "/oauth2/v3/token", statelessForm)
      assert.deepStrictEqual(answerOf(answer), { status: 500, body: "" })
      assert.lengthOf(yield* line.liveTokens(lineChannelId), 1)
    })
  )

  emulated("after LINE has done it: headers alone leave status and body", (line) =>
    Effect.gen(function* () {
      yield* line.fault({ mode: "after", headers: { "x-extra": "1" } })
      const answer = yield* send(line, "/oauth2/v3/token", statelessForm)
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(answer.headers.get("x-extra"), "1")
      assert.strictEqual(answer.body.expires_in, 900)
    })
  )

  for (const mode of ["before", "after"] as const) {
    emulated(`drop ${mode} breaks the connection`, (line) =>
      Effect.gen(function* () {
        yield* line.fault({ mode, drop: true })
        const error = yield* Effect.flip(issueStateless(line))
        assert.instanceOf(error, TypeError)
        assert.lengthOf(yield* line.liveTokens(lineChannelId), mode === "after" ? 1 : 0)
        yield* issueStateless(line)
      })
    )

    emulated(`delayMs ${mode} waits on the test clock`, (line) =>
      Effect.gen(function* () {
        yield* line.fault({ mode, delayMs: 60_000 })
        const fiber = yield* Effect.fork(issueStateless(line))
        yield* arrived(line, 1)
        yield* TestClock.adjust("59 seconds")
        assert.lengthOf(yield* line.liveTokens(lineChannelId), mode === "after" ? 1 : 0)
        assert.isNull(yield* Effect.map(fiber.poll, (exit) => (exit._tag === "None" ? null : exit)))
        yield* TestClock.adjust("1 second")
        const token = yield* Fiber.join(fiber)
        assert.deepStrictEqual((yield* line.liveTokens(lineChannelId)).map(toToken), [token])
      })
    )
  }

  emulated("delayMs before another answer delays that", (line) =>
    Effect.gen(function* () {
      yield* line.fault({ delayMs: 1000, status: 500 })
      const fiber = yield* Effect.fork(send(line, "/oauth2/v3/token", statelessForm))
      yield* arrived(line, 1)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(fiber)).status, 500)
    })
  )

  emulated("hang never answers, and ends with the client's connection", (line) =>
    Effect.gen(function* () {
      yield* line.fault({ hang: true })
      const controller = new AbortController()
      const fiber = yield* Effect.fork(send(line, "/oauth2/v3/token", { ...statelessForm, signal: controller.signal }))
      yield* arrived(line, 1)
      yield* TestClock.adjust("1 day")
      assert.deepStrictEqual(
        (yield* line.requests).map(({ status }) => status),
        [undefined]
      )
      controller.abort()
      assert.isTrue(Exit.isFailure(yield* Fiber.await(fiber)))
      yield* issueStateless(line)
    })
  )

  emulated("a push that was accepted before the connection dropped happens exactly once", (line) =>
    Effect.gen(function* () {
      const token = yield* issueStateless(line)
      const retryKey = randomUUID()
      yield* line.fault({ match: "/v2/bot/message/push", mode: "after", drop: true })
      yield* Effect.flip(push(line, token, retryKey))
      const retry = yield* refused(() => messaging(line, token).pushMessage(hello, retryKey))
      assert.strictEqual(retry.status, 409)
      const messages = yield* line.messages
      assert.lengthOf(messages, 1)
      assert.strictEqual(retry.headers.get("x-line-accepted-request-id"), messages[0]!.requestId)
    })
  )

  emulated("a 401 on the first push only", (line) =>
    Effect.gen(function* () {
      const token = yield* issueStateless(line)
      yield* line.fault({ match: "/v2/bot/message/push", ...invalidToken })
      assert.deepStrictEqual(yield* refusal(() => messaging(line, token).pushMessage(hello)), invalidToken)
      yield* push(line, token)
    })
  )

  emulated("HTML with 200 is what a proxy would send", (line) =>
    Effect.gen(function* () {
      yield* line.fault({ body: "<html></html>", headers: { "content-type": "text/html" } })
      const error = yield* Effect.flip(issueStateless(line))
      assert.instanceOf(error, SyntaxError)
    })
  )

  const nonsense: ReadonlyArray<readonly [what: string, body: object]> = [
    ["no expires_in", { token_type: "Bearer", access_token: "t" }],
    ["a string for expires_in", { token_type: "Bearer", access_token: "t", expires_in: "900" }],
    ["a float for expires_in", { token_type: "Bearer", access_token: "t", expires_in: 899.5 }],
    ["no access_token", { token_type: "Bearer", expires_in: 900 }]
  ]
  for (const [what, body] of nonsense) {
    emulated(`${what} in a 200`, (line) =>
      Effect.gen(function* () {
        yield* line.fault({ body })
        const answer = yield* promised(() =>
          tokens(line).issueStatelessChannelTokenByClientSecret(lineChannelId, lineChannelSecret)
        )
        assert.deepEqual<unknown>(answer, body)
      })
    )
  }

  emulated("meet as many requests as times says, one fault at a time, the oldest first", (line) =>
    Effect.gen(function* () {
      yield* line.fault({ status: 500, times: 2 })
      yield* line.fault({ status: 429 })
      yield* line.fault({ status: 418, times: 0 })
      const statuses = yield* Effect.replicateEffect(send(line, "/oauth2/v3/token", statelessForm), 4)
      assert.deepStrictEqual(
        statuses.map(({ status }) => status),
        [500, 500, 429, 200]
      )
    })
  )

  emulated("meet the requests they match: by path, pattern or predicate", (line) =>
    Effect.gen(function* () {
      const token = yield* issueStateless(line)
      yield* line.fault({ match: "/oauth2/v3/token", status: 501 })
      yield* line.fault({ match: /^\/oauth2\//g, status: 502 })
      yield* line.fault({ match: (request) => request.body.includes("hello"), status: 503 })
      const statuses = [
        yield* pushJson(line, token, hello),
        yield* send(line, "/oauth2/v2.1/verify?access_token=a.b.c"),
        yield* send(line, "/oauth2/v3/token", statelessForm)
      ].map(({ status }) => status)
      assert.deepStrictEqual(statuses, [503, 502, 501])
    })
  )

  emulated("are forgotten by clearFaults", (line) =>
    Effect.gen(function* () {
      yield* line.fault({ status: 500, times: Number.POSITIVE_INFINITY })
      yield* line.clearFaults
      yield* issueStateless(line)
    })
  )

  emulated("that cannot be sent are a 500, not the end of the emulator", (line) =>
    Effect.gen(function* () {
      yield* line.fault({ status: 99_999 })
      yield* line.fault({ headers: { "x-split": "a\r\nb" } })
      yield* line.fault({
        match: () => {
          throw new Error("predicate")
        }
      })
      const statuses = yield* Effect.replicateEffect(send(line, "/oauth2/v3/token", statelessForm), 3)
      assert.deepStrictEqual(
        statuses.map(({ status }) => status),
        [500, 500, 500]
      )
      yield* line.clearFaults
      yield* issueStateless(line)
    })
  )
})

describe("LineEmulator: requests", () => {
  emulated("are logged in their order, with their answer's status and request id", (line) =>
    Effect.gen(function* () {
      yield* TestClock.adjust("1 second")
      const issued = yield* send(line, "/oauth2/v3/token", statelessForm)
      yield* line.advance("1 second")
      yield* send(line, "/oauth2/v2.1/verify?access_token=a%2Bb", { headers: { "X-Case": "Kept" } })
      const [issue, verify, ...rest] = yield* line.requests
      assert.deepStrictEqual(rest, [])
      assert.deepStrictEqual(
        { ...issue, headers: issue?.headers["content-type"] },
        {
          method: "POST",
          path: "/oauth2/v3/token",
          query: "",
          headers: "application/x-www-form-urlencoded",
          body: String(statelessForm.body),
          requestId: issued.headers.get("x-line-request-id"),
          at: 1000,
          status: 200
        }
      )
      assert.deepStrictEqual(
        { ...verify, headers: verify?.headers["x-case"], requestId: "" },
        {
          method: "GET",
          path: "/oauth2/v2.1/verify",
          query: "access_token=a%2Bb",
          headers: "Kept",
          body: "",
          requestId: "",
          at: 2000,
          status: 400
        }
      )
    })
  )

  emulated("are logged without a status when dropped", (line) =>
    Effect.gen(function* () {
      yield* line.fault({ drop: true })
      yield* Effect.flip(issueStateless(line))
      assert.notProperty((yield* line.requests)[0], "status")
    })
  )

  emulated("are forgotten by clearRequests", (line) =>
    Effect.gen(function* () {
      yield* issueStateless(line)
      yield* line.clearRequests
      assert.deepStrictEqual(yield* line.requests, [])
    })
  )

  emulated("each get a request id of their own, whatever the answer", (line) =>
    Effect.gen(function* () {
      yield* line.fault({ match: "/fault", status: 500 })
      const answers = yield* Effect.all([
        send(line, "/oauth2/v3/token", statelessForm),
        send(line, "/oauth2/v3/token", form({})),
        send(line, "/nowhere"),
        send(line, "/fault")
      ])
      const ids = answers.map(({ headers }) => headers.get("x-line-request-id"))
      assert.isTrue(ids.every((id) => /^[0-9a-f-]{36}$/.test(id ?? "")))
      assert.strictEqual(new Set(ids).size, 4)
    })
  )
})

describe("LineEmulator: what no client should send", () => {
  emulated("answers 404 for an unknown path or method", (line) =>
    Effect.gen(function* () {
      const answers = yield* Effect.all([
        send(line, "/nowhere"),
        send(line, "/oauth2/v3/token"),
        send(line, "/oauth2/v3/token/", statelessForm),
        send(line, "//oauth2/v3/token", statelessForm),
        send(line, "/constructor"),
        send(line, "/v2/bot/message/push")
      ])
      for (const answer of answers) {
        assert.deepStrictEqual(answerOf(answer), { status: 404, body: { message: "Not found" } })
        assert.strictEqual(answer.headers.get("content-type"), "application/json")
      }
    })
  )

  emulated("answers 400 for a token request that is not declared as a form", (line) =>
    Effect.gen(function* () {
      for (const type of ["application/json", "text/plain", "multipart/form-data"]) {
        const answer = yield* send(line, "/oauth2/v3/token", { ...statelessForm, headers: { "content-type": type } })
        assert.deepStrictEqual(answerOf(answer), parametersInvalid)
      }
      const answer = yield* send(line, "/oauth2/v3/token", {
        ...statelessForm,
        headers: { "content-type": "application/x-www-form-urlencoded; charset=UTF-8" }
      })
      assert.strictEqual(answer.status, 200)
    })
  )

  emulated("takes the last of a repeated field, and ignores unknown and empty ones", (line) =>
    Effect.gen(function* () {
      const fields = `client_secret=wrong&${statelessForm.body}&client_id=&extra=1`
      assert.strictEqual((yield* send(line, "/oauth2/v3/token", form(fields))).status, 200)
    })
  )

  emulated("survives bad percent-encoding and malformed bodies", (line) =>
    Effect.gen(function* () {
      const headers = { "content-type": "application/x-www-form-urlencoded" }
      const bodies = ["%", "%zz=%", "grant_type", "=&=&&", "__proto__=1&constructor=2", "\u0000\uffff", "{}"]
      for (const body of bodies) {
        for (const path of ["/oauth2/v3/token", "/oauth2/v2.1/token", "/v2/oauth/accessToken"]) {
          assert.deepStrictEqual(
            answerOf(yield* send(line, path, { method: "POST", headers, body })),
            parametersInvalid
          )
        }
      }
      const verify = yield* send(line, "/oauth2/v2.1/verify?access_token=%E0%A4%A&%")
      assert.deepStrictEqual(answerOf(verify), invalidRequest("The access token not JWS"))
      assert.strictEqual((yield* send(line, "/oauth2/v2.1/tokens/kid?%")).status, 400)
    })
  )

  emulated("answers 413 for a body over 2 MB, sent with its length or in chunks, and logs no body", (line) =>
    Effect.gen(function* () {
      const token = yield* issueStateless(line)
      const body = JSON.stringify({ ...hello, padding: "x".repeat(3 * 1024 * 1024) })
      assert.strictEqual((yield* pushJson(line, token, body)).status, 413)
      const status = yield* promised(
        () =>
          new Promise<number | undefined>((resolve, reject) => {
            const request = nodeRequest(`${line.url}/v2/bot/message/push`, { method: "POST" }, (response) => {
              response.resume()
              resolve(response.statusCode)
            })
            request.on("error", reject)
            request.write(body)
            request.end()
          })
      )
      assert.strictEqual(status, 413)
      assert.deepStrictEqual(
        (yield* line.requests).slice(1).map(({ body, status }) => ({ body, status })),
        [
          { body: "", status: 413 },
          { body: "", status: 413 }
        ]
      )
      yield* push(line, token)
    })
  )

  emulated("survives a client that leaves in the middle of a body", (line) =>
    Effect.gen(function* () {
      yield* promised(
        () =>
          new Promise<void>((resolve) => {
            const socket = connect(Number(new URL(line.url).port), "127.0.0.1", () => {
              socket.write("POST /oauth2/v3/token HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf")
              setTimeout(() => socket.resetAndDestroy(), 20)
            })
            socket.on("close", () => resolve())
          })
      )
      yield* issueStateless(line)
    })
  )

  emulated("answers requests with an Upgrade header like any other", (line) =>
    Effect.gen(function* () {
      const status = yield* promised(
        () =>
          new Promise<number | undefined>((resolve, reject) => {
            const headers = { ...statelessForm.headers, connection: "upgrade", upgrade: "h2c" } as Record<
              string,
              string
            >
            const request = nodeRequest(`${line.url}/oauth2/v3/token`, { method: "POST", headers }, (response) => {
              response.resume()
              resolve(response.statusCode)
            })
            request.on("error", reject)
            request.end(statelessForm.body)
          })
      )
      assert.strictEqual(status, 200)
    })
  )
})

describe("LineEmulator.layer", () => {
  /** Real time: what is tested is that the sockets go away. */
  const started = Effect.gen(function* () {
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(LineEmulator.layer(), scope)
    return { line: yield* Effect.provide(LineEmulator, context), close: Scope.close(scope, Exit.void) }
  })

  it.scopedLive("closes at once though connections are kept alive, silent or hung", () =>
    Effect.gen(function* () {
      const { line, close } = yield* started
      yield* issueStateless(line)
      const silent = connect(Number(new URL(line.url).port), "127.0.0.1")
      const silentClosed = yield* Deferred.make<void>()
      silent.on("close", () => Deferred.unsafeDone(silentClosed, Exit.void))
      yield* promised(() => new Promise<void>((resolve) => silent.on("connect", () => resolve())))
      yield* line.fault({ hang: true })
      yield* line.fault({ delayMs: 600_000 })
      const hung = yield* Effect.fork(issueStateless(line))
      const delayed = yield* Effect.fork(issueStateless(line))
      yield* arrived(line, 3)

      // It waits for nothing: no timer rings from here.
      yield* heldTimers
      yield* close
      assert.isTrue(Exit.isFailure(yield* Fiber.await(hung)))
      assert.isTrue(Exit.isFailure(yield* Fiber.await(delayed)))
      yield* Deferred.await(silentClosed)
      const refused = yield* Effect.flip(issueStateless(line))
      assert.propertyVal((refused as Error).cause, "code", "ECONNREFUSED")
    })
  )

  it.live("gives two emulators nothing in common", () =>
    Effect.gen(function* () {
      const [first, second] = [yield* started, yield* started]
      const token = yield* issueStateless(first.line)
      assert.notStrictEqual(first.line.url, second.line.url)
      assert.deepStrictEqual(yield* refusal(() => messaging(second.line, token).pushMessage(hello)), invalidToken)
      assert.deepStrictEqual(yield* second.line.liveTokens(lineChannelId), [])
      yield* Effect.all([first.close, second.close])
    })
  )

  it.live("runs on the live clock where there is no test clock", () =>
    Effect.gen(function* () {
      const { line, close } = yield* started
      const before = Date.now()
      yield* issueStateless(line)
      const [{ issuedAt, expiresAt }] = (yield* line.liveTokens(lineChannelId)) as [LiveToken]
      assert.isTrue(issuedAt >= before && issuedAt <= Date.now())
      assert.strictEqual(expiresAt - issuedAt, 900_000)
      yield* close
    })
  )
})

describe("LineEmulator: memory", () => {
  it("keeps the latest 10,000 entries of a log", () => {
    const log = Recent.make<number>()
    for (let entry = 0; entry < 10_005; entry++) {
      log.add(entry, 1)
    }
    assert.lengthOf(log.all(), 10_000)
    assert.strictEqual(log.all()[0], 5)
  })

  it("keeps fewer entries where they are large, but always the latest", () => {
    const log = Recent.make<string>()
    log.add("first", 40 * 1024 * 1024)
    log.add("second", 40 * 1024 * 1024)
    assert.deepStrictEqual(log.all(), ["second"])
    log.add("third", 100 * 1024 * 1024)
    assert.deepStrictEqual(log.all(), ["third"])
  })

  it("forgets dead tokens, never live ones", () => {
    const unlimited = Number.POSITIVE_INFINITY
    const state = LineState.make(
      {
        statelessLifetime: 1000,
        shortLivedLifetime: 1000,
        assertionSkew: 0,
        issueShortLivedPerSecond: unlimited,
        othersPerSecond: unlimited,
        monthlyQuota: unlimited
      },
      [{ channelId: lineChannelId, channelSecret: lineChannelSecret }]
    )
    const channel = state.channels.get(lineChannelId)!
    const issue = (now: number) => LineState.issue(state, { kind: "stateless", channel, lifetime: 1000 }, now)
    for (let count = 0; count < 20_000; count++) {
      issue(0)
    }
    const last = issue(1000)
    assert.deepStrictEqual(Array.from(state.tokens.values()), [last])
  })
})

const toToken = ({ token }: LiveToken) => token
