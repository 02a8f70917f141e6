/** The recipe of line-bot-sdk.ts at work, against the emulator: `npx tsx examples/line-bot.ts`. */
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import { LineChannel, TokenCache } from "effect-token-cache"
import { LineEmulator, lineChannelId, lineChannelSecret } from "effect-token-cache/testing"
import { lineBot } from "./line-bot-sdk.js"

const Tokens = Layer.unwrapEffect(
  Effect.map(LineEmulator, ({ url }) =>
    TokenCache.layer({
      line: LineChannel.stateless({ channelId: lineChannelId, channelSecret: lineChannelSecret, baseUrl: url })
    })
  )
)

Effect.gen(function* () {
  const line = yield* LineEmulator
  const bot = yield* lineBot("line", { baseURL: line.url })
  const push = (text: string) =>
    Effect.flatMap(
      bot((client) => client.pushMessage({ to: "U4af4980629", messages: [{ type: "text", text }] })),
      ({ sentMessages }) => Console.log(`${text}: ${sentMessages.length} message sent`)
    )
  yield* push("with the first token")
  yield* TokenCache.refresh("line")
  yield* push("with the second, in a client of its own")
  yield* line.revokeAll(lineChannelId)
  yield* push("with the third, for the second was refused")
}).pipe(
  Effect.provide(Layer.provideMerge(Tokens, LineEmulator.layer())),
  Effect.provide(NodeHttpClient.layer),
  NodeRuntime.runMain
)
