import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeContext, NodeHttpClient } from "@effect/platform-node"
import { Cause, Chunk, Context, Effect, Exit, Layer, Metric, Option, Redacted, type Scope, Stream } from "effect"
import {
  BearerClient,
  LineChannel,
  LineMessaging,
  OAuth2,
  StatusPage,
  TokenCache,
  TokenMetrics,
  TokenStore,
  TokenUnavailable
} from "effect-token-cache"
import * as TokenStoreRedis from "effect-token-cache/TokenStoreRedis"
import { LineEmulator, type LineFault, lineChannelId } from "effect-token-cache/testing"
import { Redis } from "ioredis"
import { assert, describe, it } from "vitest"
import * as Telemetry from "../src/internal/cache/telemetry.js"
import * as PrometheusText from "../src/internal/metrics/prometheusText.js"
import * as Api from "./support/bearerApi.js"
import { exposedLogs, exposedSpans, found, metrics, printReachable, printTo } from "./support/exposure.js"
import { lineChannel, privateKey } from "./support/lineChannel.js"
import { itWith } from "./support/parts.js"
import { startRedis } from "./support/redisServer.js"
import { key } from "./support/sharing.js"

const print = printTo(Number.POSITIVE_INFINITY)

const channelSecret = "canary0secret0123456789abcdef012"
const clientSecret = "canary1secret0123456789abcdef012"
const firstRefreshToken = "canary-refresh-token-0000000"
const redisPassword = "canary2password0123456789abcdef0"

const echo = (what: string) => `you sent ${what}, ${channelSecret}, ${clientSecret} and ${privateKey}`

/** What LINE and the authorization server do, one after the other, and what the errors say that come of it. */
const faults: ReadonlyArray<{
  readonly line: LineFault
  readonly oauth: (request: Api.Received) => Api.Answer
  readonly met: { readonly line: string; readonly oauth: string }
}> = [
  {
    line: { status: 400, body: { error: "invalid_client", error_description: echo("this"), message: echo("this") } },
    oauth: (request) => ({
      status: 400,
      body: JSON.stringify({ error: "invalid_client", error_description: echo(request.body) }),
      headers: { "content-type": "application/json", "x-request-id": clientSecret }
    }),
    met: { line: "Rejected 400", oauth: "Rejected 400" }
  },
  {
    line: { drop: true },
    oauth: () => Api.hangUp,
    met: { line: "Unreachable", oauth: "Unreachable" }
  },
  {
    line: { status: 503, body: echo("this") },
    oauth: () => Api.cutOff,
    met: { line: "Unreachable 503", oauth: "Unreachable" }
  },
  // The last one: it costs a refresh token, and the next one is not asked for within the hour.
  {
    line: { status: 200, body: { access_token: channelSecret, expires_in: echo("this") } },
    oauth: (request) => ({
      status: 200,
      body: JSON.stringify({ access_token: `${clientSecret}\n`, expires_in: 60, scope: echo(request.body) })
    }),
    met: { line: "InvalidResponse 200", oauth: "InvalidResponse 200" }
  }
]

const names = ["stateless", "v21", "shortLived", "client", "user"] as const

/** The reason and the status, if there is one, of the error that a read or a refresh failed with. */
const failureOf = ({ cause }: Exit.Failure<unknown, unknown>): string => {
  const error = Cause.squash(cause)
  assert.instanceOf(error, TokenUnavailable)
  return [error.lastError?.reason, error.lastError?.status].filter((part) => part !== undefined).join(" ")
}

