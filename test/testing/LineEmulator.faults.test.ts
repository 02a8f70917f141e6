import { randomUUID } from "node:crypto"
import { assert, describe } from "@effect/vitest"
import { HTTPFetchError } from "@line/bot-sdk"
import { Effect, Exit, Fiber, TestClock } from "effect"
import { lineChannelId, lineChannelSecret } from "effect-token-cache/testing"
import {
  answerOf,
  arrived,
  emulated,
  form,
  hello,
  invalidToken,
  issueShortLived,
  issueStateless,
  messaging,
  promised,
  push,
  pushJson,
  refusal,
  refused,
  send,
  statelessForm,
  tokens,
  toToken
} from "../support/lineEmulator.js"

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
