import { Readable } from "node:stream"
import { FetchHttpClient, HttpBody, HttpClient, HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Redacted, Stream, TestClock } from "effect"
import { TokenCache, TokenUnavailable } from "effect-token-cache"
import * as BearerClient from "effect-token-cache/BearerClient"
import * as Api from "./support/bearerApi.js"
import { hourly, provide, setup, text, tokens } from "./support/bearerClient.js"
import * as Probe from "./support/bearerProbe.js"
import { httpClientLayers } from "./support/httpClients.js"
import * as Issuer from "./support/issuer.js"
import { until } from "./support/until.js"

/** Each read gives a new token, so that each 401 is followed by a request with another one. */
const endlessTokens = Layer.map(TokenCache.layerTest({ api: "the-token" }), (context) => {
  let reads = 0
  return Context.make(TokenCache, {
    ...Context.get(context, TokenCache),
    token: () => Effect.sync(() => Redacted.make(`token-${++reads}`))
  })
})

describe("BearerClient.make", () => {
  describe("when the API answers 401", () => {
    it.scopedLive("the token is replaced and the request sent once more", () => {
      const issuer = hourly()
      return Effect.gen(function* () {
        const { api, client } = yield* setup(Api.refusing("token-1"))
        const response = yield* client.get(api.url)
        assert.deepStrictEqual([response.status, yield* response.text], [200, "token-2"])
        assert.deepStrictEqual(tokens(api), ["token-1", "token-2"])
        assert.strictEqual(issuer.calls.length, 2)
      }).pipe(provide(issuer))
    })

    it.scopedLive("the second answer is the answer, even a 401", () => {
      const issuer = hourly()
      return Effect.gen(function* () {
        const { api, client } = yield* setup(Api.refusing("token-1", "token-2"))
        const response = yield* client.get(api.url)
        assert.deepStrictEqual([response.status, yield* response.text], [401, "token-2 is refused"])
        assert.deepStrictEqual(tokens(api), ["token-1", "token-2"])
        assert.strictEqual(issuer.calls.length, 2)
      }).pipe(provide(issuer))
    })

    it.scopedLive("with retryUnauthorized: false it is the answer, and the next request has a new token", () =>
      Effect.gen(function* () {
        const { api, client } = yield* setup(Api.refusing("token-1"), { retryUnauthorized: false })
        const response = yield* client.get(api.url)
        assert.deepStrictEqual([response.status, yield* response.text], [401, "token-1 is refused"])
        assert.deepStrictEqual(tokens(api), ["token-1"])
        assert.strictEqual(yield* text(client.get(api.url)), "token-2")
      }).pipe(provide(hourly()))
    )

    it.scopedLive.each([400, 403, 407, 500])("and %d is not 401", (status) => {
      const issuer = hourly()
      return Effect.gen(function* () {
        const { api, client } = yield* setup(() => ({ status, body: "no" }))
        const response = yield* client.get(api.url)
        assert.deepStrictEqual([response.status, yield* response.text], [status, "no"])
        assert.deepStrictEqual(tokens(api), ["token-1"])
        assert.strictEqual(issuer.calls.length, 1)
      }).pipe(provide(issuer))
    })

    it.scopedLive("50 requests at once lead to one new token, and all succeed with it", () => {
      const issuer = hourly()
      return Effect.gen(function* () {
        const { api, client } = yield* setup(Api.refusing("token-1"))
        const bodies = yield* Effect.all(
          Array.from({ length: 50 }, () => text(client.get(api.url))),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(bodies, Array(50).fill("token-2"))
        assert.deepStrictEqual(tokens(api).filter((token) => token === "token-1").length, 50)
        assert.strictEqual(issuer.calls.length, 2)
      }).pipe(provide(issuer))
    })

    it.scopedLive("a late 401 for an older token leaves the newer one", () => {
      const issuer = hourly()
      return Effect.gen(function* () {
        let refuse = () => {}
        const { api, client } = yield* setup((request) =>
          request.token === "token-1"
            ? (response) => {
                refuse = () => response.writeHead(401).end()
              }
            : { status: 200, body: request.token ?? "" }
        )
        const fiber = yield* Effect.fork(text(client.get(api.url)))
        yield* until(() => api.received.length === 1)
        yield* TokenCache.refresh("api")
        refuse()
        assert.strictEqual(yield* Fiber.join(fiber), "token-2")
        assert.strictEqual(Redacted.value(yield* TokenCache.token("api")), "token-2")
        assert.strictEqual(issuer.calls.length, 2)
      }).pipe(provide(issuer))
    })

    it.scopedLive("and there is no new token, the request fails with the reason", () =>
      Effect.gen(function* () {
        const { api, client } = yield* setup(Api.refusing("token-1"))
        const error = yield* Effect.flip(client.get(api.url))
        assert.deepInclude(error, { _tag: "RequestError", reason: "Encode" })
        assert.instanceOf(error.cause, TokenUnavailable)
        assert.deepStrictEqual(tokens(api), ["token-1"])
      }).pipe(provide(Issuer.scripted(Issuer.succeed("1 hour"), Issuer.fail())))
    )

    it.scopedLive("a mapRequest of the client inside runs once per send", () =>
      Effect.gen(function* () {
        let runs = 0
        const { api, client } = yield* setup(Api.refusing("token-1"), {
          inside: HttpClient.mapRequest((request) =>
            HttpClientRequest.setHeader(request, "x-runs", `${request.headers["x-runs"] ?? ""}${++runs}`)
          )
        })
        yield* client.get(api.url)
        assert.deepStrictEqual(
          api.received.map(({ headers }) => headers["x-runs"]),
          ["1", "2"]
        )
      }).pipe(provide(hourly()))
    )

    it.scopedLive.each(httpClientLayers)("its connection is used again: %s", ([, http]) =>
      Effect.gen(function* () {
        const { api, client } = yield* setup((_, index) => ({
          status: index % 2 === 0 ? 401 : 200,
          body: "x".repeat(60_000)
        }))
        yield* Effect.replicateEffect(text(client.get(api.url)), 20)
        assert.strictEqual(api.received.length, 40)
        assert.isAtMost(api.connections(), 2)
      }).pipe(
        Effect.provide([
          endlessTokens,
          // The agent of `NodeHttpClient.layer` keeps no connection anyway.
          http === NodeHttpClient.layer
            ? Layer.provide(NodeHttpClient.layerWithoutAgent, NodeHttpClient.makeAgentLayer({ keepAlive: true }))
            : http
        ])
      )
    )

    it.scopedLive.each(httpClientLayers)("a body that does not end is cut off: %s", ([, http]) =>
      Effect.gen(function* () {
        const { api, client } = yield* setup((request) =>
          request.token === "token-1" ? Api.endless(401) : Api.refusing("token-1")(request)
        )
        assert.strictEqual(yield* text(client.get(api.url)), "token-2")
        yield* until(() => api.received[0]!.socket.destroyed)
      }).pipe(provide(hourly(), http))
    )

    it.effect("a body that does not end is given up after a second", () => {
      const statuses = [401, 200]
      const stub = HttpClient.make((request) =>
        Effect.sync(() =>
          HttpClientResponse.fromWeb(request, new Response(new ReadableStream(), { status: statuses.shift()! }))
        )
      )
      return Effect.gen(function* () {
        const client = yield* BearerClient.make("api", { origins: ["https://api.example.com"] })
        const fiber = yield* Effect.fork(client.get("https://api.example.com"))
        yield* TestClock.adjust("999 millis")
        assert.deepStrictEqual(statuses, [200])
        yield* TestClock.adjust("1 millis")
        assert.deepStrictEqual(statuses, [])
        assert.strictEqual((yield* Fiber.join(fiber)).status, 200)
      }).pipe(provide(hourly(), Layer.succeed(HttpClient.HttpClient, stub)))
    })

    it.scopedLive("http.request.resend_count is 1 on the span of the second send, and absent on the first", () =>
      Probe.withSpans((spans) =>
        Effect.gen(function* () {
          const { api, client } = yield* setup(Api.refusing("token-1"))
          yield* client.get(api.url)
          assert.deepStrictEqual(
            spans
              .filter(({ kind }) => kind === "client")
              .map(({ attributes }) => [
                attributes.get("http.response.status_code"),
                attributes.get("http.request.resend_count")
              ]),
            [
              [401, undefined],
              [200, 1]
            ]
          )
        })
      ).pipe(provide(hourly()))
    )
  })

  describe("when the API answers 401 to a request with a body", () => {
    const formData = () => {
      const form = new FormData()
      form.append("field", "payload")
      form.append("file", new Blob(["payload"]), "file.txt")
      return form
    }

    it.scopedLive.each([
      ["text", () => HttpBody.text("payload")],
      ["JSON", () => HttpBody.unsafeJson({ field: "payload" })],
      ["a Uint8Array", () => HttpBody.uint8Array(Buffer.from("payload"))],
      ["FormData", () => HttpBody.formData(formData())],
      ["a raw string", () => HttpBody.raw("payload")],
      ["a raw ArrayBuffer", () => HttpBody.raw(new TextEncoder().encode("payload").buffer)],
      ["a raw Buffer", () => HttpBody.raw(Buffer.from("payload"))],
      ["a raw Blob", () => HttpBody.raw(new Blob(["payload"]))],
      ["raw FormData", () => HttpBody.raw(formData())],
      ["raw URLSearchParams", () => HttpBody.raw(new URLSearchParams({ field: "payload" }))]
    ] as const)("%s is sent again", ([, body]) =>
      Effect.gen(function* () {
        const { api, client } = yield* setup(Api.refusing("token-1"))
        assert.strictEqual(yield* text(client.post(api.url, { body: body() })), "token-2")
        assert.deepStrictEqual(
          api.received.map(({ body }) => body.includes("payload")),
          [true, true]
        )
      }).pipe(provide(hourly(), FetchHttpClient.layer))
    )

    const chunks = function* () {
      yield Buffer.from("pay")
      yield Buffer.from("load")
    }

    it.scopedLive.each([
      ["a Stream", () => HttpBody.stream(Stream.fromIterable(chunks()))],
      ["a raw ReadableStream", () => HttpBody.raw(Readable.toWeb(Readable.from(chunks())))],
      ["a raw Readable", () => HttpBody.raw(Readable.from(chunks()))],
      ["a raw iterable", () => HttpBody.raw(chunks())]
    ] as const)("%s is not sent again, and the next request has a new token", ([, body]) =>
      Effect.gen(function* () {
        const { api, client } = yield* setup(Api.refusing("token-1"))
        const response = yield* client.post(api.url, { body: body() })
        assert.deepStrictEqual([response.status, yield* response.text], [401, "token-1 is refused"])
        assert.deepStrictEqual(
          api.received.map(({ body }) => body),
          ["payload"]
        )
        assert.strictEqual(yield* text(client.get(api.url)), "token-2")
      }).pipe(provide(hourly(), NodeHttpClient.layerUndici))
    )
  })
})
