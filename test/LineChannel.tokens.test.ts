import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, TestClock } from "effect"
import { TokenCache } from "effect-token-cache"
import * as LineChannel from "effect-token-cache/LineChannel"
import { lineChannelId, lineChannelSecret } from "effect-token-cache/testing"
import { lineChannel, pathsOf, summary, withLine } from "./support/lineChannel.js"
import { logged } from "./support/logs.js"

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
