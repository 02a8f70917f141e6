import { randomUUID } from "node:crypto"
import { assert, describe } from "@effect/vitest"
import { Duration, Effect, Exit, TestClock } from "effect"
import { lineChannelId, lineChannelSecret } from "effect-token-cache/testing"
import {
  answerOf,
  assertionType,
  emulated,
  hello,
  invalidToken,
  issueShortLived,
  issueStateless,
  issueV21,
  messaging,
  promised,
  push,
  pushJson,
  rateLimited,
  refusal,
  refused,
  send,
  tokens
} from "../support/lineEmulator.js"

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
