import { types } from "node:util"
import { gzipSync } from "node:zlib"
import { FetchHttpClient, HttpClient, HttpClientResponse } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Stream } from "effect"
import { BearerClient, IssuedToken, TokenCache, TokenUnavailable } from "effect-token-cache"
import { gaxios } from "google-auth-library"
import { createRemoteJWKSet, customFetch } from "jose"
import * as openid from "openid-client"
import * as Api from "./support/bearerApi.js"
import * as Probe from "./support/bearerProbe.js"
import * as Issuer from "./support/issuer.js"

type Fetch = typeof globalThis.fetch

const native: Fetch = globalThis.fetch

const httpClients = [
  ["NodeHttpClient.layer", NodeHttpClient.layer],
  ["NodeHttpClient.layerUndici", NodeHttpClient.layerUndici],
  ["FetchHttpClient.layer", FetchHttpClient.layer]
] as const

const hourly = () => Issuer.scripted(Issuer.succeed("1 hour"))

const provide = (
  issuer: ReturnType<typeof Issuer.scripted>,
  http: Layer.Layer<HttpClient.HttpClient> = NodeHttpClient.layerUndici
) => Effect.provide(Layer.merge(TokenCache.layer({ api: { issue: issuer.issue } }), http))

const setup = (answer: Parameters<typeof Api.serve>[0]) =>
  Effect.gen(function* () {
    const api = yield* Api.serve(answer)
    return { api, fetch: yield* BearerClient.fetch("api", { origins: [api.url] }) }
  })

type Server = Effect.Effect.Success<ReturnType<typeof Api.serve>>

const tokens = (api: Server) => api.received.map(({ token }) => token)

const until = (condition: () => boolean) =>
  Effect.repeat(Effect.sleep("5 millis"), { until: condition }).pipe(Effect.timeout("5 seconds"), Effect.orDie)

const text = (response: Promise<Response>) => Effect.promise(async () => (await response).text())

/** What the promise rejects with, itself: a failure of an effect may be a proxy of it. */
const rejection = (promise: () => Promise<unknown>) =>
  Effect.promise<unknown>(() =>
    promise().then(
      () => assert.fail("it was fulfilled"),
      (reason) => reason
    )
  )

/** What two fetches must agree on about a rejection. */
const outline = (error: unknown) =>
  error instanceof Error
    ? { name: error.name, message: error.message, hasCause: error.cause !== undefined }
    : { reason: error }

const comparedHeaders = ["content-type", "content-length", "content-language", "content-md5", "cookie", "x-id"]

const seen = ({ body, headers, method, path }: Api.Received) => {
  const boundary = /boundary=(.*)/.exec(headers["content-type"] ?? "")?.[1]
  const shown = comparedHeaders.map((name) => `${name}: ${headers[name]}`).join("\n")
  return [method, path, shown, body]
    .map((part) => (boundary === undefined ? part : part.replaceAll(boundary, "boundary")))
    .map((part) => part.replaceAll(/formdata-undici-\d+/g, "boundary"))
}

/** One call: what came of it, and what the servers saw. */
const observe = (fetch: Fetch, servers: ReadonlyArray<Server>, call: (fetch: Fetch) => Promise<Response>) =>
  Effect.promise(async () => {
    const before = servers.map(({ received }) => received.length)
    const outcome = await call(fetch).then(
      async (response) => ({
        status: response.status,
        ok: response.ok,
        url: response.url,
        redirected: response.redirected,
        type: response.type,
        hasBody: response.body !== null,
        text: await response.text()
      }),
      outline
    )
    return { outcome, requests: servers.map(({ received }, index) => received.slice(before[index]).map(seen)) }
  })

/** Has both fetches do the same. The answer is what they agreed on. */
const asNative = (fetch: Fetch, servers: ReadonlyArray<Server>, call: (fetch: Fetch) => Promise<Response>) =>
  Effect.gen(function* () {
    const ours = yield* observe(fetch, servers, call)
    assert.deepStrictEqual(ours, yield* observe(native, servers, call))
    return ours
  })

/** `/to/302/<where>` redirects there. */
const redirecting = (request: Api.Received): Api.Answer => {
  const [, status, location] = /^\/to\/(\d+)\/?(.*)$/.exec(request.path) ?? []
  return status === undefined
    ? { status: 200, body: `${request.method} ${request.path} ${request.body}` }
    : {
        status: Number(status),
        headers: location === "" ? {} : { location: decodeURIComponent(location!) },
        body: "this way"
      }
}

