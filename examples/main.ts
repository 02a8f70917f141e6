/**
 * Keeps the tokens of a LINE channel warm and shows them: `npm start`, or `npm start -- --seconds 20`.
 *
 * Without environment it plays against the emulator: a token is revoked, and for a while nothing is issued. With
 * LINE_CHANNEL_ID and LINE_CHANNEL_SECRET it keeps the tokens of that channel warm at LINE itself, with LINE_KEY_ID and
 * LINE_PRIVATE_KEY a v2.1 token as well; with LINE_USER_ID it pushes messages to that user.
 */
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Clock, Config, ConfigError, Console, Effect, Logger, Option, Redacted, Schedule, Stream } from "effect"
import { LineMessaging, TokenCache, type TokenEvent } from "effect-token-cache"
import { LineEmulator } from "effect-token-cache/testing"
import { secondsFromArguments } from "./main/arguments.js"
import { fromEmulator, fromEnvironment } from "./main/channels.js"
import * as Screen from "./main/screen.js"
import { table } from "./main/table.js"

const every = (seconds: number) => Schedule.fixed(`${seconds} seconds`)

const describe = (event: TokenEvent): string => {
  switch (event._tag) {
    case "Issued":
      return `issued #${event.generation}, expires in ${Math.round((event.expiresAt - event.at) / 1000)}s`
    case "IssueFailed":
      return `failed: ${event.error.message}`
    case "Invalidated":
      return "refused by the API: a new one is issued"
    case "Expired":
      return "expired: readers have to wait"
    case "Dropped":
      return "dropped"
  }
}

/** A line per event, a table, and a push with each token now and then, for as long as it is told. */
const showTokens = (options: { readonly seconds: number; readonly to?: string; readonly baseUrl?: string }) =>
  Effect.gen(function* () {
    const screen = yield* Screen.Screen
    const counts = { issued: 0, failed: 0, pushed: 0, "not pushed": 0 }

    const happened = (name: string, what: string, count?: keyof typeof counts) => {
      if (count !== undefined) counts[count]++
      return screen.line(`${name.padEnd(10)} ${what}`)
    }

    const events = Stream.runForEach(TokenCache.events, (event) => {
      const count = event._tag === "Issued" ? "issued" : event._tag === "IssueFailed" ? "failed" : undefined
      return happened(event.name, describe(event), count)
    })

    const draw = Effect.zipWith(TokenCache.statuses, Clock.currentTimeMillis, (statuses, now) =>
      table(statuses, now, screen.width)
    ).pipe(Effect.flatMap(screen.table))

    const push = (name: string, to: string) =>
      LineMessaging.push(name, to, LineMessaging.text("still warm"), { baseUrl: options.baseUrl }).pipe(
        Effect.flatMap(() => happened(name, "pushed a message", "pushed")),
        Effect.catchAll((error) => happened(name, `not pushed: ${error.message}`, "not pushed"))
      )

    const pushWithEach = Effect.flatMap(TokenCache.statuses, (statuses) =>
      options.to === undefined ? Effect.void : Effect.forEach(statuses, ({ name }) => push(name, options.to ?? ""))
    )

    const summary = Effect.suspend(() =>
      screen.line(
        Object.entries(counts)
          .map(([what, count]) => `${count} ${what}`)
          .join(", ")
      )
    )

    yield* Effect.forkScoped(events)
    yield* Effect.forkScoped(Effect.repeat(draw, every(screen.isTerminal ? 0.25 : Math.min(10, options.seconds / 4))))
    yield* Effect.forkScoped(Effect.repeat(pushWithEach, every(Math.min(4, options.seconds / 10))))
    yield* Effect.ensuring(Effect.sleep(`${options.seconds} seconds`), Effect.zipRight(draw, summary))
  })

/** What goes wrong at the emulator: the v2.1 token is revoked, then nothing is issued until tokens have run out. */
const trouble = (seconds: number) =>
  Effect.gen(function* () {
    const { line } = yield* Screen.Screen
    const emulator = yield* LineEmulator
    yield* Effect.sleep(`${seconds * 0.07} seconds`)
    yield* line("---------- the v2.1 token is revoked at the emulator")
    yield* emulator.revoke(Redacted.value(yield* TokenCache.token("v2.1")))
    yield* Effect.sleep(`${seconds * 0.2} seconds`)
    yield* line("---------- the emulator's token endpoints answer 503")
    yield* emulator.fault({ match: /^\/oauth2\//, times: Number.POSITIVE_INFINITY, status: 503 })
    yield* Effect.sleep(`${seconds * 0.4} seconds`)
    yield* line("---------- the emulator's token endpoints are back")
    yield* emulator.clearFaults
  })

const atEmulator = (seconds: number) => {
  const lifetime = Math.max(2, Math.round(seconds / 3))
  return Effect.gen(function* () {
    const { line } = yield* Screen.Screen
    const { url } = yield* LineEmulator
    yield* line(`LINE emulator at ${url}; ${seconds} seconds, or Ctrl-C`)
    yield* Effect.forkScoped(trouble(seconds))
    yield* showTokens({ seconds, to: "U4af4980629", baseUrl: url })
  }).pipe(
    Effect.scoped,
    Effect.provide(fromEmulator(lifetime)),
    Effect.provide(LineEmulator.layer({ statelessLifetime: `${lifetime} seconds` }))
  )
}

const atLine = (seconds: number) =>
  Effect.flatMap(Config.option(Config.string("LINE_USER_ID")), (to) =>
    showTokens({ seconds, ...(Option.isSome(to) ? { to: to.value } : undefined) })
  ).pipe(Effect.scoped, Effect.provide(fromEnvironment))

const isSet = (variable: string) => Effect.map(Config.option(Config.redacted(variable)), Option.isSome)

Effect.gen(function* () {
  const seconds = yield* secondsFromArguments(process.argv.slice(2))
  const isAtLine = (yield* isSet("LINE_CHANNEL_ID")) || (yield* isSet("LINE_CHANNEL_SECRET"))
  yield* isAtLine ? atLine(seconds) : atEmulator(seconds)
}).pipe(
  Effect.provide([Screen.layer, NodeHttpClient.layer, Logger.remove(Logger.defaultLogger)]),
  Effect.tapError((error) => Console.error(ConfigError.isConfigError(error) ? String(error) : error.message)),
  NodeRuntime.runMain({ disableErrorReporting: true, disablePrettyLogger: true })
)
