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
  TokenStore
} from "effect-token-cache"
import * as TokenStoreRedis from "effect-token-cache/TokenStoreRedis"
import { LineEmulator, type LineFault, lineChannelId } from "effect-token-cache/testing"
import { Redis } from "ioredis"
import { assert, describe, it } from "vitest"
import * as Telemetry from "../src/internal/cache/telemetry.js"
import * as PrometheusText from "../src/internal/metrics/prometheusText.js"
import * as Api from "./support/bearerApi.js"
import { exposedLogs, exposedSpans, found, metrics, printTo } from "./support/exposure.js"
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

/** What LINE and the authorization server do, one after the other. */
const faults: ReadonlyArray<{ readonly line: LineFault; readonly oauth: (request: Api.Received) => Api.Answer }> = [
  {
    line: { status: 400, body: { error: "invalid_client", error_description: echo("this"), message: echo("this") } },
    oauth: (request) => ({
      status: 400,
      body: JSON.stringify({ error: "invalid_client", error_description: echo(request.body) }),
      headers: { "content-type": "application/json", "x-request-id": clientSecret }
    })
  },
  {
    line: { status: 200, body: { access_token: channelSecret, expires_in: echo("this") } },
    oauth: (request) => ({
      status: 200,
      body: JSON.stringify({ access_token: `${clientSecret}\n`, expires_in: 60, scope: echo(request.body) })
    })
  },
  { line: { drop: true }, oauth: () => Api.hangUp },
  { line: { status: 503, body: echo("this") }, oauth: () => Api.cutOff },
  { line: { times: 0 }, oauth: () => Api.ok }
]

const names = ["stateless", "v21", "shortLived", "client", "user"] as const

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

    const use = Effect.gen(function* () {
      const cache = yield* TokenCache
      yield* Effect.forkScoped(Stream.runForEach(cache.events, (event) => Effect.sync(() => shown.push(print(event)))))
      for (const name of names) {
        const token = yield* Effect.option(cache.token(name))
        tokens.push(...Option.toArray(Option.map(token, Redacted.value)))
        const bearer = yield* BearerClient.make(name, { origins: [line.url, oauth.url] })
        const fetch = yield* BearerClient.fetch(name, { origins: [line.url, oauth.url] })
        const exits: ReadonlyArray<Exit.Exit<unknown, unknown>> = [
          yield* Effect.exit(cache.refresh(name)),
          yield* Effect.exit(cache.accessToken(name)),
          yield* Effect.exit(bearer.get(`${oauth.url}/api`)),
          yield* Effect.exit(LineMessaging.push(name, "U4af4980629", LineMessaging.text("hi"), { baseUrl: line.url })),
          yield* Effect.exit(Effect.tryPromise(() => fetch(`${oauth.url}/api`))),
          yield* Effect.exit(cache.token("nobody"))
        ]
        yield* Effect.logTrace("what was got", token, exits)
        shown.push(...exits.map(print), ...exits.filter(Exit.isFailure).map(({ cause }) => print(Cause.squash(cause))))
        shown.push(print([token, bearer, fetch, yield* cache.accessToken(name).pipe(Effect.option)]))
        shown.push(print(Chunk.toArray(yield* Stream.runCollect(Stream.take(cache.changes(name), 1)))))
      }
      yield* TokenMetrics.publish
      shown.push(print(cache), print(cache[Telemetry.key]), print(yield* cache.statuses), yield* metrics)
      shown.push(PrometheusText.render(yield* Metric.snapshot), print(yield* StatusPage.make({ showNames: true })))
      shown.push(print(yield* TokenStore.TokenStore))
    })

    shown.push(print(sources), print(bySecret))
    const one = yield* Layer.build(Process)
    const other = yield* Layer.build(Process)
    yield* Effect.forEach(names, (name) =>
      Effect.map(Effect.retry(Context.get(one, TokenCache).token(name), { times: 20 }), (token) =>
        tokens.push(Redacted.value(token))
      )
    )
    for (const fault of faults) {
      yield* line.fault({ match: /oauth2?\//, times: Number.POSITIVE_INFINITY, ...fault.line })
      yield* oauth.become(fault.line.times === 0 ? undefined : fault.oauth)
      yield* Effect.provide(use, one)
      yield* line.fault({ times: 0 })
      yield* oauth.become(undefined)
      yield* Effect.provide(use, other)
    }
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
        assert.deepStrictEqual(found(secrets, [...shown, ...files]), [])
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
        assert.deepStrictEqual(found(secrets, [...shown, ...commands]), [])
      })
    )
  )
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
