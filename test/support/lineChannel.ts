import { generateKeyPairSync } from "node:crypto"
import { Effect } from "effect"
import { LineEmulator, lineChannelId, lineChannelSecret } from "effect-token-cache/testing"

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 })

/** PKCS#8, made for this run. */
export const privateKey = rsa.privateKey.export({ type: "pkcs8", format: "pem" }).toString()

const publicJwk = { ...rsa.publicKey.export({ format: "jwk" }), alg: "RS256", use: "sig" }

/** The emulator's channel, its key registered, and the options that speak for it. */
export const lineChannel = Effect.gen(function* () {
  const line = yield* LineEmulator
  const keyId = yield* line.registerKey(lineChannelId, publicJwk)
  return {
    line,
    bySecret: { channelId: lineChannelId, channelSecret: lineChannelSecret, baseUrl: line.url },
    byKey: { channelId: lineChannelId, keyId, privateKey, baseUrl: line.url }
  }
})
