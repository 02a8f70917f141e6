import { readFileSync } from "node:fs"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { HTTPFetchError, type messagingApi } from "@line/bot-sdk"
import { Effect, Redacted } from "effect"
import { LineChannel, TokenCache } from "effect-token-cache"
import { LineEmulator, lineChannelId } from "effect-token-cache/testing"
import { lineBot } from "../examples/line-bot-sdk.js"
import { lineChannel } from "./support/lineChannel.js"
import { runProcess } from "./support/process.js"

const push = (client: messagingApi.MessagingApiClient) =>
  client.pushMessage({ to: "U4af4980629", messages: [{ type: "text", text: "hi" }] })

const token = Effect.map(TokenCache.token("line"), (token) => `Bearer ${Redacted.value(token)}`)

const withBot = <A, E>(
  f: (
    bot: Effect.Effect.Success<ReturnType<typeof lineBot>>,
    line: LineEmulator["Type"]
  ) => Effect.Effect<A, E, TokenCache>
) =>
  Effect.gen(function* () {
    const { bySecret, line } = yield* lineChannel
    const tokens = TokenCache.layer({ line: LineChannel.stateless(bySecret) })
    return yield* Effect.provide(
      Effect.flatMap(lineBot("line", { baseURL: line.url }), (bot) => f(bot, line)),
      tokens
    )
  }).pipe(Effect.provide(LineEmulator.layer()), Effect.provide(NodeHttpClient.layerUndici))

const pushes = (line: LineEmulator["Type"]) =>
  Effect.map(line.requests, (requests) =>
    requests
      .filter(({ path }) => path === "/v2/bot/message/push")
      .map(({ headers, status }) => [headers.authorization, status])
  )

describe("the recipe for @line/bot-sdk", () => {
  // Asked for in line-bot-sdk-go#35 and line-bot-sdk-java#103: the SDK's own clients keep the token they are made with.
  it.effect(
    "line-bot-sdk-java#103, #104: sends with the token of the cache, and after a refresh with the new one",
    () =>
      withBot((bot, line) =>
        Effect.gen(function* () {
          const first = yield* token
          yield* bot(push)
          yield* TokenCache.refresh("line")
          const second = yield* token
          assert.notStrictEqual(second, first)
          yield* bot(push)
          assert.deepStrictEqual(yield* pushes(line), [
            [first, 200],
            [second, 200]
          ])
        })
      )
  )

  it.effect("keeps its client while the token stays", () =>
    withBot((bot) =>
      Effect.gen(function* () {
        const client = bot((client) => Promise.resolve(client))
        const first = yield* client
        assert.strictEqual(yield* client, first)
        yield* TokenCache.refresh("line")
        assert.notStrictEqual(yield* client, first)
      })
    )
  )

  it.effect("replaces a token that LINE refuses, and makes the call again", () =>
    withBot((bot, line) =>
      Effect.gen(function* () {
        const refused = yield* token
        yield* line.revokeAll(lineChannelId)
        const { sentMessages } = yield* bot(push)
        assert.lengthOf(sentMessages, 1)
        assert.deepStrictEqual(yield* pushes(line), [
          [refused, 401],
          [yield* token, 200]
        ])
      })
    )
  )

  it.effect("makes a call no more than twice", () =>
    withBot((bot, line) =>
      Effect.gen(function* () {
        yield* line.fault({ match: "/v2/bot/message/push", status: 401, times: 3 })
        const error = yield* Effect.flip(bot(push))
        assert.isTrue(error instanceof HTTPFetchError && error.status === 401)
        assert.lengthOf(yield* pushes(line), 2)
      })
    )
  )

  it.effect("leaves any other error as it is, and the token alone", () =>
    withBot((bot, line) =>
      Effect.gen(function* () {
        const before = yield* token
        const error = yield* Effect.flip(bot((client) => client.pushMessage({ to: "", messages: [] })))
        assert.isTrue(error instanceof HTTPFetchError && error.status === 400)
        assert.strictEqual(yield* token, before)
        assert.lengthOf(yield* pushes(line), 1)
      })
    )
  )

  it("runs against the emulator by itself, as npm run examples does, and ends with 0", async () => {
    const { scripts } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"))
    assert.include(scripts.examples, "tsx examples/line-bot.ts")
    const { code, stderr, stdout } = await runProcess("examples/line-bot.ts")
    assert.deepStrictEqual([code, stderr], [0, ""])
    assert.deepStrictEqual(stdout.trim().split("\n"), [
      "with the first token: 1 message sent",
      "with the second, in a client of its own: 1 message sent",
      "with the third, for the second was refused: 1 message sent"
    ])
  })

  it("is under 40 lines", () => {
    assert.isBelow(readFileSync(new URL("../examples/line-bot-sdk.ts", import.meta.url), "utf8").split("\n").length, 40)
  })
})
