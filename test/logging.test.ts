import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { type Clock, Effect, HashMap, Logger, LogLevel, Schedule, TestClock } from "effect"
import { RefreshPolicy, TokenCache, type TokenSource } from "effect-token-cache"
import ts from "typescript"
import { fail, scripted, succeed } from "./support/issuer.js"
import { cacheOf } from "./support/series.js"
import { settableClock } from "./support/settableClock.js"

const root = fileURLToPath(new URL("..", import.meta.url))

const levels: Readonly<Record<string, string>> = {
  logTrace: "Trace",
  logDebug: "Debug",
  log: "Info",
  logInfo: "Info",
  logWarning: "Warning",
  logError: "Error",
  logFatal: "Fatal"
}

/** The text of a message, with … for what varies. */
const textOf = (message: ts.Node | undefined): string =>
  message !== undefined && ts.isStringLiteralLike(message)
    ? message.text
    : message !== undefined && ts.isTemplateExpression(message)
      ? [message.head, ...message.templateSpans.map(({ literal }) => literal)].map(({ text }) => text).join("…")
      : "not a literal"

/** The lines that a source text logs, as `Level: message`; by the console they are of no level, and have no place here. */
const linesOf = (code: string): ReadonlyArray<string> => {
  const lines: Array<string> = []
  const visit = (node: ts.Node): void => {
    if (ts.isPropertyAccessExpression(node)) {
      const { expression, name, parent } = node
      const module = expression.getText()
      if ((module === "Effect" && /^log(?!gerWith)/.test(name.text)) || /^console$/i.test(module)) {
        const message = ts.isCallExpression(parent) && parent.expression === node ? parent.arguments[0] : undefined
        lines.push(`${(module === "Effect" && levels[name.text]) || `${module}.${name.text}`}: ${textOf(message)}`)
      }
    }
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile("source.ts", code, ts.ScriptTarget.Latest, true))
  return lines
}

const inSource = () =>
  readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .flatMap((file) => linesOf(readFileSync(join(root, "src", file), "utf8")))

const inDocs = () =>
  Array.from(
    readFileSync(join(root, "docs/logging.md"), "utf8").matchAll(/^\| `([^`]+)` \| (\w+) \|/gm),
    ([, message, level]) => `${level}: ${message}`
  )

describe("docs/logging.md", () => {
  it("has each line that the library logs with its level, and no other", () => {
    const documented = inDocs()
    assert.isAtLeast(documented.length, 5)
    assert.deepStrictEqual([...documented].sort(), [...new Set(inSource())].sort())
  })

  it("is compared with all uses of Effect.log and of the console", () => {
    assert.deepStrictEqual(
      linesOf(
        `Effect.logInfo("a") /* Effect.log("b") */
        f(Effect.logError(\`c \${d} e\`, cause))
        Effect.logWarning(f)
        Effect.tapErrorCause(Effect.logError)
        Effect.logWithLevel(level, "i")
        Console.log("j"), console.error("k")
        Effect.annotateLogs("g", "h")`
      ),
      [
        "Info: a",
        "Error: c … e",
        "Warning: not a literal",
        "Error: not a literal",
        "Effect.logWithLevel: not a literal",
        "Console.log: j",
        "console.error: k"
      ]
    )
  })
})

interface Line {
  readonly level: string
  readonly message: string
  readonly token: unknown
}

/** What a cache of one token named `a` logs until it is closed, by a logger that throws at one message. */
const logged = (
  source: TokenSource.TokenSource<unknown>,
  use: Effect.Effect<unknown, unknown, TokenCache>,
  throwsAt?: string
) => {
  const lines: Array<Line> = []
  const logger = Logger.make<unknown, void>(({ annotations, logLevel, message }) => {
    const token = HashMap.get(annotations, "token")
    lines.push({
      level: logLevel._tag,
      message: String(message),
      token: token._tag === "Some" ? token.value : undefined
    })
    if (String(message) === throwsAt) throw new Error("a logger's own")
  })
  return Effect.exit(use).pipe(
    Effect.provide(cacheOf({ a: source })),
    Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
    Logger.withMinimumLogLevel(LogLevel.All),
    Effect.as(lines)
  )
}

