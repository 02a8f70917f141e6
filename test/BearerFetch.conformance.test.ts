import { assert, describe, it } from "@effect/vitest"
import { Effect, Record, Stream } from "effect"
import { BearerClient, TokenCache } from "effect-token-cache"
import * as Api from "./support/bearerApi.js"
import * as Issuer from "./support/issuer.js"

type Fetch = typeof globalThis.fetch

type Server = Effect.Effect.Success<ReturnType<typeof Api.serve>>

type Call = (fetch: Fetch, api: string, other: string) => Promise<Response>

const native: Fetch = globalThis.fetch

const provide = Effect.provide(TokenCache.layer({ api: { issue: Issuer.scripted(Issuer.succeed("1 hour")).issue } }))

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
const observe = (servers: ReadonlyArray<Server>, call: () => Promise<Response>) =>
  Effect.promise(async () => {
    const before = servers.map(({ received }) => received.length)
    const outcome = await call().then(read).catch(outline)
    return { outcome, requests: servers.map(({ received }, index) => received.slice(before[index]).map(seen)) }
  })

const read = async (response: Response) => ({
  status: response.status,
  statusText: response.statusText,
  ok: response.ok,
  url: response.url,
  redirected: response.redirected,
  type: response.type,
  cookies: response.headers.getSetCookie(),
  list: response.headers.get("x-list"),
  hasBody: response.body !== null,
  text: await response.text()
})

