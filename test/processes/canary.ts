import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Cause, Effect, Exit, Logger, LogLevel, Metric, Redacted } from "effect"
import { LineChannel, LineMessaging, TokenCache } from "effect-token-cache"
import { fastClock } from "../support/fastClock.js"

// An app that prints whatever it gets hold of, at Trace, while its issuer misbehaves, until its stdin ends; its own end
// is a failure.
const Tokens = TokenCache.layer({
  stateless: LineChannel.statelessFromConfig,
  statelessJwt: LineChannel.statelessJwtFromConfig,
  v21: LineChannel.v21FromConfig,
  shortLived: LineChannel.shortLivedFromConfig
})

const names = ["stateless", "statelessJwt", "v21", "shortLived"] as const

const printed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Effect.exit(effect), (exit) => {
    console.log(exit)
    console.error(exit, JSON.stringify(exit))
    if (Exit.isFailure(exit)) {
      console.error(Cause.squash(exit.cause), Cause.pretty(exit.cause, { renderErrorCause: true }))
    }
    return Effect.logTrace("exit", exit)
  })

const use = (name: string) =>
  Effect.gen(function* () {
    yield* printed(TokenCache.refresh(name))
    yield* printed(TokenCache.accessToken(name))
    yield* printed(LineMessaging.push(name, "U4af4980629", LineMessaging.text("hi")))
    yield* Effect.ignore(Effect.flatMap(TokenCache.token(name), (token) => TokenCache.invalidate(name, token)))
  })

const round = Effect.gen(function* () {
  yield* Effect.forEach(names, use, { concurrency: "unbounded" })
  console.error(yield* TokenCache.statuses, yield* Metric.snapshot)
})

Effect.gen(function* () {
  const stdinEnds = Effect.async<void>((resume) => {
    process.stdin.resume().once("end", () => resume(Effect.void))
  })
  yield* Effect.raceFirst(Effect.forever(round), stdinEnds)
  console.log(Redacted.make("done"))
  return yield* Effect.flatMap(TokenCache.token("nobody"), Effect.log)
}).pipe(
  Effect.provide(Tokens),
  Effect.provide(NodeHttpClient.layerUndici),
  Effect.provide(Logger.add(Logger.jsonLogger.pipe(Logger.withConsoleError))),
  Logger.withMinimumLogLevel(LogLevel.All),
  Effect.withClock(fastClock(20)),
  NodeRuntime.runMain
)
