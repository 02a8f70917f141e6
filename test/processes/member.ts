import { createHash } from "node:crypto"
import { HttpClient, HttpClientRequest } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { Config, Effect, Either, Exit, Layer, Logger, Redacted, Runtime, Stream } from "effect"
import { LineChannel, OAuth2, TokenCache } from "effect-token-cache"
import * as TokenStoreRedis from "effect-token-cache/TokenStoreRedis"

/**
 * A process of a fleet: reads its token all the time, and writes a line of JSON for each token that is new to it, each
 * read that fails and each one that would have had to wait. A line on its stdin makes it refresh.
 */
const name = process.env.MEMBER ?? ""

const say = (line: Readonly<Record<string, unknown>>) => process.stdout.write(`${JSON.stringify({ name, ...line })}\n`)

// Not the token: the test tells tokens apart, no more.
const idOf = (token: string) => createHash("sha256").update(token).digest("hex").slice(0, 8)

/** Tells the issuer which process asks. */
const Http = Layer.effect(
  HttpClient.HttpClient,
  Effect.map(HttpClient.HttpClient, HttpClient.mapRequest(HttpClientRequest.setHeader("x-member", name)))
).pipe(Layer.provide(NodeHttpClient.layerUndici))

const line = Effect.map(LineChannel.statelessFromConfig, (source) => ({
  ...source,
  // At half of its life, so that the old token is usable for long.
  refreshBefore: "1 hour" as const,
  retryAfter: "1 second" as const,
  jitter: 0
}))

const user = OAuth2.refreshToken({
  server: process.env.OIDC_ISSUER ?? "",
  clientId: "web",
  clientSecret: process.env.OIDC_SECRET ?? "",
  refreshToken: process.env.REFRESH_TOKEN ?? ""
})

const Store = TokenStoreRedis.layerConfig({
  connection: Config.redacted("REDIS_URL"),
  leaseTimeToLive: Config.succeed("3 seconds")
})

const Tokens = (
  process.env.OIDC_ISSUER === undefined ? TokenCache.layer({ token: line }) : TokenCache.layer({ token: user })
).pipe(Layer.provide(Store), Layer.provide(Http))

const refreshes = Stream.runForEach(
  Stream.async<void>((emit) => {
    process.stdin.on("data", () => void emit.single(undefined)).on("end", () => void emit.end())
  }),
  () => Effect.map(Effect.either(TokenCache.refresh("token")), (result) => say({ refreshed: Either.isRight(result) }))
)

const reads = Effect.gen(function* () {
  const read = yield* TokenCache.reader("token")
  const first = yield* Effect.either(TokenCache.token("token"))
  if (Either.isLeft(first)) say({ failed: first.left.message })
  const runtime = yield* Effect.runtime<never>()
  let last: string | undefined
  while (true) {
    yield* Effect.sleep("20 millis")
    // A read that had to wait for anything would not end in a synchronous run.
    const exit = Runtime.runSyncExit(runtime)(read)
    if (Exit.isFailure(exit)) {
      say({ failed: String(exit.cause) })
    } else if (Redacted.value(exit.value) !== last) {
      last = Redacted.value(exit.value)
      const { sharing, generation } = yield* TokenCache.status("token")
      say({ token: idOf(last), generation, sharing })
    }
  }
})

Effect.raceFirst(reads, refreshes).pipe(
  Effect.provide(Tokens),
  Effect.provide(Logger.add(Logger.make(({ message }) => say({ log: String(message) })))),
  Effect.provide(Logger.remove(Logger.defaultLogger)),
  Effect.runPromise
)
