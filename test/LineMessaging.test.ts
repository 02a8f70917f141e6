import { inspect } from "node:util"
import { FetchHttpClient, HttpClient, HttpClientError, HttpClientResponse } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { messagingApi } from "@line/bot-sdk"
import { Cause, Clock, ConfigProvider, Duration, Effect, Exit, Fiber, Redacted, TestClock } from "effect"
import { IssueError, TokenCache } from "effect-token-cache"
import * as LineChannel from "effect-token-cache/LineChannel"
import * as LineMessaging from "effect-token-cache/LineMessaging"
import {
  LineEmulator,
  type LineEmulatorOptions,
  type LoggedRequest,
  lineChannelId,
  lineChannelSecret
} from "effect-token-cache/testing"

const to = "U4af4980629"
const hi = LineMessaging.text("hi")
const retryKey = "123e4567-e89b-12d3-a456-426614174000"

/** Runs with an emulator whose tokens the cache has under the name "line", and with its URL in the environment. */
const withLine =
  (options?: LineEmulatorOptions) =>
  <A, E>(effect: Effect.Effect<A, E, LineEmulator | TokenCache | HttpClient.HttpClient>) =>
    Effect.gen(function* () {
      const { url } = yield* LineEmulator
      const source = { channelId: lineChannelId, channelSecret: lineChannelSecret, baseUrl: url }
      return yield* effect.pipe(
        Effect.provide(TokenCache.layer({ line: LineChannel.stateless(source) })),
        Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["LINE_API_BASE_URL", url]])))
      )
    }).pipe(Effect.provide(LineEmulator.layer(options)), Effect.provide(NodeHttpClient.layerUndici))

const pushes = Effect.gen(function* () {
  const { requests } = yield* LineEmulator
  return (yield* requests).filter(({ path }) => path === "/v2/bot/message/push")
})

const retryKeyOf = ({ headers }: LoggedRequest) => headers["x-line-retry-key"]

const pushError = <R>(push: Effect.Effect<unknown, unknown, R>) =>
  Effect.map(Effect.flip(push), (error) => {
    assert.instanceOf(error, LineMessaging.PushError)
    return error
  })