/** Redirects from `/to/302/<where>`, answers with the status of `/status/404`, and else says what it was asked. */
const answering = (request: Api.Received): Api.Answer => {
  const [, kind, argument, location = ""] = /^\/(to|status|left)\/(\d+)\/?(.*)$/.exec(request.path) ?? []
  const status = Number(argument)
  // Servers write UTF-8, and node:http Latin-1.
  const where = Buffer.from(decodeURIComponent(location)).toString("latin1")
  switch (kind) {
    case "status":
      return { status, headers: { "x-list": ["1", "2"], "set-cookie": ["a=1; Path=/; HttpOnly", "b=2", "b=3"] } }
    case "to":
      return { status, headers: where === "" ? {} : { location: where }, body: "this way" }
    case "left":
      return { status: 302, headers: { location: status === 0 ? "/end" : `/left/${status - 1}` } }
  }
  return (
    { "/hang-up": Api.hangUp, "/cut-off": Api.cutOff }[request.path] ?? {
      status: 200,
      body: `${request.method} ${request.path} ${request.body}`
    }
  )
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

describe("BearerClient.fetch and native fetch do the same:", () => {
  const headers = { cookie: "a=b", "x-id": "1", "content-language": "de", "content-md5": "1B2M2Y8AsgTpgAmY7PhCfg==" }

  const redirects = [301, 302, 303, 307, 308].flatMap(
    (status): ReadonlyArray<readonly [string, Call]> => [
      ...["GET", "HEAD", "POST", "PUT"].map((method): readonly [string, Call] => [
        `${status} of ${method}`,
        (fetch, api) =>
          fetch(`${api}${to(status, "../end?a=b c#f")}#fragment`, {
            headers,
            method,
            body: method.startsWith("P") ? "payload" : null
          })
      ]),
      [
        `${status} to another origin`,
        (fetch, api, other) =>
          fetch(`${api}${to(status, `${other}/end`)}`, { headers, method: "POST", body: "payload" })
      ],
      [
        `${status} of a stream`,
        (fetch, api) => fetch(`${api}${to(status, "/end")}`, streaming(streamOf("pay", "load")))
      ],
      [`${status} without a Location`, (fetch, api) => fetch(`${api}/to/${status}/`)]
    ]
  )

  const statuses = [200, 204, 205, 300, 304, 404, 500, 599].flatMap((status) =>
    ["GET", "HEAD"].map((method): readonly [string, Call] => [
      `${status} to ${method}`,
      (fetch, api) => fetch(`${api}/status/${status}?b=c#d`, { method })
    ])
  )

  const modes = ["manual", "error"].flatMap((mode) =>
    [to(302, "/end"), "/to/302/", "/end"].map((path): readonly [string, Call] => [
      `${path} with redirect: ${mode}`,
      (fetch, api) => fetch(`${api}${path}`, { redirect: mode as RequestRedirect })
    ])
  )

  const others: Record<string, Call> = {
    "redirect: manual of a Request": (fetch, api) =>
      fetch(new Request(`${api}${to(302, "/end")}`, { redirect: "manual" })),
    "20 redirects": (fetch, api) => fetch(`${api}/left/19`),
    "21 redirects": (fetch, api) => fetch(`${api}/left/20`),
    "a redirect to UTF-8": (fetch, api) => fetch(`${api}${to(302, "/énd?a=日本")}`),
    "a redirect to no URL": (fetch, api) => fetch(`${api}${to(302, "http://")}`),
    "a redirect to another scheme": (fetch, api) => fetch(`${api}${to(302, "data:,x")}`),
    "a redirect with credentials": (fetch, api) => fetch(`${api}${to(302, "http://user:password@127.0.0.1/")}`),
    "a connection that is reset": (fetch, api) => fetch(`${api}/hang-up`),
    "a body that is cut off": (fetch, api) => fetch(`${api}/cut-off`),
    "a port that fetch blocks": (fetch) => fetch("http://127.0.0.1:1/"),
    "a data: URL": (fetch) => fetch("data:text/plain,hi"),
    "another scheme": (fetch) => fetch("foo://127.0.0.1/"),
    "a relative URL": (fetch) => fetch("/me"),
    "credentials in the URL": (fetch, api) => fetch(api.replace("//", "//user:password@")),
    "GET with a body": (fetch, api) => fetch(api, { body: "payload" }),
    "a stream without duplex": (fetch, api) => fetch(api, { method: "POST", body: streamOf("payload") }),
    "the method PROPFIND": (fetch, api) => fetch(api, { method: "PROPFIND" }),
    "the method TRACE": (fetch, api) => fetch(api, { method: "TRACE" }),
    "a method in lower case": (fetch, api) => fetch(api, { method: "propfind" }),
    "a method that is none": (fetch, api) => fetch(api, { method: "A B" }),
    "a header that is none": (fetch, api) => fetch(api, { headers: { "a b": "c" } }),
    "integrity that fits": (fetch, api) =>
      fetch(`${api}/status/200`, { integrity: "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }),
    "integrity that does not": (fetch, api) =>
      fetch(api, { integrity: "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" })
  }

  const bodies: Record<string, BodyInit | null> = {
    "no body": null,
    "a string": "payload",
    "an empty string": "",
    URLSearchParams: new URLSearchParams({ field: "payload" }),
    "a Blob": new Blob(["payload"], { type: "text/csv" }),
    "a Blob without a type": new Blob(["payload"]),
    FormData: formData(),
    "an ArrayBuffer": new TextEncoder().encode("payload").buffer,
    "a part of an ArrayBuffer": new TextEncoder().encode("the payload of it").subarray(4, 11)
  }

  const posts: Record<string, Call> = {
    ...Record.map(
      bodies,
      (body): Call =>
        (fetch, api) =>
          fetch(api, { method: "POST", body })
    ),
    "the body of a Request": (fetch, api) =>
      fetch(new Request(api, { method: "PUT", body: "payload", headers: { "content-type": "x/y" } }))
  }

  it.scopedLive.each([...redirects, ...statuses, ...modes, ...Object.entries(others)])("%s", ([, call]) =>
    Effect.gen(function* () {
      const other = yield* Api.serve(answering)
      const api = yield* Api.serve(answering)
      const fetch = yield* BearerClient.fetch("api", { origins: [api.url] })
      const ours = yield* observe([api, other], () => call(fetch, api.url, other.url))
      assert.deepStrictEqual(ours, yield* observe([api, other], () => call(native, api.url, other.url)))
    }).pipe(provide)
  )

  it.scopedLive.each(Object.entries(posts))("%s, sent once more after a 401", ([, call]) =>
    Effect.gen(function* () {
      const api = yield* Api.serve((_, index) => (index === 0 ? { status: 401 } : Api.ok))
      const fetch = yield* BearerClient.fetch("api", { origins: [api.url] })
      yield* Effect.promise(() => call(fetch, api.url, ""))
      yield* Effect.promise(() => call(native, api.url, ""))
      const [first, second, ofNative] = api.received.map(seen)
      assert.deepStrictEqual([first, second], [ofNative, ofNative])
    }).pipe(provide)
  )
})
