import { generateKeyPairSync } from "node:crypto"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect } from "effect"
import { IssueError, type TokenStatus } from "effect-token-cache"
import { LineEmulator, type LiveToken, lineChannelId, lineChannelSecret } from "effect-token-cache/testing"
import { parseArguments } from "../examples/main/arguments.js"
import { fromEnvironment, isLineMeant } from "../examples/main/channels.js"
import { span, table } from "../examples/main/table.js"
import { controlCharacters, startProcess } from "./support/process.js"

/** Runs in the process first: what its emulator answers goes to descriptor 3, so that the token values are known. */
const recordAnswers = `data:text/javascript,${encodeURIComponent(`
  import { writeSync } from "node:fs"
  import { ServerResponse } from "node:http"
  const { end } = ServerResponse.prototype
  ServerResponse.prototype.end = function(body, ...rest) {
    if (body) writeSync(3, Buffer.from(body))
    return end.call(this, body, ...rest)
  }
`)}`

const start = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
  startProcess("examples/main.ts", { args, env, nodeOptions: ["--import", recordAnswers] })

const tokensIn = (answers: string) => Array.from(answers.matchAll(/"access_token":"([^"]+)"/g), ([, token]) => token!)

describe("examples/main.ts at the emulator", () => {
  it("keeps its tokens warm through a revocation and an outage, and shows no token", async () => {
    const { code, stdout, stderr, aside } = await start(["--seconds", "24"]).ended
    assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
    assert.notMatch(stdout, controlCharacters)
    for (const part of [
      /^LINE emulator at http:\/\/127\.0\.0\.1:\d+/m,
      /^status page at http:\/\/127\.0\.0\.1:\d+$/m,
      /^NAME +STATE +LIFETIME +EXPIRES +REFRESH +READS +LAST RESULT$/m,
      /^stateless +\* ready +\[[=|-]{20}\]/m,
      /^v2\.1 +refused by the API: a new one is issued$/m,
      /^v2\.1 +issued #\d+, expires in [1-8]s: recovered$/m,
      /^v2\.1 +pushed a message$/m,
      /^stateless +failed: issuer answered 503$/m,
      /^stateless +expired: readers have to wait$/m,
      /^stateless +issued #\d+, expires in [1-8]s: recovered$/m,
      /\n[1-9] recovered from .*\n\d+ issued, \d+ failed, \d+ pushed, \d+ not pushed\n$/
    ]) {
      assert.match(stdout, part)
    }
    const afterOutage = stdout.slice(stdout.indexOf("token endpoints are back"))
    assert.match(afterOutage, /^(stateless|v2\.1) +pushed a message$/m)
    const tokens = tokensIn(aside)
    assert.isAtLeast(tokens.length, 5)
    for (const secret of [...tokens, lineChannelSecret]) {
      assert.notInclude(stdout, secret)
    }
  })

  it("ends promptly with 0 on SIGTERM", async () => {
    const startedAt = performance.now()
    const { child, ended, shows } = start([])
    await shows("pushed a message")
    const signalledAt = performance.now()
    child.kill("SIGTERM")
    const { code, stdout, stderr } = await ended
    assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
    // However busy the machine is: to end takes less than to start did.
    assert.isBelow(performance.now() - signalledAt, signalledAt - startedAt)
    assert.match(stdout, /not pushed\n$/)
  })

  it("ends with 0 and without a word when nobody reads any more", async () => {
    const { child, ended, shows } = start([])
    await shows("NAME")
    child.stdout.destroy()
    const { code, stderr } = await ended
    assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
  })
})

/** Starts it at a LINE of this test, with a stateless and a v2.1 token. */
const startAtLine = Effect.gen(function* () {
  const line = yield* LineEmulator
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 })
  const keyId = yield* line.registerKey(lineChannelId, {
    ...publicKey.export({ format: "jwk" }),
    alg: "RS256",
    use: "sig"
  })
  const key = privateKey.export({ type: "pkcs8", format: "pem" }).toString()
  const main = start([], {
    LINE_CHANNEL_ID: lineChannelId,
    LINE_CHANNEL_SECRET: lineChannelSecret,
    LINE_KEY_ID: keyId,
    LINE_PRIVATE_KEY: key,
    LINE_USER_ID: "U4af4980629",
    LINE_API_BASE_URL: line.url
  })
  yield* Effect.promise(() => main.shows("v2.1      pushed a message"))
  return { ...main, line, secrets: [lineChannelSecret, ...key.split("\n").slice(1, -2)] }
})

const kinds = (tokens: ReadonlyArray<LiveToken>) => tokens.map(({ kind }) => kind).sort()

