import { Readable } from "node:stream"
import { FetchHttpClient, Headers, HttpBody, HttpClient, HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Context,
  Deferred,
  Effect,
  Exit,
  Fiber,
  Layer,
  Option,
  Redacted,
  Schema,
  Stream,
  TestClock
} from "effect"
import { InvalidOptions, IssuedToken, TokenCache, TokenUnavailable } from "effect-token-cache"
import * as BearerClient from "effect-token-cache/BearerClient"
import * as Api from "./support/bearerApi.js"
import * as Probe from "./support/bearerProbe.js"
import { httpClientLayers } from "./support/httpClients.js"
import * as Issuer from "./support/issuer.js"
import { until } from "./support/until.js"

const answers: Record<string, Api.Answer> = {
  "/ok": { status: 200, headers: { "content-type": "text/plain" }, body: "ok" },
  "/json": { status: 200, headers: { "content-type": "application/json" }, body: "{}" },
  "/not-json": { status: 200, headers: { "content-type": "application/json" }, body: "{" },
  "/401": { status: 401, headers: { "content-type": "text/plain" }, body: "who are you" },
  "/500": { status: 500, body: "trouble" },
  "/cut-off": Api.cutOff,
  "/hang-up": Api.hangUp,
  "/silent": Api.silent
}

const hourly = () => Issuer.scripted(Issuer.succeed("1 hour"))

/** The token `api` from this issuer, and a client underneath. */
const provide = (
  issuer: ReturnType<typeof Issuer.scripted>,
  http: Layer.Layer<HttpClient.HttpClient> = NodeHttpClient.layerUndici
) => Effect.provide(Layer.merge(TokenCache.layer({ api: { issue: issuer.issue } }), http))

/** An API, and a bearer client for it. */
const setup = (
  answer: Parameters<typeof Api.serve>[0],
  options?: Partial<BearerClient.BearerClientOptions> & {
    readonly inside?: (client: HttpClient.HttpClient) => HttpClient.HttpClient
  }
) =>
  Effect.gen(function* () {
    const api = yield* Api.serve(answer)
    const client = yield* over(
      options?.inside,
      BearerClient.make("api", {
        origins: options?.origins ?? [api.url],
        retryUnauthorized: options?.retryUnauthorized
      })
    )
    return { api, client }
  })

/** Changes the client that the effect finds in its context. */
const over = <A, E, R>(
  inside: ((client: HttpClient.HttpClient) => HttpClient.HttpClient) | undefined,
  self: Effect.Effect<A, E, R | HttpClient.HttpClient>
) =>
  Effect.flatMap(HttpClient.HttpClient, (client) =>
    Effect.provideService(self, HttpClient.HttpClient, inside === undefined ? client : inside(client))
  )

const tokens = (api: { readonly received: ReadonlyArray<Api.Received> }) => api.received.map(({ token }) => token)

const text = Effect.flatMap((response: HttpClientResponse.HttpClientResponse) => response.text)

/** Each read gives a new token, so that each 401 is followed by a request with another one. */
const endlessTokens = Layer.map(TokenCache.layerTest({ api: "the-token" }), (context) => {
  let reads = 0
  return Context.make(TokenCache, {
    ...Context.get(context, TokenCache),
    token: () => Effect.sync(() => Redacted.make(`token-${++reads}`))
  })
})

