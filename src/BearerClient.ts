/**
 * An `HttpClient` that sends a token of the cache, and gets a new one when the API refuses it.
 *
 * @since 0.1.0
 */
import * as Headers from "@effect/platform/Headers"
import type * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as WebFetch from "./internal/bearer/fetch.js"
import { BearerResponse, drain, errorFor, exitFor } from "./internal/bearer/response.js"
import { mapSpanExit } from "./internal/http/spans.js"
import { TokenCache } from "./TokenCache.js"
import { InvalidOptions, type TokenUnavailable } from "./TokenError.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface BearerClientOptions {
  /**
   * Where the token may go: scheme, host and port, for example `https://api.example.com`. Requests to any other origin
   * go out as they are, without it. At least one.
   */
  readonly origins: ReadonlyArray<string>
  /**
   * Whether a request that is answered with 401 is sent once more, with a new token. With `false` the 401 is the answer;
   * the token is invalidated all the same, so that the next request has a new one. Default: `true`.
   */
  readonly retryUnauthorized?: boolean | undefined
}

/**
 * Makes an `HttpClient` that sends the token `name` as `Authorization: Bearer` to the given origins, on top of the client
 * in the context.
 *
 * An answer of 401 invalidates the token that was sent, and only that one; the request is sent once more with the next
 * token, and that answer counts, whatever it is. 403 and 400 are left alone. A body that can be read only once, a
 * `Stream` or a `Raw` that is not plain data, is not sent again: the 401 is the answer.
 *
 * Fails with a `RequestError` of reason `Encode` and the `TokenUnavailable` as its cause when the cache has no token;
 * `HttpClient.retryTransient` does not repeat it. Its errors and responses hold the request without the token. An
 * origin that is none, or an empty list, is a defect: `InvalidOptions`.
 *
 * `HttpClient.filterStatusOk` and `HttpClient.followRedirects` belong around this client. Inside, the first hides the
 * 401 from it, and the second takes the token along to other origins. `HttpClient.withScope` around it has no hold on
 * the requests that carry a token.
 *
 * @example
 * ```ts
 * import { FetchHttpClient, HttpClient } from "@effect/platform"
 * import { Effect } from "effect"
 * import { IssuedToken, TokenCache } from "effect-token-cache"
 * import * as BearerClient from "effect-token-cache/BearerClient"
 *
 * const Tokens = TokenCache.layer({
 *   api: { issue: Effect.succeed(IssuedToken.make({ accessToken: "s3cr3t", expiresIn: "1 hour" })) }
 * })
 *
 * const program = Effect.gen(function* () {
 *   const bearer = yield* BearerClient.make("api", { origins: ["https://api.example.com"] })
 *   const client = bearer.pipe(HttpClient.followRedirects(), HttpClient.filterStatusOk)
 *   const response = yield* client.get("https://api.example.com/me")
 *   return yield* response.json
 * })
 *
 * program.pipe(Effect.provide([Tokens, FetchHttpClient.layer]), Effect.runPromise)
 * ```
 *
 * @see RFC 6750 sections 2.1 and 3.1
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  name: string,
  options: BearerClientOptions
): Effect.Effect<HttpClient.HttpClient, never, HttpClient.HttpClient | TokenCache> =>
  Effect.gen(function* () {
    const { retryUnauthorized = true } = options
    const origins = yield* parseOrigins(name, options.origins)
    const client = yield* HttpClient.HttpClient
    const cache = yield* TokenCache

    const readToken = (request: HttpClientRequest.HttpClientRequest) =>
      cache.token(name).pipe(
        Effect.mapError((cause) => unsendable({ request, description: cause.message, cause })),
        Effect.filterOrFail(fitsHeader, () =>
          unsendable({ request, description: `the token "${name}" has characters other than visible ASCII` })
        )
      )

    const send = (request: HttpClientRequest.HttpClientRequest) =>
      Effect.suspend(() => {
        let sent: Sent | undefined
        // Last of the client's own mapRequests, so that the origin is judged by the URL that goes out.
        const bearer = HttpClient.mapRequestEffect(client, (request) =>
          isAt(origins, request)
            ? Effect.map(readToken(request), (token) => {
                sent = { request, token }
                return HttpClientRequest.bearerToken(request, token)
              })
            : Effect.succeed(request)
        )
        return bearer.execute(request).pipe(
          mapSpanExit((exit) => (sent === undefined ? exit : exitFor(sent.request, exit))),
          Effect.locallyWith(Headers.currentRedactedNames, Arr.append("authorization")),
          Effect.mapBoth({
            onFailure: (error) => (sent === undefined ? error : errorFor(sent.request, error)),
            onSuccess: (response) => ({
              response: sent === undefined ? response : new BearerResponse(sent.request, response),
              token: sent?.token
            })
          })
        )
      })

    return HttpClient.makeWith(
      Effect.flatMap((request: HttpClientRequest.HttpClientRequest) =>
        Effect.flatMap(send(request), ({ response, token }) => {
          if (response.status !== 401 || token === undefined) {
            return Effect.succeed(response)
          }
          const invalidate = cache.invalidate(name, token)
          return retryUnauthorized && canBeSentAgain(request.body)
            ? invalidate.pipe(
                Effect.zipRight(drain(response)),
                Effect.zipRight(Effect.annotateSpans(send(request), "http.request.resend_count", 1)),
                Effect.map(({ response }) => response)
              )
            : Effect.as(invalidate, response)
        })
      ),
      Effect.succeed<HttpClientRequest.HttpClientRequest>
    )
  })

/**
 * Makes a standard `fetch` for an SDK that takes one, on top of the client in the context. It does with the token what
 * the client of `make` does: the given origins get it, judged again for each redirect, and a 401 is sent once more with
 * the next token.
 *
 * It is called like the `fetch` of the platform and answers like it: redirects, `signal`, bodies that stream. Where there
 * is no token it rejects with a `TypeError` that has the `TokenUnavailable` as its cause; a failed connection's cause is
 * that of the transport, such as `ECONNREFUSED`. Neither errors nor responses hold the token. An origin that is none, or
 * an empty list, is a defect: `InvalidOptions`.
 *
 * Its limits:
 *
 * - A body is read into memory, to be sent again after a 401 or a redirect. A `ReadableStream` given as `init.body` is
 *   not: its 401 is the answer.
 * - A header `Accept-Encoding` is left out: whether an answer may be compressed is up to the client, which has to decode
 *   it. `FetchHttpClient` does, the clients of `@effect/platform-node` do not ask for it.
 * - `statusText` is empty, and of several cookies with one name the last is kept. One that `Cookies.fromSetCookie` cannot
 *   read is left out.
 * - Rejected: a method other than GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS, `integrity`, a URL that is not
 *   `http:` or `https:`, an answer with a status above 599. Without effect: `cache`, `credentials`, `keepalive`, `mode`,
 *   `referrer` and `dispatcher`.
 * - A body that was read in part, and over `NodeHttpClient.layer` also one that nobody reads, holds its connection until
 *   it is read to its end, cancelled or aborted.
 * - Not for browsers, whose `fetch` hides redirects.
 *
 * @example
 * ```ts
 * import { NodeHttpClient } from "@effect/platform-node"
 * import { Effect } from "effect"
 * import { BearerClient, IssuedToken, TokenCache } from "effect-token-cache"
 *
 * // What an SDK looks like that brings no HTTP client of its own.
 * declare const makeSdk: (options: { fetch: typeof fetch }) => { me: () => Promise<{ name: string }> }
 *
 * const Tokens = TokenCache.layer({
 *   api: { issue: Effect.succeed(IssuedToken.make({ accessToken: "s3cr3t", expiresIn: "1 hour" })) }
 * })
 *
 * const program = Effect.gen(function* () {
 *   const sdk = makeSdk({ fetch: yield* BearerClient.fetch("api", { origins: ["https://api.example.com"] }) })
 *   return yield* Effect.tryPromise(() => sdk.me())
 * })
 *
 * program.pipe(Effect.provide([Tokens, NodeHttpClient.layerUndici]), Effect.runPromise)
 * ```
 *
 * @see WHATWG Fetch, sections 4.4 "HTTP-redirect fetch" and 5.6 "Fetch method"
 * @since 0.1.0
 * @category constructors
 */
