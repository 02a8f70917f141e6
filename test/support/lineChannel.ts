import { generateKeyPairSync } from "node:crypto"
import { NodeHttpClient } from "@effect/platform-node"
import { Effect } from "effect"
import { type IssueError, LineChannel } from "effect-token-cache"
import {
  LineEmulator,
  type LineEmulatorOptions,
  type LoggedRequest,
  lineChannelId,
  lineChannelSecret
} from "effect-token-cache/testing"

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

export const failureOf = (source: { readonly issue: LineChannel.LineSource["issue"] }) => Effect.flip(source.issue)

export const summary = ({ reason, permanent, message, advice }: IssueError) => ({ reason, permanent, message, advice })

export const pathsOf = (requests: ReadonlyArray<LoggedRequest>) =>
  requests.map(({ method, path }) => `${method} ${path}`)

export const form = (request: LoggedRequest | undefined) => Object.fromEntries(new URLSearchParams(request?.body))
