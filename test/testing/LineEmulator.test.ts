import { request as nodeRequest } from "node:http"
import { connect } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { LineEmulator, type LiveToken, lineChannelId, lineChannelSecret } from "effect-token-cache/testing"
import * as LineState from "../../src/testing/internal/lineState.js"
import * as Recent from "../../src/testing/internal/recent.js"
import { heldTimers } from "../support/heldTimers.js"
import {
  answerOf,
  arrived,
  emulated,
  form,
  hello,
  invalidRequest,
  invalidToken,
  issueStateless,
  messaging,
  parametersInvalid,
  promised,
  push,
  pushJson,
  refusal,
  send,
  statelessForm
} from "../support/lineEmulator.js"

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