const to = (status: number, location: string) => `/to/${status}/${encodeURIComponent(location)}`

const streamOf = (...parts: ReadonlyArray<string>): ReadableStream<Uint8Array> =>
  Stream.toReadableStream(Stream.fromIterable(parts.map((part) => new TextEncoder().encode(part))))

// The option is missing in the types of the DOM.
const streaming = (body: ReadableStream<Uint8Array>) => ({ method: "POST", body, duplex: "half" }) as RequestInit

const formData = () => {
  const form = new FormData()
  form.append("field", "payload")
  form.append("file", new Blob(["payload"], { type: "text/csv" }), "file.txt")
  return form
}

describe.each(httpClients)("BearerClient.fetch over %s", (_name, http) => {
  describe("the token", () => {
    it.scopedLive("goes to the listed origin, read anew for each request", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(() => Api.ok)
        assert.strictEqual(yield* text(fetch(`${api.url}/me`)), "ok")
        yield* TokenCache.refresh("api")
        yield* text(fetch(new URL("/me", api.url)))
        yield* text(fetch(new Request(api.url, { headers: { authorization: "Bearer of the SDK" } })))
        assert.deepStrictEqual(tokens(api), ["token-1", "token-2", "token-2"])
      }).pipe(provide(hourly(), http))
    )

    it.scopedLive("goes to no other origin", () =>
      Effect.gen(function* () {
        const other = yield* Api.serve(() => Api.ok)
        const { fetch } = yield* setup(() => Api.ok)
        yield* text(fetch(other.url))
        yield* text(fetch(other.url, { headers: { authorization: "Bearer other" } }))
        assert.deepStrictEqual(tokens(other), [undefined, "other"])
      }).pipe(provide(hourly(), http))
    )

    it.scopedLive("is judged for each hop of a redirect, and Authorization stays behind", () =>
      Effect.gen(function* () {
        const other = yield* Api.serve(redirecting)
        const { api, fetch } = yield* setup(redirecting)
        const path = to(307, `${other.url}${to(307, `${api.url}/end`)}`)
        const headers = {
          authorization: "Bearer of the SDK",
          cookie: "a=b",
          "proxy-authorization": "Basic YTpi",
          "x-id": "1"
        }
        assert.strictEqual(yield* text(fetch(`${api.url}${path}`, { headers })), "GET /end ")
        assert.deepStrictEqual(tokens(api), ["token-1", "token-1"])
        const [received] = other.received
        assert.deepInclude(received, { token: undefined })
        assert.notProperty(received?.headers, "cookie")
        assert.notProperty(received?.headers, "proxy-authorization")
        assert.strictEqual(received?.headers["x-id"], "1")
        assert.strictEqual(received?.headers.host, other.url.slice("http://".length))
      }).pipe(provide(hourly(), http))
    )
  })

  describe("when the API answers 401", () => {
    it.scopedLive("50 calls at once lead to one new token, and all succeed with it", () => {
      const issuer = hourly()
      return Effect.gen(function* () {
        const { api, fetch } = yield* setup(Api.refusing("token-1"))
        const bodies = yield* Effect.all(
          Array.from({ length: 50 }, () => text(fetch(api.url))),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(bodies, Array(50).fill("token-2"))
        assert.strictEqual(tokens(api).filter((token) => token === "token-1").length, 50)
        assert.strictEqual(issuer.calls.length, 2)
      }).pipe(provide(issuer, http))
    })

    it.scopedLive("the second answer is the answer", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(Api.refusing("token-1", "token-2"))
        const response = yield* Effect.promise(() => fetch(api.url))
        assert.deepStrictEqual(
          [response.status, yield* Effect.promise(() => response.text())],
          [401, "token-2 is refused"]
        )
        assert.deepStrictEqual(tokens(api), ["token-1", "token-2"])
      }).pipe(provide(hourly(), http))
    )

    const bodies: Record<string, () => BodyInit> = {
      "a string": () => "payload",
      "an empty string": () => "",
      URLSearchParams: () => new URLSearchParams({ field: "payload" }),
      "a Blob": () => new Blob(["payload"], { type: "text/csv" }),
      "a Blob without a type": () => new Blob(["payload"]),
      FormData: formData,
      "an ArrayBuffer": () => new TextEncoder().encode("payload").buffer,
      "a part of an ArrayBuffer": () => new TextEncoder().encode("the payload of it").subarray(4, 11)
    }

    const sameTwice = (init: (url: string) => Parameters<Fetch>) =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(Api.refusing("token-1"))
        assert.strictEqual(yield* text(fetch(...init(api.url))), "token-2")
        yield* text(native(...init(api.url)))
        const [first, second, witness] = api.received.map(seen)
        assert.deepStrictEqual([first, second], [witness, witness])
      })

    it.scopedLive.each(Object.entries(bodies))("%s is sent again, as native fetch sends it", ([, body]) =>
      sameTwice((url) => [url, { method: "POST", body: body() }]).pipe(provide(hourly(), http))
    )

    it.scopedLive("the body of a Request is sent again, as native fetch sends it", () =>
      sameTwice((url) => [
        new Request(url, { method: "PUT", body: "payload", headers: { "content-type": "x/y" } })
      ]).pipe(provide(hourly(), http))
    )

    it.scopedLive("a ReadableStream is not sent again, and the next request has a new token", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(Api.refusing("token-1"))
        const response = yield* Effect.promise(() => fetch(api.url, streaming(streamOf("pay", "load"))))
        assert.strictEqual(response.status, 401)
        assert.deepStrictEqual(
          api.received.map(({ body, headers }) => [body, headers["transfer-encoding"], headers["content-type"]]),
          [["payload", "chunked", undefined]]
        )
        assert.strictEqual(yield* text(fetch(api.url)), "token-2")
      }).pipe(provide(hourly(), http))
    )
  })

  describe("redirects, as native fetch follows them:", () => {
    const init: RequestInit = {
      headers: { cookie: "a=b", "x-id": "1", "content-language": "de", "content-md5": "1B2M2Y8AsgTpgAmY7PhCfg==" }
    }

    it.scopedLive.each(
      [301, 302, 303, 307, 308].flatMap((status) =>
        ["GET", "HEAD", "POST", "PUT"].map((method) => [status, method] as const)
      )
    )("%d of %s", ([status, method]) =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(redirecting)
        const body = method === "GET" || method === "HEAD" ? null : "payload"
        const { requests } = yield* asNative(fetch, [api], (fetch) =>
          fetch(`${api.url}${to(status, "../end?a=b c#f")}#fragment`, { ...init, method, body })
        )
        assert.strictEqual(requests[0]?.length, 2)
      }).pipe(provide(hourly(), http))
    )

    it.scopedLive.each([301, 302, 303, 307, 308])("%d of a stream", (status) =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(redirecting)
        const { outcome } = yield* asNative(fetch, [api], (fetch) =>
          fetch(`${api.url}${to(status, "/end")}`, streaming(streamOf("pay", "load")))
        )
        assert.include(outcome, status === 303 ? { text: "GET /end " } : { name: "TypeError" })
      }).pipe(provide(hourly(), http))
    )

    it.scopedLive.each([307, 303])("%d to another origin", (status) =>
      Effect.gen(function* () {
        const other = yield* Api.serve(redirecting)
        const { api, fetch } = yield* setup(redirecting)
        const { requests } = yield* asNative(fetch, [api, other], (fetch) =>
          fetch(`${api.url}${to(status, `${other.url}/end`)}`, { ...init, method: "POST", body: "payload" })
        )
        assert.deepStrictEqual(
          requests.map((all) => all.length),
          [1, 1]
        )
      }).pipe(provide(hourly(), http))
    )

    it.scopedLive.each(["manual", "error"] as const)("redirect: %s", (redirect) =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(redirecting)
        for (const path of [to(302, "/end"), to(302, ""), "/end"]) {
          const { requests } = yield* asNative(fetch, [api], (fetch) => fetch(`${api.url}${path}`, { redirect }))
          assert.strictEqual(requests[0]?.length, 1)
        }
      }).pipe(provide(hourly(), http))
    )

    it.scopedLive("redirect: manual of a Request", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(redirecting)
        const { outcome } = yield* asNative(fetch, [api], (fetch) =>
          fetch(new Request(`${api.url}${to(302, "/end")}`, { redirect: "manual" }))
        )
        assert.include(outcome, { status: 302, redirected: false })
      }).pipe(provide(hourly(), http))
    )

    it.scopedLive.each([
      ["no Location", ""],
      ["one that is no URL", "http://"],
      ["one of another scheme", "data:,x"],
      ["one with credentials", "http://user:password@127.0.0.1/"]
    ] as const)("Location: %s", ([, location]) =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(redirecting)
        const { requests } = yield* asNative(fetch, [api], (fetch) => fetch(`${api.url}${to(302, location)}`))
        assert.strictEqual(requests[0]?.length, 1)
      }).pipe(provide(hourly(), http))
    )

    it.scopedLive("300 and 304 are none", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(redirecting)
        for (const status of [300, 304]) {
          const { outcome } = yield* asNative(fetch, [api], (fetch) => fetch(`${api.url}${to(status, "/end")}`))
          assert.include(outcome, { status })
        }
      }).pipe(provide(hourly(), http))
    )

    it.scopedLive.each([20, 21])("%d in a row", (length) =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(({ path }) => {
          const left = Number(path.slice(1))
          return left === 0 ? Api.ok : { status: 302, headers: { location: `/${left - 1}` }, body: "on" }
        })
        const { outcome, requests } = yield* asNative(fetch, [api], (fetch) => fetch(`${api.url}/${length}`))
        assert.strictEqual(requests[0]?.length, 21)
        assert.include(outcome, length === 20 ? { text: "ok" } : { name: "TypeError" })
      }).pipe(provide(hourly(), http))
    )

    it.scopedLive("a body that does not end is given up", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(({ path }) =>
          path === "/end"
            ? Api.ok
            : (response) => {
                response.writeHead(302, { location: "/end" })
                response.write("and so on ")
              }
        )
        assert.strictEqual(yield* text(fetch(api.url)), "ok")
        yield* until(() => api.received[0]!.socket.destroyed)
      }).pipe(provide(hourly(), http))
    )
  })

  describe("the response", () => {
    it.scopedLive.each([200, 204, 205, 304, 404, 500])("%d is native fetch's, also to HEAD", (status) =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(() => ({ status, headers: { "x-id": "1" } }))
        for (const method of ["GET", "HEAD"]) {
          yield* asNative(fetch, [api], (fetch) => fetch(`${api.url}/a?b=c#d`, { method }))
        }
      }).pipe(provide(hourly(), http))
    )

    it.scopedLive("has the headers, and each cookie", () =>
      Effect.gen(function* () {
        const cookies = ["a=1; Path=/; HttpOnly", "b=x%20y; Max-Age=60; Path=/; Secure; SameSite=Lax", "c=3"]
        const { api, fetch } = yield* setup(() => ({
          status: 200,
          headers: { "set-cookie": cookies, "x-list": ["1", "2"], "content-type": "text/plain" }
        }))
        const [ours, theirs] = yield* Effect.promise(() => Promise.all([fetch(api.url), native(api.url)]))
        // The attributes of a cookie have no order.
        const sorted = (response: Response) => response.headers.getSetCookie().map((text) => text.split("; ").sort())
        assert.deepStrictEqual(sorted(ours), sorted(theirs))
        for (const header of ["x-list", "content-type", "content-length"]) {
          assert.strictEqual(ours.headers.get(header), theirs.headers.get(header))
        }
      }).pipe(provide(hourly(), http))
    )

    it.scopedLive("has a clone like itself, and can be read in each way", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup((request) =>
          request.path === "/json" ? { status: 200, body: `{"a":1}` } : { status: 302, headers: { location: "/json" } }
        )
        const response = yield* Effect.promise(() => fetch(api.url))
        const [one, two, three, four] = [response.clone(), response.clone(), response.clone().clone(), response]
        for (const clone of [one, two, three]) {
          assert.deepInclude(clone, { url: `${api.url}/json`, redirected: true, type: "basic" })
        }
        assert.instanceOf(response, Response)
        assert.deepStrictEqual(yield* Effect.promise(() => one!.json()), { a: 1 })
        assert.strictEqual(yield* Effect.promise(() => two!.text()), `{"a":1}`)
        assert.strictEqual((yield* Effect.promise(() => three!.arrayBuffer())).byteLength, 7)
        assert.strictEqual((yield* Effect.promise(() => four!.blob())).size, 7)
        assert.instanceOf(yield* rejection(() => four!.text()), TypeError)
      }).pipe(provide(hourly(), http))
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
      }).pipe(provide(hourly(), http))
    )

    it.scopedLive("gives the connection back when it is cancelled unread", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(() => Api.endless(200))
        const response = yield* Effect.promise(() => fetch(api.url))
        yield* Effect.promise(() => response.body!.cancel())
        yield* until(() => api.received[0]!.socket.destroyed)
      }).pipe(provide(hourly(), http))
    )

    it.scopedLive("is not read ahead of its reader", () =>
      Effect.gen(function* () {
        let written = 0
        const { api, fetch } = yield* setup(() => (response) => {
          const write = () => {
            while (written < 200_000_000 && response.write(Buffer.alloc(100_000))) {
              written += 100_000
            }
          }
          response.on("drain", write)
          write()
        })
        const response = yield* Effect.promise(() => fetch(api.url))
        const reader = response.body!.getReader()
        yield* Effect.promise(() => reader.read())
        let before = -1
        yield* Effect.repeat(Effect.sleep("100 millis"), {
          until: () => {
            const settled = before === written
            before = written
            return settled
          }
        })
        assert.isBelow(written, 100_000_000)
        yield* Effect.promise(() => reader.cancel())
      }).pipe(provide(hourly(), http))
    )

    it.scopedLive("can be read into the caller's memory", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(() => Api.ok)
        const response = yield* Effect.promise(() => fetch(api.url))
        const reader = response.body!.getReader({ mode: "byob" })
        const { value } = yield* Effect.promise(() => reader.read(new Uint8Array(8)))
        assert.strictEqual(new TextDecoder().decode(value), "ok")
        assert.isTrue((yield* Effect.promise(() => reader.read(new Uint8Array(8)))).done)
      }).pipe(provide(hourly(), http))
    )

    it.scopedLive("is decoded where the SDK asks for gzip", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(
          ({ headers }) =>
            (response) =>
              headers["accept-encoding"]?.includes("gzip")
                ? response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync("plain"))
                : response.end("plain")
        )
        assert.strictEqual(yield* text(fetch(api.url, { headers: { "accept-encoding": "gzip" } })), "plain")
      }).pipe(provide(hourly(), http))
    )
  })

  describe("the caller's signal", () => {
    const reasons: Record<string, unknown> = {
      "an AbortError": undefined,
      "an Error": new RangeError("enough"),
      "a string": "enough"
    }

    it.scopedLive.each(Object.entries(reasons))("aborted before: no request, no token read, %s", ([, reason]) => {
      const issuer = Issuer.scripted(Issuer.hang)
      return Effect.gen(function* () {
        const { api, fetch } = yield* setup(() => Api.ok)
        const signal = AbortSignal.abort(reason)
        const bodies = [streamOf("payload"), streamOf("payload")] as const
        const ours = yield* rejection(() => fetch(api.url, { ...streaming(bodies[0]), signal }))
        const theirs = yield* rejection(() => native(api.url, { ...streaming(bodies[1]), signal }))
        assert.strictEqual(ours, signal.reason)
        assert.strictEqual(theirs, signal.reason)
        assert.strictEqual(yield* rejection(() => fetch(new Request(api.url, { signal }))), signal.reason)
        assert.strictEqual(api.received.length, 0)
        assert.strictEqual(issuer.calls.length, 1)
      }).pipe(provide(issuer, http))
    })

    it.scopedLive.each(Object.entries(reasons))("aborted before the headers: %s", ([, reason]) =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(() => Api.silent)
        for (const [index, call] of [fetch, native].entries()) {
          const controller = new AbortController()
          const fiber = yield* Effect.fork(rejection(() => call(api.url, { signal: controller.signal })))
          yield* until(() => api.received.length === index + 1)
          controller.abort(reason)
          assert.strictEqual(yield* Fiber.join(fiber), controller.signal.reason)
          yield* until(() => api.received[index]!.socket.destroyed)
        }
      }).pipe(provide(hourly(), http))
    )

    it.scopedLive.each(Object.entries(reasons))("aborted while the body is read: %s", ([, reason]) =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(() => Api.endless(200))
        for (const [index, call] of [fetch, native].entries()) {
          const controller = new AbortController()
          const response = yield* Effect.promise(() => call(api.url, { signal: controller.signal }))
          const reader = response.body!.getReader()
          yield* Effect.promise(() => reader.read())
          const fiber = yield* Effect.fork(rejection(() => reader.read()))
          yield* Effect.sleep("20 millis")
          controller.abort(reason)
          assert.strictEqual(yield* Fiber.join(fiber), controller.signal.reason)
          yield* until(() => api.received[index]!.socket.destroyed)
        }
      }).pipe(provide(hourly(), http))
    )

    it.scopedLive("aborted after the headers, before the body is read", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(() => Api.endless(200))
        for (const [index, call] of [fetch, native].entries()) {
          const controller = new AbortController()
          const response = yield* Effect.promise(() => call(api.url, { signal: controller.signal }))
          controller.abort()
          yield* until(() => api.received[index]!.socket.destroyed)
          const reason = yield* rejection(() => response.text())
          assert.deepInclude(reason, { name: "AbortError" })
          // Node's own fetch has another AbortError here than that of the signal.
          assert.isTrue(reason === controller.signal.reason || call === native)
        }
      }).pipe(provide(hourly(), http))
    )

    it.scopedLive("aborted when all is read: nothing", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(() => Api.ok)
        const controller = new AbortController()
        const response = yield* Effect.promise(() => fetch(api.url, { signal: controller.signal }))
        assert.strictEqual(yield* Effect.promise(() => response.text()), "ok")
        controller.abort()
        assert.strictEqual(yield* text(fetch(api.url)), "ok")
      }).pipe(provide(hourly(), http))
    )

    it.scopedLive("aborted while the stream of the body goes out: the stream is cancelled", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(() => Api.silent)
        let state = "unread"
        const body = new ReadableStream<Uint8Array>(
          {
            pull: () => {
              state = "read"
            },
            cancel: () => {
              state = "cancelled"
            }
          },
          { highWaterMark: 0 }
        )
        const controller = new AbortController()
        const fiber = yield* Effect.fork(
          rejection(() => fetch(api.url, { ...streaming(body), signal: controller.signal }))
        )
        yield* until(() => state === "read")
        controller.abort()
        assert.strictEqual(yield* Fiber.join(fiber), controller.signal.reason)
        // Node's own fetch does not cancel it.
        yield* until(() => state === "cancelled" || http === FetchHttpClient.layer)
      }).pipe(provide(hourly(), http))
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
        const fiber = yield* Effect.fork(
          rejection(() => fetch(api.url, { ...streaming(body), signal: controller.signal }))
        )
        yield* Effect.sleep("20 millis")
        controller.abort("enough")
        assert.strictEqual(yield* Fiber.join(fiber), "enough")
        yield* until(() => cancelled === "enough")
        assert.strictEqual(api.received.length, 0)
      }).pipe(provide(Issuer.scripted(Issuer.hang), http))
    )

    it.scopedLive("is the business of one caller alone", () =>
      Effect.gen(function* () {
        const gate = yield* Deferred.make<void>()
        const issuer = Issuer.scripted(
          Issuer.run(Effect.as(Deferred.await(gate), IssuedToken.make({ accessToken: "token-1", expiresIn: "1 hour" })))
        )
        yield* Effect.gen(function* () {
          const { api, fetch } = yield* setup(() => Api.ok)
          const controller = new AbortController()
          const aborted = yield* Effect.fork(rejection(() => fetch(api.url, { signal: controller.signal })))
          const others = yield* Effect.fork(
            Effect.all([text(fetch(api.url)), text(fetch(api.url, { signal: new AbortController().signal }))])
          )
          yield* until(() => issuer.calls.length === 1)
          controller.abort()
          assert.strictEqual(yield* Fiber.join(aborted), controller.signal.reason)
          yield* Deferred.succeed(gate, undefined)
          assert.deepStrictEqual(yield* Fiber.join(others), ["ok", "ok"])
          assert.deepStrictEqual(tokens(api), ["token-1", "token-1"])
          assert.strictEqual(issuer.calls.length, 1)
        }).pipe(provide(issuer, http))
      })
    )
  })

  describe("a failure", () => {
    const codeOf = (error: unknown) => (error instanceof Error ? Object(error.cause).code : undefined)

    it.scopedLive("without a token is a TypeError because of TokenUnavailable", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(() => Api.ok)
        const error = yield* rejection(() => fetch(api.url))
        assert.instanceOf(error, TypeError)
        assert.instanceOf(error.cause, TokenUnavailable)
        assert.strictEqual(error.message, `fetch failed: ${error.cause.message}`)
        assert.strictEqual(api.received.length, 0)
      }).pipe(provide(Issuer.scripted(Issuer.fail()), http))
    )

    it.scopedLive("to connect has the transport's own cause", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(() => Api.ok)
        api.close()
        yield* asNative(fetch, [], (fetch) => fetch(api.url))
        assert.strictEqual(codeOf(yield* rejection(() => fetch(api.url))), "ECONNREFUSED")
      }).pipe(provide(hourly(), http))
    )

    it.scopedLive("of the connection is native fetch's", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(() => Api.hangUp)
        yield* asNative(fetch, [api], (fetch) => fetch(api.url))
        assert.isString(codeOf(yield* rejection(() => fetch(api.url))))
      }).pipe(provide(hourly(), http))
    )

    it.scopedLive("in the middle of the answer is native fetch's", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(() => Api.cutOff)
        const read = (fetch: Fetch) =>
          Effect.map(
            rejection(() => fetch(api.url).then((response) => response.text())),
            outline
          )
        assert.deepStrictEqual(yield* read(fetch), yield* read(native))
      }).pipe(provide(hourly(), http))
    )

    it.scopedLive("is an Error of the platform, also in a span", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(({ path }) => (path === "/cut-off" ? Api.cutOff : Api.hangUp))
        for (const path of ["/hang-up", "/cut-off"]) {
          const error = yield* rejection(() => fetch(`${api.url}${path}`).then((response) => response.text()))
          assert.isTrue(types.isNativeError(error), path)
          assert.isTrue(types.isNativeError(error instanceof Error && error.cause), path)
        }
      }).pipe(Effect.withSpan("outside"), provide(hourly(), http))
    )

    it.scopedLive("of the body's stream is its cause", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(() => Api.ok)
        const boom = new RangeError("boom")
        for (const call of [fetch, native]) {
          const body = new ReadableStream<Uint8Array>({ pull: (controller) => controller.error(boom) })
          const error = yield* rejection(() => call(api.url, streaming(body)))
          assert.deepStrictEqual(outline(error), { name: "TypeError", message: "fetch failed", hasCause: true })
          assert.strictEqual(error instanceof Error && error.cause, boom)
        }
      }).pipe(provide(hourly(), http))
    )

    const refused: Record<string, (url: string) => Parameters<Fetch>> = {
      "a relative URL": () => ["/me"],
      "credentials in the URL": (url) => [url.replace("//", "//user:password@")],
      "GET with a body": (url) => [url, { body: "payload" }],
      "the method TRACE": (url) => [url, { method: "TRACE" }],
      "a method that is none": (url) => [url, { method: "A B" }],
      "a header that is none": (url) => [url, { headers: { "a b": "c" } }],
      "another scheme": () => ["foo://127.0.0.1/"],
      // The option that it lacks is missing in the types of the DOM.
      "a stream without duplex": (url) => [url, { method: "POST", body: streamOf("payload") }]
    }

    it.scopedLive.each(Object.entries(refused))("of native fetch is one of this, too: %s", ([, args]) =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(() => Api.ok)
        const { outcome } = yield* asNative(fetch, [api], (fetch) => fetch(...args(api.url)))
        assert.include(outcome, { name: "TypeError" })
        assert.strictEqual(api.received.length, 0)
      }).pipe(provide(hourly(), http))
    )

    it.scopedLive.each([
      ["a method that the client has not", { method: "PROPFIND" }, /unknown method PROPFIND/],
      ["a method in lower case", { method: "patch" }, /unknown method patch/],
      ["integrity", { integrity: "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }, /integrity/]
    ] as const)("where native fetch has none: %s", ([, init, cause]) =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(() => Api.ok)
        const error = yield* rejection(() => fetch(api.url, init))
        assert.instanceOf(error, TypeError)
        assert.match(String(error.cause), cause)
        assert.strictEqual(api.received.length, 0)
      }).pipe(provide(hourly(), http))
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

    it.scopedLive.each(Object.entries(outcomes))("%s", ([, outcome]) =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(({ path }) => answers[path]!)
        const value = yield* Effect.promise(() => outcome(fetch, api.url).catch((reason) => reason))
        assert.isTrue(tokens(api).every((token) => token?.includes(canary)))
        assert.deepStrictEqual(Probe.leaks(canary, value), [])
      }).pipe(provide(Issuer.scripted(Issuer.succeed("1 hour", canary)), http))
    )

    it.scopedLive("a token that no header can carry", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(() => Api.ok)
        const error = yield* rejection(() => fetch(api.url))
        assert.match(String(error), /TypeError: fetch failed: the token "api" has characters other than visible ASCII/)
        assert.deepStrictEqual(Probe.leaks(canary, error), [])
      }).pipe(provide(Issuer.scripted(Issuer.succeed("1 hour", `${canary}\n`)), http))
    )
  })

  describe("an SDK that takes a fetch works:", () => {
    it.scopedLive("fetchUserInfo of openid-client", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup((request) =>
          request.token === "token-1"
            ? { status: 401 }
            : { status: 200, headers: { "content-type": "application/json" }, body: `{"sub":"${request.token}"}` }
        )
        const config = new openid.Configuration({ issuer: api.url, userinfo_endpoint: `${api.url}/me` }, "client")
        openid.allowInsecureRequests(config)
        // Its own init has `body: undefined`, which exactOptionalPropertyTypes minds.
        config[openid.customFetch] = (url, init) => fetch(url, init as RequestInit)
        const info = yield* Effect.promise(() => openid.fetchUserInfo(config, "its own", openid.skipSubjectCheck))
        assert.deepStrictEqual<unknown>(info, { sub: "token-2" })
      }).pipe(provide(hourly(), http))
    )

    it.scopedLive("createRemoteJWKSet of jose", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup(({ token }) =>
          token === "token-1"
            ? { status: 401 }
            : {
                status: 200,
                headers: { "content-type": "application/json" },
                body: JSON.stringify({ keys: [{ kty: "oct", kid: "key-1", alg: "HS256", k: "c2VjcmV0" }] })
              }
        )
        const keys = createRemoteJWKSet(new URL(api.url), { [customFetch]: fetch })
        yield* Effect.promise(() => keys.reload())
        assert.deepStrictEqual(
          keys.jwks()?.keys.map(({ kid }) => kid),
          ["key-1"]
        )
        assert.deepStrictEqual(tokens(api), ["token-1", "token-2"])
      }).pipe(provide(hourly(), http))
    )

    it.scopedLive("gaxios, and its retries and timeouts", () =>
      Effect.gen(function* () {
        const { api, fetch } = yield* setup((request, index) =>
          request.path === "/silent"
            ? Api.silent
            : index === 0
              ? { status: 503 }
              : { status: 200, headers: { "content-type": "application/json" }, body: `{"token":"${request.token}"}` }
        )
        const client = new gaxios.Gaxios({
          fetchImplementation: fetch,
          baseURL: api.url,
          retryConfig: { retryDelay: 1 }
        })
        const answer = yield* Effect.promise(() => client.request({ url: "/me", retry: true }))
        assert.deepStrictEqual(answer.data, { token: "token-1" })
        assert.strictEqual(api.received.length, 2)
        const error = yield* rejection(() => client.request({ url: "/silent", timeout: 100, retry: false }))
        assert.match(String(error), /timeout|aborted/i)
        yield* until(() => api.received[2]!.socket.destroyed)
      }).pipe(provide(hourly(), http))
    )
  })

  it.scopedLive("runs with the runtime that the effect ran in", () =>
    Effect.gen(function* () {
      const { api, fetch } = yield* Effect.locally(
        setup(() => Api.ok),
        HttpClient.currentTracerPropagation,
        false
      )
      yield* text(fetch(api.url))
      assert.notProperty(api.received[0]!.headers, "traceparent")
      yield* text((yield* BearerClient.fetch("api", { origins: [api.url] }))(api.url))
      assert.property(api.received[1]!.headers, "traceparent")
    }).pipe(provide(hourly(), http))
  )
})

