import { types } from "node:util"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { gzipSync } from "node:zlib"
import { FetchHttpClient, HttpClient } from "@effect/platform"
import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Stream } from "effect"
import { BearerClient, IssuedToken, TokenCache, TokenUnavailable } from "effect-token-cache"
import { gaxios } from "google-auth-library"
import { createRemoteJWKSet, customFetch } from "jose"
import * as openid from "openid-client"
import * as Api from "./support/bearerApi.js"
import * as Probe from "./support/bearerProbe.js"
import * as Issuer from "./support/issuer.js"
import { until } from "./support/until.js"

type Fetch = typeof globalThis.fetch

type Server = Effect.Effect.Success<ReturnType<typeof Api.serve>>

const native: Fetch = globalThis.fetch

setFlagsFromString("--expose-gc")
const collectGarbage: () => void = runInNewContext("gc")

const hourly = () => Issuer.scripted(Issuer.succeed("1 hour"))

const provide = (issuer = hourly()) => Effect.provide(TokenCache.layer({ api: { issue: issuer.issue } }))

const setup = (answer: Parameters<typeof Api.serve>[0], options?: Omit<BearerClient.BearerClientOptions, "origins">) =>
  Effect.gen(function* () {
    const api = yield* Api.serve(answer)
    return { api, fetch: yield* BearerClient.fetch("api", { ...options, origins: [api.url] }) }
  })

const tokens = (api: Server) => api.received.map(({ token }) => token)

const text = (response: Promise<Response>) => Effect.promise(async () => (await response).text())

/** What the promise rejects with, itself: a failure of an effect may be a proxy of it. */
const rejection = (promise: () => Promise<unknown>) =>
  Effect.promise<unknown>(() =>
    promise().then(
      () => assert.fail("it was fulfilled"),
      (reason) => reason
    )
  )

const streamOf = (...parts: ReadonlyArray<string>): ReadableStream<Uint8Array> =>
  Stream.toReadableStream(Stream.fromIterable(parts.map((part) => new TextEncoder().encode(part))))

// The option is missing in the types of the DOM.
const streaming = (body: ReadableStream<Uint8Array>) => ({ method: "POST", body, duplex: "half" }) as RequestInit

