import * as Headers from "@effect/platform/Headers"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpMethod from "@effect/platform/HttpMethod"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { identity } from "effect/Function"
import * as Stream from "effect/Stream"

/**
 * The client's request for one of the platform. Its body is read, to be sent as often as need be, unless it `streams`.
 *
 * @internal
 */
export const make = (request: Request, streams: boolean) =>
  Effect.gen(function* () {
    const { integrity, method } = request
    if (!HttpMethod.isHttpMethod(method) || integrity !== "") {
      return yield* Effect.fail(new Error(integrity === "" ? `unknown method ${method}` : "integrity is not supported"))
    }
    const url = yield* parseUrl(request.url)
    // The client decodes what it asks for, and nothing else.
    const headers = Headers.remove(Headers.fromInput(entries(request.headers)), "accept-encoding")
    return makeRequest(method, url, headers, yield* readBody(request, streams))
  })

const bodyHeaders = ["content-encoding", "content-language", "content-length", "content-location", "content-type"]

const originHeaders = ["authorization", "cookie", "host", "proxy-authorization"]

/**
 * The request that the answer with this status and `Location` asks for.
 *
 * @internal
 */
export const redirect = (request: HttpClientRequest.HttpClientRequest, status: number, location: string) =>
  Either.flatMap(parseUrl(location, request.url), (url): Either.Either<HttpClientRequest.HttpClientRequest, Error> => {
    const { body, headers, method } = request
    if (url.username !== "" || url.password !== "") {
      return Either.left(new Error("a redirect's URL must not include credentials"))
    }
    if (status !== 303 && body._tag === "Stream") {
      return Either.left(new Error("a redirect needs the body again, which is a stream"))
    }
    const becomesGet = status === 303 ? method !== "GET" && method !== "HEAD" : status < 303 && method === "POST"
    const kept = Headers.remove(headers, [
      ...(becomesGet ? bodyHeaders : []),
      ...(url.origin === new URL(request.url).origin ? [] : originHeaders)
    ])
    return Either.right(
      becomesGet ? makeRequest("GET", url, kept, HttpBody.empty) : makeRequest(method, url, kept, body)
    )
  })

const parseUrl = (text: string, base?: string): Either.Either<URL, unknown> =>
  Either.flatMap(Either.try({ try: () => new URL(text, base), catch: identity }), (url) => {
    // A fragment is not sent, and is no part of a response's URL.
    url.hash = ""
    return url.protocol === "http:" || url.protocol === "https:"
      ? Either.right(url)
      : Either.left(new Error("URL scheme must be a HTTP(S) scheme"))
  })

const makeRequest = (method: HttpMethod.HttpMethod, url: URL, headers: Headers.Headers, body: HttpBody.HttpBody) => {
  const request = HttpClientRequest.get(url.href, { headers }).pipe(HttpClientRequest.setMethod(method))
  // An empty body takes the header Content-Type away.
  return body._tag === "Empty" ? request : HttpClientRequest.setBody(request, body)
}

const readBody = (request: Request, streams: boolean): Effect.Effect<HttpBody.HttpBody, unknown> => {
  const { body } = request
  if (body === null) {
    return Effect.succeed(HttpBody.empty)
  }
  return streams
    ? // With an empty type the request's own counts.
      Effect.succeed(
        HttpBody.stream(
          Stream.fromReadableStream(() => body, identity),
          ""
        )
      )
    : Effect.map(Effect.tryPromise({ try: () => request.arrayBuffer(), catch: identity }), (bytes) =>
        HttpBody.raw(new Uint8Array(bytes), { contentLength: bytes.byteLength })
      )
}

const entries = (headers: globalThis.Headers): ReadonlyArray<readonly [string, string]> => {
  const all: Array<readonly [string, string]> = []
  headers.forEach((value, name) => {
    all.push([name, value])
  })
  return all
}