describe("the log", () => {
  const requested = { level: "Debug", message: "Requesting an access token", token: "a" }
  const issued = { level: "Debug", message: "Issued an access token", token: "a" }

  it.effect("has a line for each attempt that starts, and one for each token that is issued", () =>
    Effect.gen(function* () {
      const use = Effect.zipRight(TokenCache.token("a"), TokenCache.refresh("a"))
      const lines = yield* logged(scripted(succeed("1 hour")), use)
      assert.deepStrictEqual(lines, [requested, issued, requested, issued])
    })
  )

  it.effect("says that a token ran out before a new one was issued, once", () =>
    Effect.gen(function* () {
      const source = { ...scripted(succeed("1 hour"), fail({ message: "no" })), retryAfter: "20 minutes" } as const
      const use = Effect.zipRight(TokenCache.token("a"), TestClock.adjust("2 hours"))
      const message = "The access token expired before a new one was issued: its readers get none now"
      assert.deepStrictEqual(
        (yield* logged(source, use)).filter((line) => line.message === message),
        [{ level: "Warning", message, token: "a" }]
      )
    })
  )

  it.effect("has one for each attempt that fails, however many read", () =>
    Effect.gen(function* () {
      const lines = yield* logged(
        scripted(fail({ message: "the bank is closed" })),
        Effect.all(
          Array.from({ length: 20 }, () => Effect.exit(TokenCache.token("a"))),
          { concurrency: "unbounded" }
        )
      )
      assert.deepStrictEqual(lines, [
        requested,
        { level: "Warning", message: "Could not issue an access token: the bank is closed", token: "a" }
      ])
    })
  )

  const schedules: Record<string, TokenSource.TokenSource["schedule"]> = {
    ended: Schedule.stop,
    died: Schedule.mapEffect(RefreshPolicy.make(), () => Effect.die("no")),
    "took longer than a second": Schedule.mapEffect(RefreshPolicy.make(), () => Effect.never)
  }
  for (const [why, schedule] of Object.entries(schedules)) {
    it.effect(`says that a schedule ${why}`, () =>
      Effect.gen(function* () {
        const source = { issue: scripted(succeed("1 hour")).issue, schedule }
        const lines = yield* logged(source, TestClock.adjust("1 second"))
        const message = `The schedule of this token ${why}; the default policy replaces it`
        assert.deepStrictEqual(
          // Effect's own, of the fiber in which it died.
          lines.filter(({ message }) => message !== "Fiber terminated with an unhandled error"),
          [requested, { level: "Error", message, token: "a" }, issued]
        )
      })
    )
  }

  it.effect("says that a logger threw, once the token is there", () =>
    Effect.gen(function* () {
      const lines = yield* logged(scripted(succeed("1 hour")), TokenCache.token("a"), issued.message)
      assert.deepStrictEqual(
        lines.map(({ level, message, token }) => [level, message.split("\n")[0], token]),
        [
          ["Debug", requested.message, "a"],
          ["Debug", issued.message, "a"],
          ["Error", "The outcome of an attempt could not be dealt with", "a"]
        ]
      )
    })
  )

  it.effect("says that the refresh fiber hit a defect, such as a clock that throws, and goes on", () =>
    Effect.gen(function* () {
      const { adjust, clock } = yield* settableClock
      let isBroken = false
      const breaking: Clock.Clock = {
        ...clock,
        unsafeCurrentTimeMillis: () => {
          if (isBroken) {
            isBroken = false
            throw new Error("the clock's own")
          }
          return clock.unsafeCurrentTimeMillis()
        }
      }
      const use = Effect.gen(function* () {
        yield* TokenCache.token("a")
        isBroken = true
        yield* adjust("1 hour")
        yield* adjust("1 second")
        yield* TokenCache.token("a")
      })
      const lines = yield* Effect.withClock(logged(scripted(succeed("1 hour")), use), breaking)
      assert.deepStrictEqual(lines, [
        requested,
        issued,
        { level: "Error", message: "The refresh fiber hit a defect and goes on", token: undefined },
        requested,
        issued
      ])
    })
  )

  it.effect("says that a token could not be revoked, without the text of the error", () =>
    Effect.gen(function* () {
      const revoke = () => Effect.fail(new TypeError("text"))
      const lines = yield* logged({ issue: scripted(succeed("1 hour")).issue, revoke }, TokenCache.token("a"))
      const { level, message, token } = lines[2] ?? issued
      assert.deepStrictEqual([...lines.slice(0, 2), level, token], [requested, issued, "Warning", "a"])
      assert.match(message, /^Could not revoke the token: .* failed with TypeError$/)
    })
  )
})