describe("LineMessaging.push", () => {
  it.effect("sends a message and tells its id", () =>
    Effect.gen(function* () {
      const line = yield* LineEmulator
      const pushed = yield* LineMessaging.push("line", to, hi)
      const [accepted] = yield* line.messages
      const [request] = yield* pushes
      assert.deepStrictEqual([accepted?.to, accepted?.messages], [to, [{ type: "text", text: "hi" }]])
      assert.deepStrictEqual(
        [pushed.requestId, pushed.retryKey, pushed.acceptedRequestId],
        [request!.requestId, retryKeyOf(request!), undefined]
      )
      assert.lengthOf(pushed.sentMessages, 1)
      assert.match(pushed.sentMessages[0]!.id, /^\d{18,}$/)
      assert.isString(pushed.sentMessages[0]!.quoteToken)
    }).pipe(withLine())
  )

  it.effect("sends up to five messages, in their order", () =>
    Effect.gen(function* () {
      const messages = ["a", "b", "c", "d", "e"].map(LineMessaging.text)
      const { sentMessages } = yield* LineMessaging.push("line", to, messages)
      assert.lengthOf(sentMessages, 5)
      assert.deepStrictEqual(JSON.parse((yield* pushes)[0]!.body).messages, messages)
    }).pipe(withLine())
  )

  it.effect("takes the message objects of @line/bot-sdk", () =>
    Effect.gen(function* () {
      const sticker: messagingApi.StickerMessage = { type: "sticker", packageId: "446", stickerId: "1988" }
      const text: messagingApi.Message = { type: "text", text: "hi", emojis: [] }
      assert.lengthOf((yield* LineMessaging.push("line", to, [sticker, { ...text }])).sentMessages, 2)
    }).pipe(withLine())
  )

  it.effect("sends its options, and none that is not given", () =>
    Effect.gen(function* () {
      yield* LineMessaging.push("line", to, hi)
      yield* LineMessaging.push("line", to, hi, { notificationDisabled: false, customAggregationUnits: ["promo_1"] })
      assert.deepStrictEqual(
        (yield* pushes).map(({ body }) => JSON.parse(body)),
        [
          { to, messages: [hi] },
          { to, messages: [hi], notificationDisabled: false, customAggregationUnits: ["promo_1"] }
        ]
      )
    }).pipe(withLine())
  )

  it.effect("goes to the base URL that is given before LINE_API_BASE_URL, with its path", () =>
    Effect.gen(function* () {
      const line = yield* LineEmulator
      yield* line.fault({ match: "/prefix/v2/bot/message/push", body: { sentMessages: [] } })
      yield* LineMessaging.push("line", to, hi, { baseUrl: `${line.url}/prefix/` })
      assert.strictEqual((yield* line.requests).at(-1)?.path, "/prefix/v2/bot/message/push")
    }).pipe(withLine())
  )

  it.effect("sends what @line/bot-sdk sends", () =>
    Effect.gen(function* () {
      const line = yield* LineEmulator
      const channelAccessToken = Redacted.value(yield* TokenCache.token("line"))
      const sdk = new messagingApi.MessagingApiClient({ channelAccessToken, baseURL: line.url })
      const request = {
        to,
        messages: [{ type: "text" as const, text: "hi ~* 漢字" }],
        notificationDisabled: true,
        customAggregationUnits: ["unit"]
      }
      yield* LineMessaging.push("line", to, request.messages, { ...request, retryKey })
      yield* Effect.exit(Effect.tryPromise(() => sdk.pushMessage(request, retryKey)))
      const meanings = (yield* pushes).map(({ method, path, query, headers, body }) => ({
        method,
        path,
        query,
        mediaType: headers["content-type"]?.split(";")[0],
        authorization: headers.authorization,
        retryKey: headers["x-line-retry-key"],
        body: JSON.parse(body)
      }))
      assert.lengthOf(meanings, 2)
      assert.deepStrictEqual(meanings[0], meanings[1])
    }).pipe(withLine())
  )

  it.effect("passes on that there is no token", () =>
    Effect.gen(function* () {
      const line = yield* LineEmulator
      yield* line.rotateSecret(lineChannelId, "another")
      const error = yield* Effect.flip(LineMessaging.push("line", to, hi))
      assert.deepStrictEqual([error._tag, error.reason], ["TokenUnavailable", "IssueFailed"])
      const unknown = yield* Effect.flip(LineMessaging.push("lime", to, hi))
      assert.deepStrictEqual([unknown._tag, unknown.reason], ["TokenUnavailable", "UnknownName"])
      assert.isEmpty(yield* pushes)
    }).pipe(withLine())
  )

  it.effect("refuses what cannot work before any request", () =>
    Effect.gen(function* () {
      const text = (length: number) => LineMessaging.text("x".repeat(length))
      const circular: Record<string, unknown> = { type: "flex" }
      circular.contents = circular
      const push = LineMessaging.push
      const units = "customAggregationUnits must hold at most one unit, of 1 to 30 letters, digits and _"
      const baseUrl =
        "the base URL must be https, or http on loopback, without user, query or fragment, such as https://api.line.me"
      const wrong = [
        [push("line", "", hi), "to must be the id of a user, a group or a room"],
        [push("line", to, []), "a push has 1 to 5 messages, not 0"],
        [push("line", to, [hi, hi, hi, hi, hi, hi]), "a push has 1 to 5 messages, not 6"],
        [push("line", to, [hi, { type: "" }]), "messages[1] must have a type"],
        [push("line", to, text(0)), "messages[0].text must have 1 to 5000 characters"],
        [push("line", to, text(5001)), "messages[0].text must have 1 to 5000 characters"],
        [push("line", to, { type: "textV2" }), "messages[0].text must have 1 to 5000 characters"],
        [push("line", to, { type: "flex", contents: 1n }), "messages must be plain JSON"],
        [push("line", to, { type: "flex", ...circular }), "messages must be plain JSON"],
        [
          push("line", to, { type: "flex", altText: "漢".repeat(700_000) }),
          "the messages exceed 2 MB in total, which is LINE's maximum"
        ],
        [push("line", to, hi, { retryKey: "mine" }), "retryKey must be a UUID"],
        [push("line", to, hi, { customAggregationUnits: ["a", "b"] }), units],
        [push("line", to, hi, { customAggregationUnits: ["no spaces"] }), units],
        [push("line", to, hi, { customAggregationUnits: ["x".repeat(31)] }), units],
        [push("line", to, hi, { baseUrl: "http://api.line.me" }), baseUrl],
        [
          Effect.withConfigProvider(
            push("line", to, hi),
            ConfigProvider.fromMap(new Map([["LINE_API_BASE_URL", "nowhere"]]))
          ),
          `${baseUrl}. Check the base URL (LINE_API_BASE_URL).`
        ]
      ] as const
      for (const [push, message] of wrong) {
        const error = yield* pushError(push)
        assert.deepStrictEqual([error.reason, error.message], ["InvalidRequest", message])
      }
      assert.isEmpty(yield* pushes)
      assert.lengthOf((yield* push("line", to, text(5000))).sentMessages, 1)
    }).pipe(withLine())
  )
})

