import { assert, describe } from "@effect/vitest"
import { Effect, Exit, TestClock } from "effect"
import { lineChannelId, lineChannelSecret } from "effect-token-cache/testing"
import {
  assertionType,
  emulated,
  invalidClient,
  invalidRequest,
  issueShortLived,
  issueStateless,
  issueV21,
  issueV21ByAssertion,
  parametersInvalid,
  promised,
  publicJwk,
  push,
  refusal,
  sign,
  tokens
} from "../support/lineEmulator.js"

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