describe("BearerClient.fetch", () => {
  it("needs the cache alone", () => {
    expectTypeOf(BearerClient.fetch("api", { origins: ["https://api.example.com"] })).toEqualTypeOf<
      Effect.Effect<Fetch, never, TokenCache>
    >()
  })

  it.scopedLive("sends its requests through the fetch in the context, with all options of the caller", () =>
    Effect.gen(function* () {
      const calls: Array<readonly [url: string, init: object | undefined]> = []
      const fetch = yield* BearerClient.fetch("api", { origins: ["https://api.example.com"] }).pipe(
        Effect.provideService(FetchHttpClient.Fetch, async (url, init) => {
          calls.push([String(url), init])
          return calls.length === 1
            ? new Response(null, { status: 302, headers: { location: "https://other.example" } })
            : new Response("ok")
        })
      )
      const init = { dispatcher: "a proxy", cache: "no-store" } as const
      assert.strictEqual(yield* text(fetch(new Request("https://api.example.com/me", { keepalive: true }), init)), "ok")
      const urls = calls.map(([url]) => url)
      assert.deepStrictEqual(urls, ["https://api.example.com/me", "https://other.example/"])
      for (const [, sent] of calls) {
        assert.deepInclude(sent, { ...init, keepalive: true, redirect: "manual", method: "GET" })
      }
    }).pipe(provide())
  )

  it.scopedLive("looks the global fetch up at each call", () =>
    Effect.gen(function* () {
      const { fetch } = yield* setup(() => Api.ok)
      const patch = (fetch: Fetch) =>
        Effect.sync(() => {
          globalThis.fetch = fetch
        })
      yield* Effect.addFinalizer(() => patch(native))
      yield* patch(() => Promise.resolve(new Response("patched")))
      assert.strictEqual(yield* text(fetch("https://api.example.com")), "patched")
    }).pipe(provide())
  )

  describe("the token", () => {
    it.scopedLive("goes to the listed origin, read anew for each request", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(() => Api.ok)
        assert.strictEqual(yield* text(fetch(`${api.url}/me`)), "ok")
        yield* TokenCache.refresh("api")
        yield* text(fetch(new URL("/me", api.url)))
        yield* text(fetch(new Request(api.url, { headers: { authorization: "Bearer of the SDK" } })))
        assert.deepStrictEqual(tokens(api), ["token-1", "token-2", "token-2"])
      }).pipe(provide())
    )

    it.scopedLive("goes to no other origin", () =>
      Effect.gen(function* () {
        const other = yield* Api.serve(() => Api.ok)
        const { fetch } = yield* setup(() => Api.ok)
        yield* text(fetch(other.url))
        yield* text(fetch(other.url, { headers: { authorization: "Bearer other" } }))
        assert.deepStrictEqual(tokens(other), [undefined, "other"])
      }).pipe(provide())
    )

    it.scopedLive("is judged for each hop of a redirect, and the caller's own credentials stay behind", () =>
      Effect.gen(function* () {
        const redirect = ({ path }: Api.Received): Api.Answer =>
          path === "/" ? Api.ok : { status: 307, headers: { location: decodeURIComponent(path.slice(1)) } }
        const other = yield* Api.serve(redirect)
        const { api, fetch } = yield* setup(redirect)
        const path = `/${encodeURIComponent(`${other.url}/${encodeURIComponent(api.url)}`)}`
        const headers = {
          authorization: "Bearer of the SDK",
          cookie: "a=b",
          "proxy-authorization": "Basic YTpi",
          "x-id": "1"
        }
        assert.strictEqual(yield* text(fetch(`${api.url}${path}`, { headers })), "ok")
        assert.deepStrictEqual(tokens(api), ["token-1", "token-1"])
        const [received] = other.received
        assert.deepInclude(received, { token: undefined })
        assert.notProperty(received?.headers, "cookie")
        assert.notProperty(received?.headers, "proxy-authorization")
        assert.strictEqual(received?.headers["x-id"], "1")
        assert.strictEqual(received?.headers.host, other.url.slice("http://".length))
      }).pipe(provide())
    )
  })

  describe("when the API answers 401", () => {
    it.scopedLive("50 calls at once lead to one new token, and all succeed with it", () => {
      const issuer = hourly()
      return Effect.gen(function* () {
        const { api, fetch } = yield* setup(Api.refusing("token-1"))
        const calls = Array.from({ length: 50 }, () => text(fetch(api.url)))
        assert.deepStrictEqual(yield* Effect.all(calls, { concurrency: "unbounded" }), Array(50).fill("token-2"))
        assert.strictEqual(tokens(api).filter((token) => token === "token-1").length, 50)
        assert.strictEqual(issuer.calls.length, 2)
      }).pipe(provide(issuer))
    })

    it.scopedLive("the second answer is the answer", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(Api.refusing("token-1", "token-2"))
        const response = yield* Effect.promise(() => fetch(api.url))
        assert.strictEqual(response.status, 401)
        assert.strictEqual(yield* Effect.promise(() => response.text()), "token-2 is refused")
        assert.deepStrictEqual(tokens(api), ["token-1", "token-2"])
      }).pipe(provide())
    )

    it.scopedLive("a stream is not sent again, and the next request has a new token", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(Api.refusing("token-1"))
        const response = yield* Effect.promise(() => fetch(api.url, streaming(streamOf("pay", "load"))))
        assert.strictEqual(response.status, 401)
        const [received] = api.received
        assert.deepInclude(received, { body: "payload" })
        assert.deepInclude(received?.headers, { "transfer-encoding": "chunked" })
        assert.strictEqual(yield* text(fetch(api.url)), "token-2")
        assert.deepStrictEqual(tokens(api), ["token-1", "token-2"])
      }).pipe(provide())
    )

    it.scopedLive("a stream that is the body of a Request is read, and sent again", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(Api.refusing("token-1"))
        const request = new Request(api.url, streaming(streamOf("pay", "load")))
        assert.strictEqual(yield* text(fetch(request)), "token-2")
        const sent = api.received.map(({ body }) => body)
        assert.deepStrictEqual(sent, ["payload", "payload"])
      }).pipe(provide())
    )

    it.scopedLive("retryUnauthorized: false leaves the 401, and the next request has a new token", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(Api.refusing("token-1"), { retryUnauthorized: false })
        assert.strictEqual(yield* text(fetch(api.url)), "token-1 is refused")
        assert.strictEqual(yield* text(fetch(api.url)), "token-2")
      }).pipe(provide())
    )
  })

  it.scopedLive.each([401, 302])("gives up the body of a %d that does not end", (status) =>
    Effect.gen(function* () {
      const { api, fetch } = yield* setup((_, index) => (index === 0 ? Api.endless(status, { location: "/" }) : Api.ok))
      assert.strictEqual(yield* text(fetch(api.url)), "ok")
      yield* until(() => api.received[0]!.socket.destroyed)
    }).pipe(provide())
  )

  describe("the response", () => {
    it.scopedLive("has a clone like itself after a redirect, and can be read in each way", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup((request) =>
          request.path === "/json" ? { status: 200, body: `{"a":1}` } : { status: 302, headers: { location: "/json" } }
        )
        const response = yield* Effect.promise(() => fetch(api.url))
        const [one, two, three] = [response.clone(), response.clone(), response.clone().clone()]
        for (const clone of [one, two, three, response]) {
          assert.deepInclude(clone, { url: `${api.url}/json`, redirected: true, type: "basic" })
          assert.instanceOf(clone, Response)
        }
        assert.deepStrictEqual(yield* Effect.promise(() => one.json()), { a: 1 })
        assert.strictEqual(yield* Effect.promise(() => two.text()), `{"a":1}`)
        assert.strictEqual((yield* Effect.promise(() => three.arrayBuffer())).byteLength, 7)
        assert.strictEqual((yield* Effect.promise(() => response.blob())).size, 7)
      }).pipe(provide())
    )

    it.scopedLive("streams, and gives the connection back when it is cancelled", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(() => Api.endless(200))
        const response = yield* Effect.promise(() => fetch(api.url))
        const reader = response.body!.getReader()
        const { value } = yield* Effect.promise(() => reader.read())
        assert.strictEqual(new TextDecoder().decode(value), "and so on ")
        yield* Effect.promise(() => reader.cancel())
        yield* until(() => api.received[0]!.socket.destroyed)
      }).pipe(provide())
    )

    it.scopedLive("is decoded where the SDK asks for gzip", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(
          () => (response) => response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync("plain"))
        )
        assert.strictEqual(yield* text(fetch(api.url, { headers: { "accept-encoding": "gzip" } })), "plain")
        assert.deepInclude(api.received[0]?.headers, { "accept-encoding": "gzip" })
      }).pipe(provide())
    )
  })

  describe("the caller's signal", () => {
    const reasons = [["an AbortError"], ["an Error", new RangeError("enough")], ["a string", "enough"]] as const

    it.scopedLive.each(reasons)("aborted before: no request, no token read, %s", ([, reason]) =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(() => Api.ok)
        const signal = AbortSignal.abort(reason)
        const init = { ...streaming(streamOf("payload")), signal }
        assert.strictEqual(yield* rejection(() => fetch(api.url, init)), signal.reason)
        assert.strictEqual(yield* rejection(() => fetch(new Request(api.url, { signal }))), signal.reason)
        assert.strictEqual(api.received.length, 0)
        assert.strictEqual((yield* TokenCache.status("api")).reads, 0)
      }).pipe(provide())
    )

    it.scopedLive.each(reasons)("aborted before the headers: %s", ([, reason]) =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(() => Api.silent)
        const controller = new AbortController()
        const fiber = yield* Effect.fork(rejection(() => fetch(api.url, { signal: controller.signal })))
        yield* until(() => api.received.length === 1)
        controller.abort(reason)
        assert.strictEqual(yield* Fiber.join(fiber), controller.signal.reason)
        yield* until(() => api.received[0]!.socket.destroyed)
      }).pipe(provide())
    )

    it.scopedLive.each(reasons)("aborted while the body is read: %s", ([, reason]) =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(() => Api.endless(200))
        const controller = new AbortController()
        const request = new Request(api.url, { signal: controller.signal })
        const response = yield* Effect.promise(() => fetch(request))
        const reader = response.body!.getReader()
        yield* Effect.promise(() => reader.read())
        const fiber = yield* Effect.fork(rejection(() => reader.read()))
        yield* Effect.sleep("20 millis")
        controller.abort(reason)
        assert.strictEqual(yield* Fiber.join(fiber), controller.signal.reason)
        yield* until(() => api.received[0]!.socket.destroyed)
      }).pipe(provide())
    )

    it.scopedLive("aborted when nothing holds the request any more", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(() => Api.endless(200))
        const controller = new AbortController()
        const response = yield* Effect.promise(() => fetch(api.url, { signal: controller.signal }))
        yield* Effect.repeat(Effect.zipRight(Effect.sync(collectGarbage), Effect.sleep("10 millis")), { times: 4 })
        controller.abort()
        yield* until(() => api.received[0]!.socket.destroyed)
        assert.deepInclude(yield* rejection(() => response.text()), { name: "AbortError" })
      }).pipe(provide())
    )

    it.scopedLive("aborted while the token is waited for: the stream of the body is cancelled", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(() => Api.ok)
        let cancelled: unknown
        const body = new ReadableStream<Uint8Array>({
          cancel: (reason) => {
            cancelled = reason
          }
        })
        const controller = new AbortController()
        const init = { ...streaming(body), signal: controller.signal }
        const fiber = yield* Effect.fork(rejection(() => fetch(api.url, init)))
        yield* Effect.sleep("20 millis")
        controller.abort("enough")
        assert.strictEqual(yield* Fiber.join(fiber), "enough")
        yield* until(() => cancelled === "enough")
        assert.strictEqual(api.received.length, 0)
      }).pipe(provide(Issuer.scripted(Issuer.hang)))
    )

    it.scopedLive("is the business of one caller alone", () =>
      Effect.gen(function* () {
        const gate = yield* Deferred.make<void>()
        const issued = IssuedToken.make({ accessToken: "token-1", expiresIn: "1 hour" })
        const issuer = Issuer.scripted(Issuer.run(Effect.as(Deferred.await(gate), issued)))
        yield* Effect.gen(function* () {
          const { api, fetch } = yield* setup(() => Api.ok)
          const controller = new AbortController()
          const aborted = yield* Effect.fork(rejection(() => fetch(api.url, { signal: controller.signal })))
          const others = yield* Effect.fork(Effect.all([text(fetch(api.url)), text(fetch(api.url))]))
          yield* until(() => issuer.calls.length === 1)
          controller.abort()
          assert.strictEqual(yield* Fiber.join(aborted), controller.signal.reason)
          yield* Deferred.succeed(gate, undefined)
          assert.deepStrictEqual(yield* Fiber.join(others), ["ok", "ok"])
          assert.deepStrictEqual(tokens(api), ["token-1", "token-1"])
          assert.strictEqual(issuer.calls.length, 1)
        }).pipe(provide(issuer))
      })
    )
  })

  describe("a failure", () => {
    it.scopedLive("without a token is a TypeError because of TokenUnavailable", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(() => Api.ok)
        const error = yield* rejection(() => fetch(api.url))
        assert.instanceOf(error, TypeError)
        assert.instanceOf(error.cause, TokenUnavailable)
        assert.strictEqual(error.message, `fetch failed: ${error.cause.message}`)
        assert.strictEqual(api.received.length, 0)
      }).pipe(provide(Issuer.scripted(Issuer.fail())))
    )

    it.scopedLive("has the platform's own cause, also in a span", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(() => Api.hangUp)
        const reset = yield* rejection(() => fetch(api.url))
        assert.isTrue(types.isNativeError(reset) && types.isNativeError(reset.cause))
        const boom = new RangeError("boom")
        const body = new ReadableStream<Uint8Array>({ pull: (controller) => controller.error(boom) })
        assert.strictEqual(Object(yield* rejection(() => fetch(api.url, streaming(body)))).cause, boom)
        api.close()
        assert.include(Object(yield* rejection(() => fetch(api.url))).cause, { code: "ECONNREFUSED" })
      }).pipe(Effect.withSpan("outside"), provide())
    )
  })

  describe("no way to print this gives the token away:", () => {
    const canary = "canary-0123456789"

    const outcomes: Record<string, (fetch: Fetch, url: string) => Promise<unknown>> = {
      "a response": (fetch, url) => fetch(`${url}/ok`),
      "a clone": async (fetch, url) => (await fetch(`${url}/ok`)).clone(),
      "a response that is being read": async (fetch, url) => {
        const response = await fetch(`${url}/endless`)
        const reader = response.body?.getReader()
        await reader?.read()
        return [response, response.body, reader]
      },
      "a redirected response": (fetch, url) => fetch(`${url}/302`),
      "a second 401": (fetch, url) => fetch(`${url}/401`),
      "an unexpected redirect": (fetch, url) => fetch(`${url}/302`, { redirect: "error" }),
      "a connection that was reset": (fetch, url) => fetch(`${url}/hang-up`),
      "a body that was cut off": async (fetch, url) => (await fetch(`${url}/cut-off`)).text(),
      "an abort": (fetch, url) => fetch(`${url}/silent`, { signal: AbortSignal.timeout(50) }),
      "the fetch": async (fetch) => fetch
    }

    const answers: Record<string, Api.Answer> = {
      "/ok": Api.ok,
      "/endless": Api.endless(200),
      "/302": { status: 302, headers: { location: "/ok" } },
      "/401": { status: 401 },
      "/hang-up": Api.hangUp,
      "/cut-off": Api.cutOff,
      "/silent": Api.silent
    }

    it.scopedLive.each(Object.entries(outcomes))("%s, and its spans", ([, outcome]) =>
      Probe.withSpans((spans) =>
        Effect.gen(function* () {
          const { api, fetch } = yield* setup(({ path }) => answers[path]!)
          const value = yield* Effect.promise(() => outcome(fetch, api.url).catch((reason) => reason))
          assert.isTrue(tokens(api).every((token) => token?.includes(canary)))
          assert.deepStrictEqual(Probe.leaks(canary, value), [])
          const statuses = spans
            .filter(({ kind }) => kind === "client")
            .map(({ attributes, status }) => [attributes, status])
          assert.deepStrictEqual(Probe.leaks(canary, statuses), [])
        })
      ).pipe(provide(Issuer.scripted(Issuer.succeed("1 hour", canary))))
    )

    it.scopedLive("a token that no header can carry", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(() => Api.ok)
        const error = yield* rejection(() => fetch(api.url))
        assert.match(
          String(error),
          /TypeError: fetch failed: .* the token has characters that an HTTP header cannot carry/
        )
        assert.deepStrictEqual(Probe.leaks(canary, error), [])
      }).pipe(provide(Issuer.scripted(Issuer.succeed("1 hour", `${canary}\n`))))
    )
  })

  describe("a span", () => {
    it.scopedLive("is made for each request, like those of HttpClient, without the query", () =>
      Probe.withSpans((all) =>
        Effect.gen(function* () {
          const other = yield* Api.serve(() => Api.ok)
          const location = `${other.url}/end?key=s3cr3t`
          const { api, fetch } = yield* Effect.withSpan(
            setup((_, index) => (index === 0 ? { status: 401 } : { status: 307, headers: { location } })),
            "parent"
          )
          yield* text(fetch(`${api.url}/a?key=s3cr3t#s3cr3t`, { method: "POST", body: "payload" }))
          const spans = all.filter(({ kind }) => kind === "client")
          assert.deepStrictEqual(
            spans.map(({ attributes, name, parent }) => [
              name,
              parent._tag === "Some" && parent.value._tag === "Span" && parent.value.name,
              attributes.get("url.path"),
              attributes.get("http.response.status_code"),
              attributes.get("http.request.resend_count")
            ]),
            [
              ["http.client POST", "parent", "/a", 401, undefined],
              ["http.client POST", "parent", "/a", 307, 1],
              ["http.client POST", "parent", "/end", 200, undefined]
            ]
          )
          assert.deepStrictEqual(Object.fromEntries(spans[2]!.attributes), {
            "http.request.method": "POST",
            "http.response.status_code": 200,
            "server.address": other.url,
            "server.port": Number(new URL(other.url).port),
            "url.full": `${other.url}/end`,
            "url.path": "/end",
            "url.scheme": "http"
          })
        })
      ).pipe(provide())
    )

    it.scopedLive("is what the API sees as the parent, unless propagation or tracing is off", () =>
      Effect.gen(function* () {
        const propagated = (set: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>) =>
          Effect.gen(function* () {
            const { api, fetch } = yield* set(setup(() => Api.ok))
            yield* text(fetch(api.url))
            return api.received[0]!.headers.traceparent !== undefined
          })
        assert.isTrue(yield* propagated((self) => self))
        assert.isFalse(yield* propagated(Effect.locally(HttpClient.currentTracerPropagation, false)))
        assert.isFalse(yield* propagated(Effect.withTracerEnabled(false)))
      }).pipe(provide())
    )
  })

  describe("an SDK that takes a fetch works:", () => {
    const json = (body: unknown): Api.Answer => ({
      status: 200,
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body)
    })

    it.scopedLive("fetchUserInfo of openid-client", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(({ token }) =>
          token === "token-1" ? { status: 401 } : json({ sub: token })
        )
        const config = new openid.Configuration({ issuer: api.url, userinfo_endpoint: `${api.url}/me` }, "client")
        openid.allowInsecureRequests(config)
        // Its own init has `body: undefined`, which exactOptionalPropertyTypes minds.
        config[openid.customFetch] = (url, init) => fetch(url, init as RequestInit)
        const info = yield* Effect.promise(() => openid.fetchUserInfo(config, "its own", openid.skipSubjectCheck))
        assert.deepStrictEqual<unknown>(info, { sub: "token-2" })
      }).pipe(provide())
    )

    it.scopedLive("createRemoteJWKSet of jose", () =>
      Effect.gen(function* () {
        const jwks = json({ keys: [{ kty: "oct", kid: "key-1", alg: "HS256", k: "c2VjcmV0" }] })
        const { api, fetch } = yield* setup(({ token }) => (token === "token-1" ? { status: 401 } : jwks))
        const keys = createRemoteJWKSet(new URL(api.url), { [customFetch]: fetch })
        yield* Effect.promise(() => keys.reload())
        assert.strictEqual(keys.jwks()?.keys[0]?.kid, "key-1")
        assert.deepStrictEqual(tokens(api), ["token-1", "token-2"])
      }).pipe(provide())
    )

    it.scopedLive("gaxios, and its retries and timeouts", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(({ path, token }, index) =>
          path === "/silent" ? Api.silent : index === 0 ? { status: 503 } : json({ token })
        )
        const retryConfig = { retryDelay: 1 }
        const client = new gaxios.Gaxios({ fetchImplementation: fetch, baseURL: api.url, retryConfig })
        const answer = yield* Effect.promise(() => client.request({ url: "/me", retry: true }))
        assert.deepStrictEqual(answer.data, { token: "token-1" })
        assert.strictEqual(api.received.length, 2)
        const error = yield* rejection(() => client.request({ url: "/silent", timeout: 100, retry: false }))
        assert.match(String(error), /timeout|aborted/i)
        yield* until(() => api.received[2]!.socket.destroyed)
      }).pipe(provide())
    )
  })
})