/** Gives an access token and the next refresh token, unless it is told otherwise. */
const authorizationServer = Effect.gen(function* () {
  let answer: ((request: Api.Received) => Api.Answer) | undefined
  const secrets: Array<string> = [firstRefreshToken]
  const api = yield* Api.serve((request, index) => {
    // What an API answers is the app's own.
    if (request.path === "/api") return { status: 401 }
    if (answer !== undefined) return answer(request)
    const number = String(index + 1).padStart(7, "0")
    const fields = { access_token: `canary-access-token-${number}`, refresh_token: `canary-refresh-token-${number}` }
    secrets.push(...Object.values(fields))
    return {
      status: 200,
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ...fields, token_type: "Bearer", expires_in: 3600 })
    }
  })
  const become = (next: typeof answer) =>
    Effect.sync(() => {
      answer = next
    })
  return { ...api, secrets, become }
})

/**
 * Two processes that share their tokens meet one fault after the other. Gives all that the app can get hold of, printed,
 * and each secret by its name.
 */
const exposeOn = (store: Layer.Layer<TokenStore.TokenStore, unknown>) => {
  const shown: Array<string> = []
  return Effect.gen(function* () {
    const { byKey, line } = yield* lineChannel
    const oauth = yield* authorizationServer
    const bySecret = { channelId: lineChannelId, channelSecret: Redacted.make(channelSecret), baseUrl: line.url }
    const server = { issuer: oauth.url, tokenEndpoint: `${oauth.url}/token` }
    const client = { server, clientId: "app", clientSecret: Redacted.make(clientSecret) }
    const sources = {
      stateless: LineChannel.stateless(bySecret),
      v21: LineChannel.v21({ ...byKey, channelSecret }),
      shortLived: LineChannel.shortLived(bySecret),
      client: yield* OAuth2.clientCredentials(client),
      user: yield* OAuth2.refreshToken({ ...client, refreshToken: Redacted.make(firstRefreshToken) })
    }
    const Process = Layer.provideMerge(TokenCache.layer(sources, { readTimeout: "300 millis" }), store)
    const tokens: Array<string> = []

    /** Gives what the refresh of each token failed with. */
    const use = Effect.gen(function* () {
      const cache = yield* TokenCache
      const failures: Array<string> = []
      for (const name of names) {
        const token = yield* Effect.option(cache.token(name))
        tokens.push(...Option.toArray(Option.map(token, Redacted.value)))
        const bearer = yield* BearerClient.make(name, { origins: [line.url, oauth.url] })
        const fetch = yield* BearerClient.fetch(name, { origins: [line.url, oauth.url] })
        const exits: ReadonlyArray<Exit.Exit<unknown, unknown>> = [
          // A first one may take over what the other process has issued.
          yield* Effect.exit(Effect.repeatN(cache.refresh(name), 1)),
          yield* Effect.exit(cache.accessToken(name)),
          yield* Effect.exit(bearer.get(`${oauth.url}/api`)),
          yield* Effect.exit(LineMessaging.push(name, "U4af4980629", LineMessaging.text("hi"), { baseUrl: line.url })),
          yield* Effect.exit(Effect.tryPromise(() => fetch(`${oauth.url}/api`))),
          yield* Effect.exit(cache.token("nobody"))
        ]
        failures.push(...exits.slice(0, 1).filter(Exit.isFailure).map(failureOf))
        yield* Effect.logTrace("what was got", token, exits)
        shown.push(...exits.map(print), ...exits.filter(Exit.isFailure).map(({ cause }) => print(Cause.squash(cause))))
        shown.push(print([token, bearer, fetch, yield* cache.accessToken(name).pipe(Effect.option)]))
        shown.push(print(Chunk.toArray(yield* Stream.runCollect(Stream.take(cache.changes(name), 1)))))
      }
      yield* TokenMetrics.publish
      shown.push(printReachable(cache), print(yield* cache.statuses), yield* metrics)
      shown.push(
        PrometheusText.render(yield* Metric.snapshot),
        printReachable(yield* StatusPage.make({ showNames: true }))
      )
      shown.push(printReachable(yield* TokenStore.TokenStore))
      return failures
    })

    shown.push(print(sources), print(bySecret))
    const one = yield* Layer.build(Process)
    const other = yield* Layer.build(Process)
    for (const process of [one, other]) {
      const { events } = Context.get(process, TokenCache)
      yield* Effect.forkScoped(Stream.runForEach(events, (event) => Effect.sync(() => shown.push(print(event)))))
    }
    yield* Effect.forEach(names, (name) =>
      Effect.map(Effect.retry(Context.get(one, TokenCache).token(name), { times: 20 }), (token) =>
        tokens.push(Redacted.value(token))
      )
    )
    for (const { line: fault, met, oauth: answer } of faults) {
      yield* line.fault({ match: /oauth2?\//, times: Number.POSITIVE_INFINITY, ...fault })
      yield* oauth.become(answer)
      assert.deepStrictEqual(yield* Effect.provide(use, one), [met.line, met.line, met.line, met.oauth, met.oauth])
      yield* line.clearFaults
      yield* oauth.become(undefined)
      yield* Effect.provide(use, other)
    }
    yield* Effect.provide(use, one)
    for (const text of [
      "level=TRACE",
      "http.client POST",
      "IssueFailed",
      "Unreachable",
      "InvalidResponse",
      "Rejected"
    ]) {
      assert.isTrue(
        shown.some((some) => some.includes(text)),
        text
      )
    }
    const issued = (yield* line.liveTokens(lineChannelId)).map(({ token }) => token)
    const named = (name: string, values: ReadonlyArray<string>) =>
      [...new Set(values)].map((value, index) => [`${name} ${index}`, value] as const)
    const secrets = Object.fromEntries([
      ["channel secret", channelSecret],
      ["client secret", clientSecret],
      ["key of the store", Redacted.value(key.key)],
      ["password of Redis", redisPassword],
      ...named("line of the private key", privateKey.trim().split("\n").slice(1, -1)),
      ...named("token", [...tokens, ...issued, ...oauth.secrets])
    ])
    return { shown, secrets }
  }).pipe(
    Effect.provide(LineEmulator.layer({ channels: [{ channelId: lineChannelId, channelSecret }] })),
    Effect.provide(NodeHttpClient.layerUndici),
    exposedSpans(shown),
    exposedLogs(shown)
  )
}

/** Each line once: most are printed again and again, and no secret here goes over more than one. */
const linesOf = (texts: ReadonlyArray<string>) => [...new Set(texts.flatMap((text) => text.split("\n")))].join("\n")

const run = (test: Effect.Effect<void, unknown, Scope.Scope>) => test.pipe(Effect.scoped, Effect.runPromise)

describe("no secret is in any public value, inspected to the end with what is hidden,", () => {
  it("nor in a file of the store", () =>
    run(
      Effect.gen(function* () {
        const directory = yield* Effect.acquireRelease(
          Effect.sync(() => mkdtempSync(join(tmpdir(), "canary-"))),
          (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
        )
        const store = TokenStore.layerFile({ directory, encryption: [key] }).pipe(Layer.provide(NodeContext.layer))
        const { secrets, shown } = yield* exposeOn(store)
        const files = readdirSync(directory, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map(({ name, parentPath }) => `${name} ${readFileSync(join(parentPath, name), "latin1")}`)
        assert.isAtLeast(files.length, names.length)
        assert.deepStrictEqual(found(secrets, [linesOf([...shown, ...files])]), [])
      })
    ))

  itWith("redis-server")("nor in what MONITOR shows of Redis", () =>
    run(
      Effect.gen(function* () {
        const server = yield* Effect.acquireRelease(
          Effect.promise(() => startRedis()),
          (server) => Effect.promise(server.stop)
        )
        yield* Effect.promise(() => server.ask("ACL", "SETUSER", "app", "on", `>${redisPassword}`, "~*", "&*", "+@all"))
        const commands: Array<string> = []
        yield* Effect.acquireRelease(
          Effect.promise(async () => {
            const monitor = await new Redis(server.url).monitor()
            monitor.on("monitor", (_: string, command: ReadonlyArray<string>) => commands.push(command.join(" ")))
            return monitor
          }),
          (monitor) => Effect.sync(() => monitor.disconnect())
        )
        const connection = Redacted.make(`redis://app:${redisPassword}@127.0.0.1:${server.port}`)
        const { secrets, shown } = yield* exposeOn(TokenStoreRedis.layer({ connection, encryption: [key] }))
        assert.isTrue(commands.some((command) => /^HSET .*:token:/i.test(command)))
        assert.isTrue(commands.some((command) => command.includes("(redacted)")))
        assert.deepStrictEqual(found(secrets, [linesOf([...shown, ...commands])]), [])
      })
    )
  )
})

describe("a secret is found in a value", () => {
  const circle: Array<unknown> = [channelSecret]
  circle.unshift(circle)
  const values: Record<string, unknown> = {
    "behind a symbol that lists leave out": Object.defineProperty({}, Symbol("hidden"), { value: [channelSecret] }),
    "behind a symbol": { [Symbol(channelSecret)]: 1 },
    "as a key and as a value of maps": new Map([[new Map([[{}, channelSecret]]), 1]]),
    "in a set": new Set([{ channelSecret }]),
    "in what a weak map holds": new WeakMap([[circle, { deep: { channelSecret } }]]),
    "in what a promise gives": Promise.resolve({ deep: { channelSecret } }),
    "as what is the cause of an error": new Error("no", { cause: new Error("no", { cause: channelSecret }) }),
    "beside a function": Object.assign(() => {}, { channelSecret }),
    "in what comes instead of it": { toJSON: () => ({ channelSecret }) },
    "as a text that comes instead of it": new (class {
      readonly toJSON = () => channelSecret
    })(),
    "after a circle": circle,
    "at the end of a long list": Array.from({ length: 300 }, (_, index) => (index < 299 ? index : channelSecret)),
    "at the end of a long text": `${"-".repeat(20_000)}${channelSecret}`,
    "1,000 objects deep": Array.from({ length: 1000 }).reduce((value) => ({ value }), channelSecret)
  }

  it.each(Object.keys(values))("%s", (name) => {
    assert.deepStrictEqual(found({ channelSecret }, [printReachable([[[values[name]]]])]), ["channelSecret"])
  })

  it("and nothing where there is none", () => {
    const hidden = { secret: Redacted.make(channelSecret), read: () => channelSecret }
    assert.deepStrictEqual(found({ channelSecret }, [printReachable(hidden)]), [])
  })
})

describe("the telemetry of a cache", () => {
  const withTelemetry = <A, E>(use: (cache: TokenCache["Type"]) => Effect.Effect<A, E, TokenCache>) =>
    Effect.flatMap(TokenCache, use).pipe(
      Effect.provide(TokenCache.layer({ api: { issue: Effect.never } })),
      Effect.scoped,
      Effect.runPromise
    )

  it("is not enumerable: a copy of the service and what lists its properties leave it out", () =>
    withTelemetry((cache) =>
      Effect.sync(() => {
        assert.isDefined(cache[Telemetry.key])
        assert.isFalse(Object.prototype.propertyIsEnumerable.call(cache, Telemetry.key))
        assert.isUndefined({ ...cache }[Telemetry.key])
        assert.notInclude(Object.keys(Object.getOwnPropertyDescriptors({ ...cache })), "telemetry")
      })
    ))

  it("is there in TokenCache.layerTest, so that metrics and the status page show its tokens", () =>
    Effect.gen(function* () {
      yield* TokenCache.token("api")
      yield* TokenMetrics.publish
      const text = PrometheusText.render(yield* Metric.snapshot)
      assert.match(text, /token_cache_reads_total\{[^}]*token="api"/)
      assert.isFalse(Object.prototype.propertyIsEnumerable.call(yield* TokenCache, Telemetry.key))
    }).pipe(
      Effect.provide(Layer.provideMerge(TokenMetrics.layer(), TokenCache.layerTest({ api: "t" }))),
      Effect.scoped,
      Effect.runPromise
    ))
})
