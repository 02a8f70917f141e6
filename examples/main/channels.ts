import { generateKeyPairSync } from "node:crypto"
import { Config, Effect, Layer, Option, Redacted } from "effect"
import { LineChannel, TokenCache } from "effect-token-cache"
import { LineEmulator, lineChannelId, lineChannelSecret } from "effect-token-cache/testing"

const isAnySet = (...variables: ReadonlyArray<string>) =>
  Effect.exists(variables, (variable) => Effect.map(Config.option(Config.redacted(variable)), Option.isSome))

/** One variable is enough to mean LINE itself: those that it lacks are then named. */
export const isLineMeant = isAnySet("LINE_CHANNEL_ID", "LINE_CHANNEL_SECRET", "LINE_KEY_ID", "LINE_PRIVATE_KEY")

/** LINE itself: a stateless token, and a v2.1 one where there is a key. */
export const fromEnvironment = Layer.unwrapEffect(
  Effect.map(isAnySet("LINE_KEY_ID", "LINE_PRIVATE_KEY"), (hasKey) =>
    hasKey
      ? TokenCache.layer({ stateless: LineChannel.statelessFromConfig, "v2.1": LineChannel.v21FromConfig })
      : TokenCache.layer({ stateless: LineChannel.statelessFromConfig })
  )
)

/** The same two kinds of token from the emulator, with a lifetime of seconds, and impatient, to show a recovery soon. */
export const fromEmulator = (lifetime: number) =>
  Layer.unwrapEffect(
    Effect.gen(function* () {
      const emulator = yield* LineEmulator
      const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 })
      const keyId = yield* emulator.registerKey(lineChannelId, {
        ...publicKey.export({ format: "jwk" }),
        alg: "RS256",
        use: "sig"
      })
      const channel = {
        channelId: lineChannelId,
        channelSecret: Redacted.make(lineChannelSecret),
        baseUrl: emulator.url
      }
      const v21 = LineChannel.v21({
        ...channel,
        keyId,
        privateKey: Redacted.make(privateKey.export({ type: "pkcs8", format: "pem" }).toString()),
        tokenLifetime: `${lifetime} seconds`
      })
      const retryAfter = Math.max(1, lifetime / 10)
      const maxRetryAfter = Math.max(retryAfter, lifetime / 5)
      const impatient = { retryAfter: `${retryAfter} seconds`, maxRetryAfter: `${maxRetryAfter} seconds` } as const
      return TokenCache.layer({
        stateless: { ...LineChannel.stateless(channel), ...impatient },
        "v2.1": { ...v21, ...impatient }
      })
    })
  )