describe("BearerClient.fetch, over a client of one's own,", () => {
  const over = (response: () => Response) =>
    Effect.gen(function* () {
      const fetch = yield* BearerClient.fetch("api", { origins: ["https://api.example.com"] })
      return yield* Effect.promise(() => fetch("https://api.example.com/me"))
    }).pipe(
      Effect.provide(TokenCache.layerTest({ api: "the-token" })),
      Effect.provideService(
        HttpClient.HttpClient,
        HttpClient.make((request) => Effect.succeed(HttpClientResponse.fromWeb(request, response())))
      )
    )

  it.live("passes over empty chunks", () =>
    Effect.gen(function* () {
      const response = yield* over(() => new Response(streamOf("", "o", "", "k", "")))
      assert.strictEqual(yield* Effect.promise(() => response.text()), "ok")
    })
  )

  it.live("has an empty body where the client has none", () =>
    Effect.gen(function* () {
      const response = yield* over(() => new Response(null))
      assert.strictEqual(yield* Effect.promise(() => response.text()), "")
    })
  )
})

describe("BearerClient.fetch, over a fetch that was given a RequestInit,", () => {
  const given = { headers: { "x-given": "1" }, redirect: "error" } as const

  const keeps = Effect.gen(function* () {
    const { api, fetch } = yield* setup(redirecting)
    assert.strictEqual(yield* text(fetch(`${api.url}${to(302, "/end")}`)), "GET /end ")
    assert.deepStrictEqual(
      api.received.map(({ headers, token }) => [headers["x-given"], token]),
      [
        ["1", "token-1"],
        ["1", "token-1"]
      ]
    )
  })

  it.scopedLive("keeps that of its layer, and follows redirects itself", () =>
    keeps.pipe(
      provide(hourly(), Layer.provide(FetchHttpClient.layer, Layer.succeed(FetchHttpClient.RequestInit, given)))
    )
  )

  it.scopedLive("keeps that of the effect, and follows redirects itself", () =>
    keeps.pipe(Effect.provideService(FetchHttpClient.RequestInit, given), provide(hourly(), FetchHttpClient.layer))
  )
})
