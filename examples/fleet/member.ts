/**
 * One of the processes of `npm run example:fleet`, an app like any other but for what it reports: it reads the token of a
 * LINE channel all the time, and shares it with the others through Redis. It ends with its stdin.
 */
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Config, Console, Effect, Layer, Logger, Schema, Stream } from "effect"
import { LineChannel, TokenCache } from "effect-token-cache"
import * as TokenStoreRedis from "effect-token-cache/TokenStoreRedis"
import { type Report, ReportLine } from "./report.js"

const say = (report: Report) => Effect.flatMap(Schema.encode(ReportLine)(report), Console.log).pipe(Effect.orDie)

const line = Config.all({
  channelId: Config.string("LINE_CHANNEL_ID"),
  keyId: Config.string("LINE_KEY_ID"),
  privateKey: Config.redacted("LINE_PRIVATE_KEY"),
  baseUrl: Config.string("LINE_API_BASE_URL"),
  tokenLifetime: Config.duration("TOKEN_LIFETIME")
}).pipe(Effect.map(LineChannel.v21))

/** The tokens that this process has issued itself, by LINE's `key_id`. */
const issuedHere = new Set<string | undefined>()

const reporting = Effect.map(line, (source) => ({
  ...source,
  issue: Effect.zipRight(say({ _tag: "Asks" }), source.issue).pipe(Effect.tap(({ keyId }) => issuedHere.add(keyId)))
}))

// The encryption keys are in TOKEN_STORE_KEYS.
const Store = TokenStoreRedis.layerConfig({
  connection: Config.redacted("REDIS_URL"),
  leaseTimeToLive: Config.duration("LEASE_TIME_TO_LIVE")
})

const Tokens = TokenCache.layer({ line: reporting }, { prefetch: "sync" }).pipe(
  Layer.provide(Store),
  Layer.provide(NodeHttpClient.layer)
)

const reportTokens = TokenCache.changes("line").pipe(
  Stream.changesWith((one, other) => one.generation === other.generation),
  Stream.runForEach(({ sharing = "local" }) =>
    Effect.flatMap(TokenCache.accessToken("line"), ({ expiresAt, issuedAt, keyId = "" }) =>
      say({ _tag: "HasToken", keyId, issuedHere: issuedHere.has(keyId), sharing, expiresIn: expiresAt - issuedAt })
    )
  )
)

const reportFailures = Stream.runForEach(TokenCache.events, (event) =>
  event._tag === "IssueFailed" ? say({ _tag: "Failed", message: event.error.message }) : Effect.void
)

const readAllTheTime = Effect.gen(function* () {
  let reads = 0
  let failed = 0
  const read = Effect.match(TokenCache.token("line"), { onFailure: () => failed++, onSuccess: () => reads++ })
  const report = Effect.suspend(() => {
    const counted = { reads: reads + failed, failed }
    reads = 0
    failed = 0
    return say({ _tag: "Reads", ...counted })
  })
  yield* Effect.forkScoped(Effect.forever(Effect.delay(report, "500 millis")))
  yield* Effect.forever(Effect.delay(read, "5 millis"))
})

const stdinEnds = Effect.async<void>((resume) => {
  process.stdin.resume().once("end", () => resume(Effect.void))
})

// Who reads it may be gone first.
process.stdout.on("error", () => {})

Effect.all([readAllTheTime, reportTokens, reportFailures], { concurrency: "unbounded" }).pipe(
  Effect.raceFirst(stdinEnds),
  Effect.scoped,
  Effect.provide(Tokens),
  Effect.provide(Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger))),
  NodeRuntime.runMain({ disablePrettyLogger: true })
)