describe("LineMessaging.push and its token", () => {
  it.effect("replaces a token that LINE refuses and sends the same once more", () =>
    Effect.gen(function* () {
      const line = yield* LineEmulator
      yield* line.revoke(Redacted.value(yield* TokenCache.token("line")))
      yield* LineMessaging.push("line", to, hi)
      const [first, second, ...others] = yield* pushes
      assert.deepStrictEqual([first?.status, second?.status, others], [401, 200, []])
      assert.notStrictEqual(first?.headers.authorization, second?.headers.authorization)
      assert.deepStrictEqual([first?.body, retryKeyOf(first!)], [second?.body, retryKeyOf(second!)])
      assert.lengthOf(yield* line.messages, 1)
    }).pipe(withLine())
  )

  it.effect("is Unauthorized when the next token is refused as well", () =>
    Effect.gen(function* () {
      const line = yield* LineEmulator
      yield* line.fault({ match: "/v2/bot/message/push", times: 9, status: 401, body: { message: "no" } })
      const error = yield* pushError(LineMessaging.push("line", to, hi))
      assert.deepStrictEqual(
        [error.reason, error.status, error.message],
        [
          "Unauthorized",
          401,
          "LINE answered 401: it refused the token, and then the next one. Check that the channel may use the Messaging API."
        ]
      )
      assert.lengthOf(yield* pushes, 2)
    }).pipe(withLine())
  )
})

describe("LineMessaging.push and LINE's refusals", () => {
  it.effect("tells what is wrong in LINE's words, for people", () =>
    Effect.gen(function* () {
      const line = yield* LineEmulator
      yield* line.fault({
        match: "/v2/bot/message/push",
        status: 400,
        body: {
          message: "The request body has 1 error(s)",
          details: [{ message: "May not be empty", property: "messages[0].altText" }]
        }
      })
      const error = yield* pushError(LineMessaging.push("line", to, hi, { retryKey }))
      const [request] = yield* pushes
      assert.deepStrictEqual(
        { ...error, message: error.message },
        {
          _tag: "PushError",
          reason: "Rejected",
          status: 400,
          message: "LINE answered 400: The request body has 1 error(s); messages[0].altText May not be empty",
          retryKey,
          requestId: request!.requestId
        }
      )
    }).pipe(withLine())
  )

  for (const status of [400, 403, 404, 408, 409, 413, 415]) {
    it.effect(`${status} is Rejected, at once`, () =>
      Effect.gen(function* () {
        const line = yield* LineEmulator
        yield* line.fault({ match: "/v2/bot/message/push", status, body: "<html>" })
        const error = yield* pushError(LineMessaging.push("line", to, hi))
        assert.deepStrictEqual([error.reason, error.message], ["Rejected", `LINE answered ${status}`])
        assert.lengthOf(yield* pushes, 1)
      }).pipe(withLine())
    )
  }

  it.effect("429 tells the rate and the monthly limit apart, and is not tried again", () =>
    Effect.gen(function* () {
      const line = yield* LineEmulator
      yield* LineMessaging.push("line", to, hi)
      const monthly = yield* pushError(LineMessaging.push("line", to, hi))
      assert.deepStrictEqual(
        [monthly.reason, monthly.message],
        ["MonthlyLimit", "LINE answered 429: You have reached your monthly limit."]
      )
      yield* line.fault({ match: "/v2/bot/message/push", status: 429, headers: { "retry-after": "3" } })
      const rate = yield* pushError(LineMessaging.push("line", to, hi))
      assert.deepStrictEqual([rate.reason, rate.retryAfter], ["RateLimited", Duration.seconds(3)])
      assert.lengthOf(yield* pushes, 3)
    }).pipe(withLine({ monthlyQuota: 1 }))
  )

  it.effect("an answer that is not LINE's is an InvalidResponse, and a redirect is not followed", () =>
    Effect.gen(function* () {
      const line = yield* LineEmulator
      for (const fault of [
        { status: 200, body: "<html>" },
        { status: 302, headers: { location: line.url } }
      ]) {
        yield* line.fault({ match: "/v2/bot/message/push", ...fault })
        const error = yield* pushError(LineMessaging.push("line", to, hi).pipe(Effect.provide(FetchHttpClient.layer)))
        assert.deepStrictEqual([error.reason, error.status], ["InvalidResponse", fault.status])
      }
      assert.lengthOf(yield* pushes, 2)
    }).pipe(withLine())
  )

  it.effect("holds neither the token nor the request, even if LINE echoes them", () =>
    Effect.gen(function* () {
      const line = yield* LineEmulator
      const token = Redacted.value(yield* TokenCache.token("line"))
      const secret = "a very private text"
      for (const status of [400, 401, 403, 409, 429, 200, 302]) {
        const echo = status === 400 ? `refused Bearer ${token} today` : `refused ${token}`
        yield* line.fault({
          match: "/v2/bot/message/push",
          times: 2,
          status,
          body: { message: echo, details: [{ message: token, property: token }] }
        })
        const exit = yield* Effect.exit(LineMessaging.push("line", to, LineMessaging.text(secret)))
        yield* line.clearFaults
        if (Exit.isSuccess(exit)) {
          return assert.fail(`${status} is no success`)
        }
        const printed = [
          String(Cause.squash(exit.cause)),
          inspect(exit, { depth: 20, showHidden: true }),
          JSON.stringify(exit),
          Cause.pretty(exit.cause)
        ].join("\n")
        assert.notInclude(printed, token)
        assert.notInclude(printed, secret)
        assert.notInclude(printed, "api.line.me/v2")
      }
    }).pipe(withLine())
  )
})

