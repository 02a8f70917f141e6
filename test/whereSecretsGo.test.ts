import { FetchHttpClient, HttpClient, HttpClientResponse } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Layer, Redacted } from "effect"
import { BearerClient, IssuedToken, LineChannel, LineMessaging, OAuth2, TokenCache } from "effect-token-cache"
import * as Api from "./support/bearerApi.js"
import { httpClients } from "./support/httpClients.js"

describe("the metadata of an issuer over https", () => {
  /** Answers each request with metadata that names this endpoint. */
  const naming = (tokenEndpoint: string) =>
    Layer.succeed(
      HttpClient.HttpClient,
      HttpClient.make((request) =>
        Effect.succeed(
          HttpClientResponse.fromWeb(
            request,
            Response.json({ issuer: "https://issuer.example", token_endpoint: tokenEndpoint })
          )
        )
      )
    )

  for (const endpoint of [
    "http://issuer.example/token",
    "http://127.0.0.1/token",
    "https://127.0.0.1/token",
    "https://localhost/token",
    "https://app.localhost/token",
    "https://[::1]/token",
    "https://[::ffff:127.0.0.1]/token",
    "https://0.0.0.0/token",
    "https://169.254.169.254/token",
    "https://[fe80::1]/token"
  ]) {
    it.effect(`cannot have secrets sent to ${endpoint}`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(OAuth2.discover("https://issuer.example"))
        assert.deepInclude(error, { _tag: "IssueError", reason: "InvalidResponse" })
      }).pipe(Effect.provide(naming(endpoint)))
    )
  }

  for (const endpoint of ["https://issuer.example/token", "https://oauth2.example.com/token"]) {
    it.effect(`may name ${endpoint}`, () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* OAuth2.discover("https://issuer.example")).tokenEndpoint, endpoint)
      }).pipe(Effect.provide(naming(endpoint)))
    )
  }
})

describe("BearerClient", () => {
  const layers = Layer.merge(TokenCache.layerTest({ api: "t" }), FetchHttpClient.layer)
  const makers = {
    make: (options: BearerClient.BearerClientOptions) => Effect.asVoid(BearerClient.make("api", options)),
    fetch: (options: BearerClient.BearerClientOptions) => Effect.asVoid(BearerClient.fetch("api", options))
  }
  for (const [name, make] of Object.entries(makers)) {
    it.effect(`${name} sends no token over plain http, unless it is told to`, () =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(make({ origins: ["https://a.example", "http://b.example"] }))
        const defect = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
        assert.deepInclude(defect, { _tag: "InvalidOptions", option: "origins" })
        yield* make({ origins: ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:1"] })
        yield* make({ origins: ["http://b.example"], allowInsecure: true })
      }).pipe(Effect.provide(layers))
    )
  }

  /** Each read gives a new token, so that each 401 is followed by a request with another one. */
  const endlessTokens = Layer.map(TokenCache.layerTest({ api: "t" }), (context) => {
    let reads = 0
    return Context.make(TokenCache, {
      ...Context.get(context, TokenCache),
      token: () => Effect.sync(() => Redacted.make(`token-${++reads}`))
    })
  })

  /** Calls an API ten times, whose every other answer is a 401 of this length; gives how many connections that took. */
  const connections = <E, R>(length: number, call: (url: string) => Effect.Effect<unknown, E, R>) =>
    Effect.gen(function* () {
      const api = yield* Api.serve((_, index) => (index % 2 === 0 ? { status: 401, body: "x".repeat(length) } : Api.ok))
      yield* Effect.replicateEffect(call(api.url), 10)
      assert.strictEqual(api.received.length, 20)
      return api.connections()
    }).pipe(Effect.provide(endlessTokens))

  const make = (url: string) =>
    Effect.flatMap(BearerClient.make("api", { origins: [url] }), (client) =>
      Effect.flatMap(client.get(url), (response) => response.text)
    )

  const fetch = (url: string) =>
    Effect.flatMap(BearerClient.fetch("api", { origins: [url] }), (fetch) =>
      Effect.promise(async () => (await fetch(url)).text())
    )

  for (const [name, call, http] of [
    ["make over undici", make, NodeHttpClient.layerUndici],
    ["make over fetch", make, FetchHttpClient.layer],
    ["fetch", fetch, FetchHttpClient.layer]
  ] as const) {
    it.scopedLive(`${name} reads 64 KiB of a 401, and closes the connection of a longer one`, () =>
      Effect.gen(function* () {
        assert.isAtMost(yield* connections(60_000, call), 2)
        assert.isAtLeast(yield* connections(8 * 1024 * 1024, call), 10)
      }).pipe(Effect.provide(http))
    )
  }
})