describe("BearerClient.make", () => {
  describe("where the token goes", () => {
    /** The Authorization that each request would go out with; nothing leaves this process. */
    const recorded = (
      requests: ReadonlyArray<HttpClientRequest.HttpClientRequest>,
      inside?: (client: HttpClient.HttpClient) => HttpClient.HttpClient
    ) =>
      Effect.gen(function* () {
        const authorizations: Array<string | undefined> = []
        const stub = HttpClient.make((request) => {
          authorizations.push(request.headers.authorization)
          return Effect.succeed(HttpClientResponse.fromWeb(request, new Response("ok")))
        })
        const client = yield* over(inside, BearerClient.make("api", { origins: ["https://api.example.com"] })).pipe(
          Effect.provideService(HttpClient.HttpClient, stub)
        )
        yield* Effect.forEach(requests, client.execute)
        return authorizations
      }).pipe(Effect.provide(TokenCache.layerTest({ api: "the-token" })))

    it.scopedLive("a listed origin gets it as a bearer token", () =>
      Effect.gen(function* () {
        const { api, client } = yield* setup(() => Api.ok)
        yield* client.get(`${api.url}/me`)
        assert.deepStrictEqual(
          api.received.map(({ headers }) => headers.authorization),
          ["Bearer token-1"]
        )
      }).pipe(provide(hourly()))
    )

    it.scopedLive("each request reads it anew", () =>
      Effect.gen(function* () {
        const { api, client } = yield* setup(() => Api.ok)
        yield* client.get(api.url)
        yield* TokenCache.refresh("api")
        yield* client.get(api.url)
        assert.deepStrictEqual(tokens(api), ["token-1", "token-2"])
      }).pipe(provide(hourly()))
    )

    it.effect.each([
      "https://api.example.com.evil.com/",
      "https://api.example.com@evil.com/",
      "https://api.example.com:443@evil.com/",
      "https://evil.com\\@api.example.com/",
      "https://evil.com/https://api.example.com/",
      "https://evil.com?https://api.example.com/",
      "https://evil.com#https://api.example.com/",
      "https://api.example.com:8443/",
      "http://api.example.com/",
      "http://api.example.com:443/",
      "https://api.example.com./",
      "https://sub.api.example.com/",
      "https://example.com/"
    ])("%s does not get it", (url) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* recorded([HttpClientRequest.get(url)]), [undefined])
      })
    )

    it.effect.each([
      "https://api.example.com",
      "HTTPS://API.EXAMPLE.COM:443/me",
      "https://user:password@api.example.com/me",
      "https://api.example.com/redirect?to=https://evil.com"
    ])("%s gets it", (url) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* recorded([HttpClientRequest.get(url)]), ["Bearer the-token"])
      })
    )

    it.effect("the URL that counts is the one that the client inside sends", () =>
      Effect.gen(function* () {
        const relative = yield* recorded(
          [HttpClientRequest.get("/me")],
          HttpClient.mapRequest(HttpClientRequest.prependUrl("https://api.example.com"))
        )
        const rerouted = yield* recorded(
          [HttpClientRequest.get("https://api.example.com/me")],
          HttpClient.mapRequest(HttpClientRequest.setUrl("https://evil.com"))
        )
        assert.deepStrictEqual([relative, rerouted], [["Bearer the-token"], [undefined]])
      })
    )

    it.effect("a request to another origin keeps its own Authorization, one to a listed origin does not", () =>
      Effect.gen(function* () {
        const authorizations = yield* recorded([
          HttpClientRequest.get("https://other.example.com").pipe(HttpClientRequest.bearerToken("other")),
          HttpClientRequest.get("https://api.example.com").pipe(HttpClientRequest.bearerToken("other"))
        ])
        assert.deepStrictEqual(authorizations, ["Bearer other", "Bearer the-token"])
      })
    )

    it.scopedLive("another origin needs no token, and its 401 invalidates none", () => {
      const issuer = hourly()
      return Effect.gen(function* () {
        const other = yield* Api.serve(() => ({ status: 401, body: "no" }))
        const client = yield* BearerClient.make("api", { origins: ["https://api.example.com"] })
        const nameless = yield* BearerClient.make("no such token", { origins: ["https://api.example.com"] })
        assert.strictEqual(yield* text(client.get(other.url)), "no")
        assert.strictEqual(yield* text(nameless.get(other.url)), "no")
        assert.deepStrictEqual(tokens(other), [undefined, undefined])
        assert.strictEqual(issuer.calls.length, 1)
      }).pipe(provide(issuer))
    })

    it.effect.each([
      { origins: [] },
      { origins: ["api.example.com"] },
      { origins: [""] },
      { origins: ["https://api.example.com", "https://api.example.com/v1"] },
      { origins: ["https://api.example.com?version=1"] },
      { origins: ["https://api.example.com#top"] },
      { origins: ["https://user:hunter2@api.example.com"] },
      { origins: ["data:,api"] },
      { origins: ["*"] }
    ])("%j is a defect, InvalidOptions", ({ origins }) =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(BearerClient.make("api", { origins }))
        const defect = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.dieOption(exit.cause)) : undefined
        assert.instanceOf(defect, InvalidOptions)
        assert.deepStrictEqual([defect.token, defect.option], ["api", "origins"])
        assert.match(defect.message, /^origins(\[\d\] is not an origin| is empty): give a scheme, host and port/)
        assert.notInclude(defect.message, "hunter2")
      }).pipe(provide(hourly(), FetchHttpClient.layer))
    )

    it.scopedLive("an origin may be spelled like a URL's", () =>
      Effect.gen(function* () {
        const api = yield* Api.serve(() => Api.ok)
        const client = yield* BearerClient.make("api", { origins: [`${api.url.toUpperCase()}/`] })
        yield* client.get(api.url)
        assert.deepStrictEqual(tokens(api), ["token-1"])
      }).pipe(provide(hourly()))
    )
  })

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
          body: "x".repeat(100_000)
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

  describe("without a token", () => {
    it.scopedLive("the request fails with reason Encode and the TokenUnavailable as its cause", () =>
      Effect.gen(function* () {
        const { api, client } = yield* setup(() => Api.ok)
        const request = HttpClientRequest.get(api.url)
        const error = yield* Effect.flip(client.execute(request))
        assert.deepInclude(error, { _tag: "RequestError", reason: "Encode" })
        assert.strictEqual(error.request, request)
        assert.instanceOf(error.cause, TokenUnavailable)
        assert.strictEqual(error.cause.reason, "IssueFailed")
        assert.include(error.message, error.cause.message)
        assert.strictEqual(api.received.length, 0)
      }).pipe(provide(Issuer.scripted(Issuer.fail())))
    )

    it.scopedLive("retryTransient does not repeat the request", () =>
      Effect.gen(function* () {
        let tries = 0
        const { api, client } = yield* setup(() => Api.ok, {
          inside: HttpClient.mapRequest((request) => {
            tries++
            return request
          })
        })
        yield* Effect.flip(HttpClient.retryTransient(client, { times: 3 }).get(api.url))
        assert.strictEqual(tries, 1)
      }).pipe(provide(Issuer.scripted(Issuer.fail())))
    )

    it.scopedLive.each(httpClientLayers)(
      "that a header can carry, the request fails without printing it: %s",
      ([, http]) =>
        Effect.gen(function* () {
          const { api, client } = yield* setup(() => Api.ok)
          const exit = yield* Effect.exit(client.get(api.url))
          const error = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.failureOption(exit.cause)) : undefined
          assert.deepInclude(error, { _tag: "RequestError", reason: "Encode" })
          assert.include(error?.message, `the token "api" has characters other than visible ASCII`)
          assert.deepStrictEqual(Probe.leaks("canary", exit), [])
        }).pipe(provide(Issuer.scripted(Issuer.succeed("1 hour", "two\nlines of canary")), http))
    )
  })

  describe("with other combinators", () => {
    const redirecting = (options: {
      readonly inside?: (client: HttpClient.HttpClient) => HttpClient.HttpClient
      readonly outside?: (client: HttpClient.HttpClient) => HttpClient.HttpClient
    }) =>
      Effect.gen(function* () {
        const other = yield* Api.serve(() => ({ status: 200, body: "landed" }))
        const { api, client } = yield* setup(
          ({ path }) => ({ status: 302, headers: { location: path === "/away" ? other.url : "/away" } }),
          options
        )
        const body = yield* text((options.outside?.(client) ?? client).get(`${api.url}/start`))
        assert.strictEqual(body, "landed")
        return { here: tokens(api), there: tokens(other) }
      })

    it.scopedLive("followRedirects outside: each origin gets what it should", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* redirecting({ outside: HttpClient.followRedirects() }), {
          here: ["token-1", "token-1"],
          there: [undefined]
        })
      }).pipe(provide(hourly()))
    )

    it.scopedLive("followRedirects inside: the token goes along to another origin", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* redirecting({ inside: HttpClient.followRedirects() }), {
          here: ["token-1", "token-1"],
          there: ["token-1"]
        })
      }).pipe(provide(hourly()))
    )

    it.scopedLive("filterStatusOk outside: it sees the second answer", () =>
      Effect.gen(function* () {
        const { api, client } = yield* setup(Api.refusing("token-1"))
        assert.strictEqual(yield* text(HttpClient.filterStatusOk(client).get(api.url)), "token-2")
      }).pipe(provide(hourly()))
    )

    it.scopedLive("filterStatusOk inside: the 401 is an error, and nobody sees to it", () => {
      const issuer = hourly()
      return Effect.gen(function* () {
        const { api, client } = yield* setup(Api.refusing("token-1"), { inside: HttpClient.filterStatusOk })
        const error = yield* Effect.flip(client.get(api.url))
        assert.deepInclude(error, { _tag: "ResponseError", reason: "StatusCode" })
        assert.deepStrictEqual(tokens(api), ["token-1"])
        assert.strictEqual(issuer.calls.length, 1)
      }).pipe(provide(issuer))
    })
  })

  describe("when the caller is interrupted", () => {
    it.scopedLive.each(httpClientLayers)("the request is aborted: %s", ([, http]) =>
      Effect.gen(function* () {
        const { api, client } = yield* setup(() => Api.silent)
        const fiber = yield* Effect.fork(client.get(api.url))
        yield* until(() => api.received.length === 1)
        assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
        yield* until(() => api.received[0]!.socket.destroyed)
      }).pipe(provide(hourly(), http))
    )

    it.scopedLive.each(httpClientLayers)(
      "a 401 that is being read is aborted, and nothing is sent again: %s",
      ([, http]) =>
        Effect.gen(function* () {
          const { api, client } = yield* setup(() => Api.endless(401))
          const fiber = yield* Effect.fork(client.get(api.url))
          yield* until(() => api.received.length === 1)
          yield* Effect.sleep("100 millis")
          assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
          yield* until(() => api.received[0]!.socket.destroyed)
          assert.deepStrictEqual(tokens(api), ["token-1"])
        }).pipe(provide(hourly(), http))
    )

    it.scopedLive("the attempt that it waits for goes on", () =>
      Effect.gen(function* () {
        const gate = yield* Deferred.make<void>()
        const issuer = Issuer.scripted(
          Issuer.run(Effect.as(Deferred.await(gate), IssuedToken.make({ accessToken: "token-1", expiresIn: "1 hour" })))
        )
        yield* Effect.gen(function* () {
          const { api, client } = yield* setup(() => Api.ok)
          const fiber = yield* Effect.fork(client.get(api.url))
          yield* until(() => issuer.calls.length === 1)
          assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
          yield* Deferred.succeed(gate, undefined)
          yield* client.get(api.url)
          assert.deepStrictEqual(tokens(api), ["token-1"])
          assert.strictEqual(issuer.calls.length, 1)
        }).pipe(provide(issuer))
      })
    )
  })

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
