import { Headers, HttpClient, HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schema, Stream } from "effect"
import { TokenCache } from "effect-token-cache"
import * as BearerClient from "effect-token-cache/BearerClient"
import * as Api from "./support/bearerApi.js"
import { answers, hourly, over, provide, setup, text, tokens } from "./support/bearerClient.js"
import * as Probe from "./support/bearerProbe.js"
import { httpClientLayers } from "./support/httpClients.js"
import * as Issuer from "./support/issuer.js"

describe("BearerClient.make", () => {
  describe("what the caller gets back", () => {
    it.scopedLive.each(httpClientLayers)("holds the caller's own request: %s", ([, http]) =>
      Effect.gen(function* () {
        const { api, client } = yield* setup(({ path }) => answers[path]!)
        const sent = (path: string) => {
          const request = HttpClientRequest.get(`${api.url}${path}`)
          return Effect.map(client.execute(request), (response) => ({ request, response }))
        }
        const unread = yield* sent("/ok")
        assert.strictEqual(unread.response.request, unread.request)

        const unreadable = yield* sent("/not-json")
        const decoding = yield* Effect.flip(unreadable.response.json)
        assert.strictEqual(decoding.request, unreadable.request)
        assert.strictEqual(decoding.response, unreadable.response)

        const cut = yield* sent("/cut-off")
        const streaming = yield* Effect.flip(Stream.runDrain(cut.response.stream))
        assert.instanceOf(streaming.cause, Error)
        assert.strictEqual(streaming.request, cut.request)
        assert.strictEqual(streaming.response, cut.response)

        const request = HttpClientRequest.get(`${api.url}/hang-up`)
        const sending = yield* Effect.flip(client.execute(request))
        assert.strictEqual(sending.request, request)
        assert.instanceOf(sending.cause, Error)
      }).pipe(provide(hourly(), http))
    )

    it.scopedLive("holds the caller's own request when the client inside filters", () =>
      Effect.gen(function* () {
        const { api, client } = yield* setup(() => ({ status: 500 }), { inside: HttpClient.filterStatusOk })
        const request = HttpClientRequest.get(api.url)
        const error = yield* Effect.flip(client.execute(request))
        assert.deepInclude(error, { _tag: "ResponseError", reason: "StatusCode" })
        assert.strictEqual(error.request, request)
        assert.strictEqual(error._tag === "ResponseError" && error.response.request, request)
      }).pipe(provide(hourly()))
    )

    it.scopedLive("holds the request as the client inside made it, where it did", () =>
      Effect.gen(function* () {
        const api = yield* Api.serve(() => ({ status: 302, headers: { location: "/there" } }))
        const client = yield* over(
          HttpClient.mapRequest(HttpClientRequest.prependUrl(api.url)),
          BearerClient.make("api", { origins: [api.url] })
        )
        const response = yield* client.get("/here")
        assert.strictEqual(response.request.url, `${api.url}/here`)
        assert.deepStrictEqual({ ...response.request.headers }, {})
      }).pipe(provide(hourly()))
    )

    it.scopedLive("is the whole answer", () =>
      Effect.gen(function* () {
        const { api, client } = yield* setup(({ path }) => ({
          status: 207,
          headers: { "set-cookie": "a=b", "content-type": "application/x-www-form-urlencoded", "x-id": path },
          body: "c=d"
        }))
        const responses = yield* Effect.forEach(["/1", "/2", "/3", "/4"], (path) => client.get(`${api.url}${path}`))
        assert.strictEqual(responses[0]!.status, 207)
        assert.strictEqual(responses[0]!.headers["x-id"], "/1")
        assert.deepStrictEqual(responses[0]!.cookies.cookies.a?.value, "b")
        assert.deepStrictEqual(responses[0]!.remoteAddress, Option.some("127.0.0.1"))
        assert.deepStrictEqual([...(yield* responses[0]!.urlParamsBody)], [["c", "d"]])
        assert.strictEqual((yield* responses[1]!.formData).get("c"), "d")
        assert.strictEqual((yield* responses[2]!.arrayBuffer).byteLength, 3)
        assert.strictEqual(yield* Stream.mkString(Stream.decodeText(responses[3]!.stream)), "c=d")
      }).pipe(provide(hourly(), NodeHttpClient.layer))
    )
  })

  describe.each(httpClientLayers)("over %s, no way to print this gives the token away:", (_name, http) => {
    const canary = "canary-0123456789"

    type Get = (path: keyof typeof answers) => ReturnType<HttpClient.HttpClient["get"]>

    const outcomes: Record<string, (get: Get) => Effect.Effect<unknown, unknown>> = {
      "a response": (get) => get("/ok"),
      "a response that was read": (get) => Effect.tap(get("/ok"), (response) => response.text),
      "an answer of 401": (get) => get("/401"),
      "effects that read the body": (get) =>
        Effect.map(get("/ok"), (response) => [response.json, response.text, response.stream, response.formData]),
      "an effect that failed to read the body": (get) =>
        Effect.flatMap(get("/cut-off"), (response) => Effect.as(Effect.exit(response.text), response.text)),
      "a failure of json": (get) => Effect.flatMap(get("/not-json"), (response) => response.json),
      "a failure of formData": (get) => Effect.flatMap(get("/ok"), (response) => response.formData),
      "a failure of schemaBodyJson": (get) =>
        Effect.flatMap(get("/json"), HttpClientResponse.schemaBodyJson(Schema.Struct({ id: Schema.Number }))),
      "a failure of filterStatusOk": (get) => Effect.flatMap(get("/500"), HttpClientResponse.filterStatusOk),
      "a text that was cut off": (get) => text(get("/cut-off")),
      "an arrayBuffer that was cut off": (get) => Effect.flatMap(get("/cut-off"), (response) => response.arrayBuffer),
      "a urlParamsBody that was cut off": (get) =>
        Effect.flatMap(get("/cut-off"), (response) => response.urlParamsBody),
      "a stream that was cut off": (get) => Stream.runDrain(HttpClientResponse.stream(get("/cut-off"))),
      "a connection that was reset": (get) => get("/hang-up"),
      "an interruption": (get) => Effect.timeout(get("/silent"), "50 millis")
    }

    /** Its exit, its spans and its logs. */
    const observed = <R>(
      outcome: (get: Get) => Effect.Effect<unknown, unknown>,
      makeClient: (
        api: Effect.Effect.Success<ReturnType<typeof Api.serve>>
      ) => Effect.Effect<HttpClient.HttpClient, never, R>
    ) =>
      Probe.withLogs((logs) =>
        Probe.withSpans((spans) =>
          Effect.gen(function* () {
            const api = yield* Api.serve(({ path }) => answers[path]!)
            const client = yield* makeClient(api)
            const exit = yield* Effect.exit(outcome((path) => client.get(`${api.url}${path}`)))
            assert.include(tokens(api)[0], canary)
            assert.include(
              spans.map(({ name }) => name),
              "http.client GET"
            )
            return { exit, spans, logs }
          }).pipe(
            provide(
              Issuer.scripted(Issuer.succeed("1 hour", `${canary}-1`), Issuer.succeed("1 hour", `${canary}-2`)),
              http
            )
          )
        )
      )

    const overBearerClient =
      (options?: { readonly inside?: (client: HttpClient.HttpClient) => HttpClient.HttpClient }) =>
      (api: { readonly url: string }) =>
        over(options?.inside, BearerClient.make("api", { origins: [api.url] }))

    it.scopedLive.each(Object.entries(outcomes))("%s", ([, outcome]) =>
      Effect.gen(function* () {
        const { exit, logs, spans } = yield* observed(outcome, overBearerClient())
        assert.deepStrictEqual(
          [exit, spans, logs].map((value) => Probe.leaks(canary, value)),
          [[], [], []]
        )
      })
    )

    it.scopedLive("an error of a client inside that filters, and its span", () =>
      Effect.gen(function* () {
        const { exit, spans } = yield* observed(
          (get) => Effect.withSpan(get("/500"), "outside"),
          overBearerClient({
            inside: (client) =>
              HttpClient.transformResponse(HttpClient.filterStatusOk(client), Effect.withSpan("inside"))
          })
        )
        assert.includeMembers(
          spans.map(({ name }) => name),
          ["outside", "inside", "http.client GET"]
        )
        assert.deepStrictEqual(
          [exit, spans].map((value) => Probe.leaks(canary, value)),
          [[], []]
        )
      })
    )

    it.scopedLive("a span, when Headers.currentRedactedNames is replaced", () =>
      Effect.gen(function* () {
        const { spans } = yield* Effect.locally(
          observed((get) => get("/ok"), overBearerClient()),
          Headers.currentRedactedNames,
          ["x-secret"]
        )
        assert.deepStrictEqual(Probe.leaks(canary, spans), [])
      })
    )

    // What the tests above would see if they were blind.
    it.scopedLive.each(["/ok", "/hang-up"])("(without BearerClient all of it does: %s)", (path) =>
      Effect.gen(function* () {
        const { exit, spans } = yield* observed(
          (get) => get(path),
          () =>
            Effect.zipWith(HttpClient.HttpClient, Effect.orDie(TokenCache.token("api")), (client, token) =>
              HttpClient.mapRequest(client, HttpClientRequest.bearerToken(token))
            )
        )
        for (const value of [exit, spans]) {
          assert.includeMembers([...Probe.leaks(canary, value)], ["inspect", "inspect without customInspect"])
        }
      })
    )
  })
})