describe("a token that an HTTP header cannot carry", () => {
  it.effect.each(["a\nb", "a\u0000b", "tökén", "日本"])("is refused on arrival: %j", (accessToken) =>
    Effect.gen(function* () {
      const { lastError } = yield* Effect.flip(TokenCache.token("api"))
      assert.strictEqual(lastError?.reason, "InvalidResponse")
      assert.notInclude(lastError?.message ?? "", accessToken)
    }).pipe(
      Effect.provide(
        TokenCache.layer({
          api: {
            issue: Effect.sync(() => IssuedToken.make({ accessToken: Redacted.make(accessToken), expiresIn: "1 hour" }))
          }
        })
      )
    )
  )
})

describe("an issuer's answer", () => {
  const source = (url: string) =>
    Effect.flatten(
      Effect.map(
        OAuth2.clientCredentials({
          server: { issuer: url, tokenEndpoint: `${url}/token` },
          clientId: "c",
          clientSecret: "s"
        }),
        ({ issue }) => issue
      )
    )

  for (const http of [NodeHttpClient.layerUndici, FetchHttpClient.layer]) {
    it.scopedLive("is asked for without compression, and says that it is too long", () =>
      Effect.gen(function* () {
        const api = yield* Api.serve(() => ({
          status: 200,
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ access_token: "t", expires_in: 60, padding: "x".repeat(70_000) })
        }))
        const error = yield* Effect.flip(source(api.url))
        assert.strictEqual(error.message, "the answer exceeds 64 KiB")
        assert.strictEqual(api.received[0]?.headers["accept-encoding"], "identity")
      }).pipe(Effect.provide(http))
    )
  }
})

describe("a client in the context that follows redirects", () => {
  const sources = {
    LINE: (url: string) =>
      Effect.succeed(LineChannel.stateless({ channelId: "1234567890", channelSecret: "s3cr3t", baseUrl: url })),
    "OAuth 2.0": (url: string) =>
      OAuth2.clientCredentials({
        clientId: "svc",
        clientSecret: "s3cr3t",
        server: { issuer: "https://issuer.example", tokenEndpoint: `${url}/token` }
      })
  }
  for (const [name, source] of Object.entries(sources)) {
    for (const status of [302, 307]) {
      for (const [over, http] of Object.entries(httpClients)) {
        it.scopedLive(`does not take a token request of ${name} along by ${status}, over ${over}`, () =>
          Effect.gen(function* () {
            const other = yield* Api.serve(() => Api.ok)
            const issuer = yield* Api.serve(({ path }) => ({
              status,
              headers: { location: path === "/here" ? other.url : "/here" }
            }))
            const { issue } = yield* source(issuer.url)
            const client = Effect.map(HttpClient.HttpClient, HttpClient.followRedirects())
            const error = yield* Effect.flip(issue).pipe(
              Effect.provide(Layer.effect(HttpClient.HttpClient, client)),
              Effect.provide(http)
            )
            assert.deepInclude(error, { _tag: "IssueError", reason: "InvalidResponse" })
            assert.include(error.message, "a redirect, which is not followed")
            assert.lengthOf(issuer.received, 1)
            assert.lengthOf(other.received, 0)
          })
        )
      }
    }
  }

  it.scopedLive("does not take a push along", () =>
    Effect.gen(function* () {
      const other = yield* Api.serve(() => Api.ok)
      const line = yield* Api.serve(() => ({ status: 307, headers: { location: other.url } }))
      const error = yield* LineMessaging.push("line", "U4af4980629", LineMessaging.text("hi"), {
        baseUrl: line.url
      }).pipe(Effect.flip)
      assert.propertyVal(error, "reason", "InvalidResponse")
      assert.lengthOf(other.received, 0)
    }).pipe(
      Effect.provide(TokenCache.layerTest({ line: "s3cr3t" })),
      Effect.provide(
        Layer.effect(HttpClient.HttpClient, Effect.map(HttpClient.HttpClient, HttpClient.followRedirects()))
      ),
      Effect.provide(NodeHttpClient.layerUndici)
    )
  )
})