export const fetch = (
  name: string,
  options: BearerClientOptions
): Effect.Effect<typeof globalThis.fetch, never, HttpClient.HttpClient | TokenCache> =>
  WebFetch.make(make(name, options))

interface Sent {
  /** The request as it was before the token was added. */
  readonly request: HttpClientRequest.HttpClientRequest
  readonly token: Redacted.Redacted<string>
}

const parseOrigins = (name: string, origins: ReadonlyArray<string>): Effect.Effect<ReadonlySet<string>> =>
  Effect.suspend(() => {
    const parsed = Arr.map(origins, parseOrigin)
    const invalid = parsed.indexOf(undefined)
    return parsed.length > 0 && invalid < 0
      ? Effect.succeed(new Set(Arr.filter(parsed, Predicate.isNotUndefined)))
      : Effect.die(
          new InvalidOptions({
            token: name,
            option: "origins",
            message: `${parsed.length === 0 ? "origins is empty" : `origins[${invalid}] is not an origin`}: give a scheme, host and port, such as "https://api.example.com"`
          })
        )
  })

const parseOrigin = (text: string): string | undefined =>
  Either.try(() => new URL(text)).pipe(
    Either.map((url) => (url.href === `${url.origin}/` ? url.origin : undefined)),
    Either.getOrUndefined
  )

const isAt = (origins: ReadonlySet<string>, request: HttpClientRequest.HttpClientRequest): boolean =>
  Either.match(UrlParams.makeUrl(request.url, request.urlParams, request.hash), {
    onLeft: () => false,
    onRight: (url) => origins.has(url.origin)
  })

// fetch prints a value that it cannot send, and node:http throws.
const fitsHeader = (token: Redacted.Redacted<string>): boolean => /^[\x21-\x7e]+$/.test(Redacted.value(token))

// Not `Transport`: `retryTransient` would repeat the request, and the cache has its own back-off.
const unsendable = (options: {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly description: string
  readonly cause?: TokenUnavailable
}) => new HttpClientError.RequestError({ ...options, reason: "Encode" })

const canBeSentAgain = (body: HttpBody.HttpBody): boolean =>
  body._tag === "Raw" ? isPlainData(body.body) : body._tag !== "Stream"

const isPlainData = (body: unknown): boolean =>
  body === undefined ||
  body === null ||
  typeof body === "string" ||
  body instanceof ArrayBuffer ||
  ArrayBuffer.isView(body) ||
  body instanceof Blob ||
  body instanceof FormData ||
  body instanceof URLSearchParams
