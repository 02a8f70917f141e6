import { generateKeyPairSync } from "node:crypto"
import { NodeHttpClient } from "@effect/platform-node"
import { Effect } from "effect"
import { LineChannel } from "effect-token-cache"
import { LineEmulator, type LineEmulatorOptions, lineChannelId, lineChannelSecret } from "effect-token-cache/testing"

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 })

/** PKCS#8, made for this run. */
export const privateKey = rsa.privateKey.export({ type: "pkcs8", format: "pem" }).toString()

export const { publicKey } = rsa

const publicJwk = { ...rsa.publicKey.export({ format: "jwk" }), alg: "RS256", use: "sig" }

/** The emulator's channel, its key registered, with the options and the sources that speak for it. */
export const lineChannel = Effect.gen(function* () {
  const line = yield* LineEmulator
  const keyId = yield* line.registerKey(lineChannelId, publicJwk)
  const bySecret = { channelId: lineChannelId, channelSecret: lineChannelSecret, baseUrl: line.url }
  const byKey = { channelId: lineChannelId, keyId, privateKey, baseUrl: line.url }
  return {
    line,
    bySecret,
    byKey,
    sources: {
      stateless: LineChannel.stateless(bySecret),
      statelessJwt: LineChannel.statelessJwt(byKey),
      v21: LineChannel.v21(byKey),
      shortLived: LineChannel.shortLived(bySecret)
    }
  }
})

/** Runs with an emulator, and a client to reach it. */
export const withLine =
  (options?: LineEmulatorOptions) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    effect.pipe(Effect.provide(LineEmulator.layer(options)), Effect.provide(NodeHttpClient.layerUndici))