describe("examples/main.ts at LINE", () => {
  it.live(
    "keeps both kinds of token, pushes to LINE_USER_ID, and revokes the v2.1 token however often Ctrl-C is sent",
    () =>
      Effect.gen(function* () {
        const { child, ended, line, secrets } = yield* startAtLine
        const tokens = yield* line.liveTokens(lineChannelId)
        assert.deepStrictEqual(kinds(tokens), ["stateless", "v2.1"])
        yield* line.fault({ match: "/oauth2/v2.1/revoke", delayMs: 500 })
        child.kill("SIGINT")
        yield* Effect.sleep("100 millis")
        child.kill("SIGINT")
        const { aside, code, stderr, stdout } = yield* Effect.promise(() => ended)
        assert.deepStrictEqual({ code, stderr, aside }, { code: 0, stderr: "", aside: "" })
        assert.deepStrictEqual(kinds(yield* line.liveTokens(lineChannelId)), ["stateless"])
        assert.deepStrictEqual(new Set((yield* line.messages).map(({ to }) => to)), new Set(["U4af4980629"]))
        assert.notInclude(stdout, "emulator")
        for (const secret of [...secrets, ...tokens.map(({ token }) => token)]) {
          assert.notInclude(stdout, secret)
        }
      }).pipe(Effect.provide(LineEmulator.layer()))
  )
})

describe("examples/main.ts refuses", () => {
  it("what it does not understand, in one line and with 1", async () => {
    const { code, stderr, stdout } = await start(["--seconds", "0"]).ended
    assert.deepStrictEqual({ code, stdout }, { code: 1, stdout: "" })
    assert.match(stderr, /^--seconds takes a number of more than 0[^\n]+\n$/)
  })

  for (const args of [
    ["--seconds", "-1"],
    ["--seconds=soon"],
    ["--seconds"],
    ["--seconds=Infinity"],
    ["--port=http"],
    ["--port="],
    ["--port", "65536"],
    ["soon"],
    ["-x"]
  ]) {
    it.effect(`the arguments ${args.join(" ")}`, () =>
      Effect.gen(function* () {
        const { message } = yield* Effect.flip(parseArguments(args))
        assert.match(message, /^[^\n]+ Usage: npm start -- --seconds 20$/)
      })
    )
  }

  const channel = [
    ["LINE_CHANNEL_ID", "1"],
    ["LINE_CHANNEL_SECRET", "s3cr3t"]
  ] as const
  const incomplete: ReadonlyArray<readonly [string, ReadonlyArray<readonly [string, string]>, RegExp]> = [
    ["a channel without its secret", [["LINE_CHANNEL_ID", "1"]], /LINE_CHANNEL_SECRET/],
    ["a key without its id", [...channel, ["LINE_PRIVATE_KEY", "s3cr3t"]], /LINE_KEY_ID/],
    ["a key id without a channel", [["LINE_KEY_ID", "key"]], /LINE_CHANNEL_ID/]
  ]
  for (const [name, variables, message] of incomplete) {
    it.effect(name, () =>
      Effect.gen(function* () {
        assert.isTrue(yield* isLineMeant)
        const error = String(yield* Effect.flip(Effect.provide(Effect.void, fromEnvironment)))
        assert.match(error, message)
        assert.notInclude(error, "s3cr3t")
      }).pipe(
        Effect.provide(NodeHttpClient.layer),
        Effect.withConfigProvider(ConfigProvider.fromMap(new Map(variables)))
      )
    )
  }
})

describe("the table of examples/main.ts", () => {
  const status: TokenStatus = {
    name: "stateless",
    state: "degraded",
    refreshing: false,
    issuedAt: 0,
    expiresAt: 20_000,
    nextAttemptAt: 12_000,
    generation: 2,
    consecutiveFailures: 3,
    lastError: new IssueError({ reason: "Unreachable", status: 503 }),
    reads: 7
  }
  const at = (width: number, change?: Partial<TokenStatus>) =>
    table([{ ...status, ...change }], { now: 10_000, width, hasColors: false })

  it("shows all of a token at 80 columns", () => {
    assert.deepStrictEqual(at(80), [
      "NAME      STATE      LIFETIME    EXPIRES REFRESH   READS LAST RESULT",
      "stateless ! degraded [====-|---] 10s     retry 2s  7     x3 issuer answered 503"
    ])
  })

  it("has a longer bar where there is room", () => {
    assert.include(at(120)[1], "[==========--|-------]")
  })

  it("is never wider than the terminal", () => {
    for (const width of [1, 10, 40, 60, 80, 120]) {
      for (const line of at(width)) {
        assert.isAtMost(line.length, width)
      }
    }
  })

  it("shows a token that was never issued, and one that has run out", () => {
    const nothing = { issuedAt: undefined, expiresAt: undefined, nextAttemptAt: undefined, lastError: undefined }
    assert.match(at(80, { ...nothing, state: "starting", generation: 0, refreshing: true })[1]!, /… starting +\[ {9}\]/)
    assert.match(at(80, { state: "down", expiresAt: 9000 })[1]!, /x down +\[=+\] expired retry 2s/)
  })

  it("gives durations in two units", () => {
    assert.deepStrictEqual([0, 59_400, 899_000, 7_200_000, 2_591_999_000].map(span), [
      "0s",
      "59s",
      "14m59s",
      "2h0m",
      "29d23h"
    ])
  })
})
