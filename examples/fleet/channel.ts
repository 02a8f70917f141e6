import { generateKeyPairSync } from "node:crypto"
import { Effect } from "effect"
import { LineEmulator, lineChannelId } from "effect-token-cache/testing"

/** Where v2.1 tokens are issued. */
export const tokenPath = "/oauth2/v2.1/token"

/** Registers a key at the emulator, and gives what a member needs to issue tokens with it. */
export const channel = Effect.gen(function* () {
  const emulator = yield* LineEmulator
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 })
  const keyId = yield* emulator.registerKey(lineChannelId, {
    ...publicKey.export({ format: "jwk" }),
    alg: "RS256",
    use: "sig"
  })
  return {
    LINE_CHANNEL_ID: lineChannelId,
    LINE_KEY_ID: keyId,
    LINE_PRIVATE_KEY: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    LINE_API_BASE_URL: emulator.url
  }
})
