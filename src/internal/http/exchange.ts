/**
 * One exchange over HTTP that leaks nothing: an answer read to its end, and failures without the request.
 *
 * @since 0.1.0
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Headers from "@effect/platform/Headers"
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"

/**
 * An answer, read to its end.
 *
 * @internal
 */
export interface Answer {
  readonly status: number
  readonly headers: Headers.Headers
  /** The body's JSON value; `undefined` if the body is empty, no JSON, or over 64 KiB. */
  readonly body: unknown
  readonly retryAfter: Duration.Duration | undefined
}

/**
 * Sends a request and reads the answer, whatever its status. Follows no redirect: it would take the secret along.
 *
 * @internal
 */
export const send = (
  client: HttpClient.HttpClient,
  request: HttpClientRequest.HttpClientRequest
): Effect.Effect<Answer, HttpClientError.HttpClientError> =>
  client.execute(request).pipe(
    // A client of the caller's may hold filterStatusOk.
    Effect.catchIf(isStatusError, ({ response }) => Effect.succeed(response)),
    Effect.flatMap(read),
    // A stream that breaks fails in a fiber of its own, whose log would show the request.
    Effect.withUnhandledErrorLogLevel(Option.none()),
    withoutRedirects
  )

/**
 * Keeps all headers out of spans: those of a request hold a secret, and those of its answer may be an echo.
 *
 * @internal
 */
export const withoutHeadersInSpans = Effect.locallyWith(Headers.currentRedactedNames, Arr.append(/^/))

/**
 * A request id that may be shown, whoever sent it: a UUID, and nothing else that may be an echo of a secret.
 *
 * @internal
 */
export const requestId = (value: string | undefined): string | undefined =>
  value !== undefined && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value) ? value : undefined

/**
 * Why there is no answer from a URL, such as `ECONNREFUSED at api.line.me`, without the error: it holds the request.
 *
 * @internal
 */
export const describeFailure = (error: HttpClientError.HttpClientError, url: string): string =>
  `${systemCode(error.cause) ?? "no answer"} at ${new URL(url).host}`

/** @internal */
export const isSuccess = (status: number) => status >= 200 && status < 300

const isStatusError = (error: HttpClientError.HttpClientError): error is HttpClientError.ResponseError =>
  error._tag === "ResponseError" && error.reason === "StatusCode"

/** Keeps the caller's `RequestInit`, unless it was given to the client's own layer, which cannot be seen from here. */
const withoutRedirects = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(Effect.serviceOption(FetchHttpClient.RequestInit), (init) =>
    Effect.provideService(effect, FetchHttpClient.RequestInit, {
      ...Option.getOrUndefined(init),
      redirect: "manual"
    })
  )

const read = (
  response: HttpClientResponse.HttpClientResponse
): Effect.Effect<Answer, HttpClientError.ResponseError> => {
  const { status, headers } = response
  return Effect.zipWith(Clock.currentTimeMillis, readJson(response), (now, body) => ({
    status,
    headers,
    body,
    retryAfter: parseRetryAfter(headers["retry-after"], now)
  }))
}

const maxBodySize = 64 * 1024

const readJson = (
  response: HttpClientResponse.HttpClientResponse
): Effect.Effect<unknown, HttpClientError.ResponseError> =>
  Effect.suspend(() => {
    const decoder = new TextDecoder()
    return Stream.runFoldWhile(
      response.stream,
      { size: 0, text: "" },
      ({ size }) => size <= maxBodySize,
      ({ size, text }, chunk) => ({
        size: size + chunk.byteLength,
        text: text + decoder.decode(chunk, { stream: true })
      })
    )
  }).pipe(
    Effect.map(({ size, text }) => (size > maxBodySize ? undefined : parseJson(text))),
    // Without its body, an answer that is no success still has its status.
    Effect.catchIf(
      (error) => error.reason === "EmptyBody" || !isSuccess(response.status),
      () => Effect.void
    )
  )

const parseJson = (text: string): unknown => Either.getOrUndefined(Either.try((): unknown => JSON.parse(text)))

/** Seconds, or a date (RFC 9110 section 10.2.3). */
const parseRetryAfter = (value: string | undefined, now: number): Duration.Duration | undefined => {
  if (value === undefined) {
    return undefined
  }
  const millis = /^\d+$/.test(value)
    ? Number(value) * 1000
    : /^[A-Z].* GMT$/.test(value)
      ? Date.parse(value) - now
      : NaN
  return Number.isNaN(millis) ? undefined : Duration.millis(Math.max(millis, 0))
}

/** The code of the error that a Node API gave; `fetch` wraps it once more. */
const systemCode = (cause: unknown): string | undefined =>
  [cause, Predicate.hasProperty(cause, "cause") ? cause.cause : undefined]
    .map((error) => (Predicate.hasProperty(error, "code") ? error.code : undefined))
    .find((code): code is string => typeof code === "string" && /^[A-Z][A-Z0-9_]{1,40}$/.test(code))
