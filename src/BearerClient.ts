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
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Inspectable from "effect/Inspectable"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
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
          withSpanExits((exit) => (sent === undefined ? exit : exitFor(sent.request, exit))),
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

/** How long the rest of a 401 may take before its connection is given up. */
const drainTimeout = "1 second"

// undici and fetch keep the socket of an answer that nobody reads.
const drain = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<void> =>
  Stream.runDrain(response.stream).pipe(Effect.timeout(drainTimeout), Effect.ignore)

/** Replaces the exits that spans inside of the effect end with: the client's own hold the request with the token. */
const withSpanExits =
  (f: (exit: Exit.Exit<unknown, unknown>) => Exit.Exit<unknown, unknown>) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(Effect.tracer, (tracer) =>
      Effect.withTracer(
        self,
        Tracer.make({
          span: (...args) => {
            const span = tracer.span(...args)
            const end = span.end.bind(span)
            span.end = (endTime, exit) => end(endTime, f(exit))
            return span
          },
          context: (f, fiber) => tracer.context(f, fiber)
        })
      )
    )

const exitFor = (
  request: HttpClientRequest.HttpClientRequest,
  exit: Exit.Exit<unknown, unknown>
): Exit.Exit<unknown, unknown> =>
  Exit.mapBoth(exit, {
    onFailure: (error) => (HttpClientError.isHttpClientError(error) ? errorFor(request, error) : error),
    onSuccess: (value) => (isResponse(value) ? new BearerResponse(request, value) : value)
  })

const isResponse = (value: unknown): value is HttpClientResponse.HttpClientResponse =>
  Predicate.hasProperty(value, HttpClientResponse.TypeId)

const errorFor = (
  request: HttpClientRequest.HttpClientRequest,
  error: HttpClientError.HttpClientError
): HttpClientError.HttpClientError =>
  error._tag === "RequestError"
    ? new HttpClientError.RequestError({ ...error, request })
    : new HttpClientError.ResponseError({ ...error, request, response: new BearerResponse(request, error.response) })

/** A response that holds the request without the token. The client's own is private: no way of printing reaches it. */
class BearerResponse extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  readonly [HttpIncomingMessage.TypeId]: HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  readonly [HttpClientResponse.TypeId]: HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly #original: HttpClientResponse.HttpClientResponse

  constructor(
    readonly request: HttpClientRequest.HttpClientRequest,
    original: HttpClientResponse.HttpClientResponse
  ) {
    super()
    this.#original = original
  }

  get status() {
    return this.#original.status
  }

  get headers() {
    return this.#original.headers
  }

  get cookies() {
    return this.#original.cookies
  }

  get remoteAddress() {
    return this.#original.remoteAddress
  }

  get json() {
    return Effect.mapError(this.#original.json, (error) => this.#own(error))
  }

  get text() {
    return Effect.mapError(this.#original.text, (error) => this.#own(error))
  }

  get urlParamsBody() {
    return Effect.mapError(this.#original.urlParamsBody, (error) => this.#own(error))
  }

  get formData() {
    return Effect.mapError(this.#original.formData, (error) => this.#own(error))
  }

  get arrayBuffer() {
    return Effect.mapError(this.#original.arrayBuffer, (error) => this.#own(error))
  }

  get stream() {
    return Stream.mapError(this.#original.stream, (error) => this.#own(error))
  }

  toJSON() {
    return HttpIncomingMessage.inspect(this, {
      _id: "@effect/platform/HttpClientResponse",
      request: this.request.toJSON(),
      status: this.status
    })
  }

  #own(error: HttpClientError.ResponseError): HttpClientError.ResponseError {
    return new HttpClientError.ResponseError({ ...error, request: this.request, response: this })
  }
}