describe("LineMessaging.push and retries", () => {
  type Answer =
    | "hang"
    | "drop"
    | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: unknown }

  const ok: Answer = { status: 200, body: { sentMessages: [{ id: "461230966842064897" }] } }

  /** An HttpClient that answers by script, and what it was asked for. */
  const scripted = (...answers: ReadonlyArray<Answer>) => {
    const requests: Array<{ readonly at: number; readonly retryKey: string | undefined; readonly body: unknown }> = []
    const client = HttpClient.make((request) =>
      Effect.flatMap(Clock.currentTimeMillis, (at) => {
        const answer = answers[requests.length] ?? ok
        requests.push({ at, retryKey: request.headers["x-line-retry-key"], body: request.body.toJSON() })
        if (answer === "hang") {
          return Effect.never
        }
        if (answer === "drop") {
          return Effect.fail(new HttpClientError.RequestError({ request, reason: "Transport" }))
        }
        const { status, headers = {}, body } = answer
        return Effect.succeed(
          HttpClientResponse.fromWeb(request, new Response(JSON.stringify(body), { status, headers }))
        )
      })
    )
    return { requests, client }
  }

  const push = (client: HttpClient.HttpClient) =>
    LineMessaging.push("line", to, hi, { baseUrl: "https://api.line.me" }).pipe(
      Effect.provide(TokenCache.layerTest({ line: "token" })),
      Effect.provideService(HttpClient.HttpClient, client),
      Effect.exit
    )

  const afterTime = (client: HttpClient.HttpClient) =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(push(client))
      for (let second = 0; second < 120; second++) {
        yield* TestClock.adjust("1 second")
      }
      return yield* Fiber.join(fiber)
    })

  it.effect("repeats a 5xx, a broken connection and a hang with the same key and body", () =>
    Effect.gen(function* () {
      const { requests, client } = scripted({ status: 500 }, "drop", "hang")
      const pushed = yield* Effect.flatten(afterTime(client))
      assert.deepStrictEqual(pushed.sentMessages, [{ id: "461230966842064897" }])
      assert.lengthOf(requests, 4)
      for (const { retryKey, body } of requests) {
        assert.deepStrictEqual([retryKey, body], [pushed.retryKey, requests[0]!.body])
      }
    })
  )

  it.effect("waits longer each time, and gives up after the fourth attempt", () =>
    Effect.gen(function* () {
      const { requests, client } = scripted(...Array.from({ length: 9 }, () => ({ status: 503 })))
      const error = yield* pushError(Effect.flatten(afterTime(client)))
      assert.deepStrictEqual([error.reason, error.status, error.message], ["Unavailable", 503, "LINE answered 503"])
      assert.match(error.retryKey!, /^[0-9a-f-]{36}$/)
      const gaps = requests.slice(1).map(({ at }, index) => at - requests[index]!.at)
      assert.lengthOf(gaps, 3)
      gaps.forEach((gap, index) => {
        assert.isAtLeast(gap, 400 * 2 ** index)
        assert.isAtMost(gap, 600 * 2 ** index)
      })
    })
  )

  it.effect("gives LINE 15 seconds to answer", () =>
    Effect.gen(function* () {
      const { requests, client } = scripted("hang", "hang", "hang", "hang")
      const error = yield* pushError(Effect.flatten(afterTime(client)))
      assert.deepStrictEqual([error.reason, error.message], ["Unavailable", "LINE gave no answer within 15s"])
      assert.lengthOf(requests, 4)
    })
  )

  it.effect("says what broke", () =>
    Effect.gen(function* () {
      const { client } = scripted("drop", "drop", "drop", "drop")
      const error = yield* pushError(Effect.flatten(afterTime(client)))
      assert.deepStrictEqual(
        [error.reason, error.message],
        ["Unavailable", "LINE is unreachable: no answer at api.line.me"]
      )
    })
  )

  it.effect("keeps to Retry-After, up to 30 seconds", () =>
    Effect.gen(function* () {
      const soon = scripted({ status: 503, headers: { "retry-after": "30" } })
      yield* Effect.flatten(afterTime(soon.client))
      assert.strictEqual(soon.requests[1]!.at - soon.requests[0]!.at, 30_000)
      const late = scripted({ status: 503, headers: { "retry-after": "31" } })
      const error = yield* pushError(Effect.flatten(afterTime(late.client)))
      assert.deepStrictEqual([error.retryAfter, late.requests.length], [Duration.seconds(31), 1])
    })
  )

  it.effect("takes a 409 for a success if LINE accepted the key, and not if it did not", () =>
    Effect.gen(function* () {
      const [first, second] = ["123e4567-e89b-12d3-a456-426655440001", "123e4567-e89b-12d3-a456-426655440002"]
      const body = { message: "The retry key is already accepted", sentMessages: [{ id: "1", quoteToken: "q" }] }
      const accepted = scripted(
        { status: 500 },
        { status: 409, headers: { "x-line-accepted-request-id": first, "x-line-request-id": second }, body }
      )
      const { retryKey: _, ...pushed } = yield* Effect.flatten(afterTime(accepted.client))
      assert.deepStrictEqual(pushed, {
        sentMessages: [{ id: "1", quoteToken: "q" }],
        requestId: second,
        acceptedRequestId: first
      })
      const conflict = scripted({ status: 409, body })
      const error = yield* pushError(Effect.flatten(afterTime(conflict.client)))
      assert.deepStrictEqual([error.reason, error.status], ["Rejected", 409])
    })
  )

  it.live("sends a message once although the answer is lost on the way", () =>
    Effect.gen(function* () {
      const line = yield* LineEmulator
      yield* line.fault({ match: "/v2/bot/message/push", mode: "after", drop: true })
      const pushed = yield* LineMessaging.push("line", to, hi)
      const [first, second] = yield* pushes
      assert.deepStrictEqual([first?.status, second?.status], [undefined, 409])
      assert.strictEqual(pushed.acceptedRequestId, first?.requestId)
      assert.deepStrictEqual(
        (yield* line.messages).map(({ requestId }) => requestId),
        [first?.requestId]
      )
      const again = yield* LineMessaging.push("line", to, hi, { retryKey: pushed.retryKey })
      assert.deepStrictEqual(again.sentMessages, pushed.sentMessages)
    }).pipe(withLine())
  )

  it.effect("lets a caller try again with the key of the error", () =>
    Effect.gen(function* () {
      const line = yield* LineEmulator
      yield* line.fault({
        match: "/v2/bot/message/push",
        mode: "after",
        status: 503,
        headers: { "retry-after": "60" }
      })
      const { retryKey } = yield* pushError(LineMessaging.push("line", to, hi))
      yield* LineMessaging.push("line", to, hi, { retryKey })
      assert.lengthOf(yield* line.messages, 1)
    }).pipe(withLine())
  )

  it.effect("passes on that the token went away in between", () =>
    Effect.gen(function* () {
      const { client } = scripted({ status: 500 })
      const fiber = yield* Effect.fork(
        LineMessaging.push("line", to, hi, { baseUrl: "https://api.line.me" }).pipe(
          Effect.provideService(HttpClient.HttpClient, client),
          Effect.flip
        )
      )
      yield* TestClock.adjust("100 millis")
      yield* TokenCache.invalidate("line", yield* TokenCache.token("line"))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "TokenUnavailable")
    }).pipe(Effect.provide(onceOnly))
  )
})

const onceOnly = Effect.suspend(() => {
  let issued = 0
  return Effect.succeed({
    issue: Effect.suspend(() =>
      issued++ === 0
        ? Effect.succeed({ accessToken: Redacted.make("token"), expiresIn: "1 hour" as const })
        : Effect.fail(new IssueError({ reason: "Rejected", permanent: true }))
    )
  })
}).pipe((source) => TokenCache.layer({ line: source }))
