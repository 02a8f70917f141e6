/**
 * Five processes that share the v2.1 token of a LINE channel through Redis: `npm run example:fleet`, or
 * `npm run example:fleet -- --seconds 60`. Needs redis-server.
 *
 * Starts a redis-server, the LINE emulator and the processes, which are `examples/fleet/member.ts`; kills the one that
 * issues a token in the middle of it, starts another in its place, and counts what was issued.
 */
import { randomBytes } from "node:crypto"
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { Clock, Console, Effect, Fiber, Logger } from "effect"
import { LineEmulator } from "effect-token-cache/testing"
import { parseSeconds } from "./fleet/arguments.js"
import { channel, tokenPath } from "./fleet/channel.js"
import { type Fleet, makeFleet } from "./fleet/fleet.js"
import { startRedis } from "./fleet/redis.js"
import * as Screen from "./main/screen.js"

const names = ["bot-1", "bot-2", "bot-3", "bot-4", "bot-5"]

const timing = { TOKEN_LIFETIME: "10 seconds", LEASE_TIME_TO_LIVE: "2 seconds" }

const untilTrue = <E, R>(holds: Effect.Effect<boolean, E, R>) =>
  Effect.repeat(Effect.delay(holds, "50 millis"), { until: (holds) => holds })

/** How often LINE has been asked for a token. */
const issues = Effect.flatMap(LineEmulator, ({ requests }) =>
  Effect.map(requests, (all) => all.filter(({ path }) => path === tokenPath).length)
)

type Say = (name: string, what: string) => Effect.Effect<void>

/** The one that issues a token is killed before it has it; then another is started in its place. */
const killIssuer = ({ kill, nextToAsk, start, tally: { counts } }: Fleet, say: Say) =>
  Effect.gen(function* () {
    const emulator = yield* LineEmulator
    const before = { issues: yield* issues, tokens: counts.tokens }
    const asker = yield* Effect.fork(nextToAsk)
    yield* emulator.fault({ match: tokenPath, delayMs: 5000 })
    yield* say("-----", "LINE is slow: its next answer takes 5 seconds")
    const name = yield* Fiber.join(asker)
    yield* untilTrue(Effect.map(issues, (count) => count > before.issues))
    yield* Effect.sleep("300 millis")
    yield* kill(name)
    yield* say(
      "-----",
      `${name} is killed (SIGKILL) while it issues; the others read on, and wait for its lease to run out`
    )
    yield* untilTrue(Effect.sync(() => counts.tokens > before.tokens))
    yield* Effect.sleep("300 millis")
    yield* say("-----", "bot-6 is started in its place")
    yield* start("bot-6")
  })

const summary = ({ tally: { counts, lost } }: Fleet) =>
  Effect.map(issues, (issues) => [
    `${counts.tokens} tokens from ${issues} issues${lost.size === 0 ? "" : `, one of them lost with ${[...lost]}`}`,
    `without a store each process issues its own: ${counts.received} issues`,
    `${counts.reads} reads, ${counts.failedReads} failed`
  ])

const showFleet = (seconds: number) =>
  Effect.gen(function* () {
    const screen = yield* Screen.Screen
    const redis = yield* startRedis
    const { url } = yield* LineEmulator
    yield* screen.line(`redis-server on port ${redis.port}, LINE emulator at ${url}`)
    const startedAt = yield* Clock.currentTimeMillis
    let isOver = false

    const say: Say = (name, what) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        isOver ? Effect.void : screen.line(`${((now - startedAt) / 1000).toFixed(1).padStart(5)}s  ${name}  ${what}`)
      )

    const fleet = yield* makeFleet(
      {
        ...timing,
        ...(yield* channel),
        REDIS_URL: redis.url,
        TOKEN_STORE_KEYS: `example:${randomBytes(32).toString("base64")}`
      },
      say
    )
    const { asking, having } = fleet.tally

    const story = Effect.gen(function* () {
      yield* Effect.forEach(names, fleet.start)
      yield* untilTrue(Effect.sync(() => names.every((name) => having.has(name))))
      yield* say("-----", `all have one; ${seconds} seconds from here, or Ctrl-C`)
      yield* Effect.forkScoped(Effect.delay(killIssuer(fleet, say), `${seconds * 0.2} seconds`))
      yield* Effect.sleep(`${seconds} seconds`)
      // An issue that is under way at the end would count, and its token would not.
      yield* untilTrue(Effect.sync(() => asking.size === 0))
    })

    const end = Effect.flatMap(summary(fleet), (lines) => {
      isOver = true
      return Effect.forEach(lines, screen.line)
    })

    yield* story.pipe(Effect.raceFirst(screen.closed), Effect.raceFirst(fleet.broken), Effect.ensuring(end))
  }).pipe(Effect.scoped)

// A terminal, npm and tsx may each send the signal; runMain hears the first, the next would cut the teardown short.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => {})

parseSeconds(process.argv.slice(2)).pipe(
  Effect.flatMap(showFleet),
  Effect.provide([Screen.layer, LineEmulator.layer(), NodeContext.layer, Logger.remove(Logger.defaultLogger)]),
  Effect.catchAll((error) => {
    process.exitCode = 1
    return Console.error(error.message)
  }),
  NodeRuntime.runMain({ disablePrettyLogger: true })
)
