/**
 * Keeps the tokens of a LINE channel warm and shows them, in the terminal and on a status page:
 * `npm start`, or `npm start -- --seconds 20 --port 8080`.
 *
 * Without environment it plays against the emulator: a token is revoked, and for a while nothing is issued. With
 * LINE_CHANNEL_ID and LINE_CHANNEL_SECRET it keeps the tokens of that channel warm at LINE itself, with LINE_KEY_ID and
 * LINE_PRIVATE_KEY a v2.1 token as well; with LINE_USER_ID it pushes messages to that user.
 */
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Clock, Config, ConfigError, Console, Effect, Logger, Option, Redacted, Schedule, Stream } from "effect"
import { LineMessaging, StatusPage, TokenCache, type TokenEvent } from "effect-token-cache"
import { LineEmulator } from "effect-token-cache/testing"
import { parseArguments, usage } from "./main/arguments.js"
import { fromEmulator, fromEnvironment, isLineMeant } from "./main/channels.js"
import * as Screen from "./main/screen.js"
import { serve } from "./main/serve.js"
import { span, table } from "./main/table.js"

const every = (seconds: number) => Schedule.fixed(`${seconds} seconds`)

const describe = (event: TokenEvent): string => {
  switch (event._tag) {
    case "Issued":
      return `issued #${event.generation}, expires in ${span(event.expiresAt - event.at)}`
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

interface Wanted {
  readonly seconds: number
  readonly port: number
}

/** A line per event, a table, a status page, and a push with each token now and then, for as long as it is told. */
const showTokens = (options: Wanted & { readonly to?: string; readonly baseUrl?: string }) =>
  Effect.gen(function* () {
    const screen = yield* Screen.Screen
    const page = yield* StatusPage.make({ title: "Tokens of a LINE channel" })
    yield* screen.line(`status page at ${(yield* serve(page, options.port)).url}`)
    const counts = { issued: 0, failed: 0, pushed: 0, "not pushed": 0 }
    const inTrouble = new Set<string>()
    let recovered = 0

    const happened = (name: string, what: string, count?: keyof typeof counts) => {
      if (count !== undefined) counts[count]++
      return screen.line(`${name.padEnd(9)} ${what}`)
    }

    const onEvent = (event: TokenEvent) => {
      const { _tag, name } = event
      const isRecovery = _tag === "Issued" && inTrouble.delete(name)
      if (isRecovery) recovered++
      if (_tag === "IssueFailed" || _tag === "Invalidated") inTrouble.add(name)
      const count = _tag === "Issued" ? "issued" : _tag === "IssueFailed" ? "failed" : undefined
      return happened(name, describe(event) + (isRecovery ? ": recovered" : ""), count)
    }

    const draw = (...footer: ReadonlyArray<string>) =>
      Effect.zipWith(TokenCache.statuses, Clock.currentTimeMillis, (statuses, now) => [
        ...table(statuses, { now, width: screen.width, hasColors: screen.hasColors }),
        ...footer
      ]).pipe(Effect.flatMap(screen.table))

    const push = (name: string, to: string) =>
      LineMessaging.push(name, to, LineMessaging.text("still warm"), { baseUrl: options.baseUrl }).pipe(
        Effect.flatMap(() => happened(name, "pushed a message", "pushed")),
        Effect.catchAll((error) => happened(name, `not pushed: ${error.message}`, "not pushed"))
      )

    const pushWithEach = Effect.flatMap(TokenCache.statuses, (statuses) =>
      options.to === undefined ? Effect.void : Effect.forEach(statuses, ({ name }) => push(name, options.to ?? ""))
    )

    const summary = Effect.suspend(() => {
      const counted = Object.entries(counts).map(([what, count]) => `${count} ${what}`)
      return draw(`${recovered} recovered from a refused token or failed attempts`, counted.join(", "))
    })

    yield* Effect.forkScoped(Stream.runForEach(TokenCache.events, onEvent))
    yield* Effect.forkScoped(Effect.repeat(draw(), every(screen.isTerminal ? 0.25 : Math.min(10, options.seconds / 4))))
    yield* Effect.forkScoped(Effect.repeat(pushWithEach, every(Math.min(4, options.seconds / 10))))
    yield* Effect.sleep(`${options.seconds} seconds`).pipe(Effect.raceFirst(screen.closed), Effect.ensuring(summary))
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

const atEmulator = ({ port, seconds }: Wanted) => {
  const act = Math.min(60, seconds)
  const lifetime = Math.max(2, Math.round(act / 3))
  return Effect.gen(function* () {
    const { line } = yield* Screen.Screen
    const { url } = yield* LineEmulator
    yield* line(`LINE emulator at ${url}; ${seconds} seconds, or Ctrl-C`)
    yield* Effect.forkScoped(trouble(act))
    yield* showTokens({ port, seconds, to: "U4af4980629", baseUrl: url })
  }).pipe(
    Effect.scoped,
    Effect.provide(fromEmulator(lifetime)),
    Effect.provide(LineEmulator.layer({ statelessLifetime: `${lifetime} seconds` }))
  )
}

const userId = Config.string("LINE_USER_ID").pipe(
  Config.validate({ message: "Expected it not to be empty", validation: (id) => id.trim() !== "" }),
  Config.option
)

const atLine = (wanted: Wanted) =>
  Effect.flatMap(userId, (to) =>
    showTokens({ ...wanted, ...(Option.isSome(to) ? { to: to.value } : undefined) }).pipe(
      Effect.scoped,
      Effect.provide(fromEnvironment)
    )
  )

// A terminal, npm and tsx may each send the signal; runMain hears the first, the next would cut the teardown short.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => {})

Effect.gen(function* () {
  const { help, ...wanted } = yield* parseArguments(process.argv.slice(2))
  if (help) return yield* Console.log(usage)
  yield* (yield* isLineMeant) ? atLine(wanted) : atEmulator(wanted)
}).pipe(
  Effect.provide([Screen.layer, NodeHttpClient.layer, Logger.remove(Logger.defaultLogger)]),
  Effect.catchAll((error) => {
    process.exitCode = 1
    return Console.error(ConfigError.isConfigError(error) ? String(error) : error.message)
  }),
  NodeRuntime.runMain({ disablePrettyLogger: true })
)
