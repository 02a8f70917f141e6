import type * as Headers from "@effect/platform/Headers"
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type Redirected, sendingOnlyTo, withoutRedirects } from "./redirects.js"

/** An answer, read to its end. */
export interface Answer {
  readonly status: number
  readonly headers: Headers.Headers
  /** The JSON value of the body; `undefined` if the body is empty, is not JSON, or is too long. */
  readonly body: unknown
  /** Whether the body exceeds 64 KiB. */
  readonly isTooLong: boolean
  /** When its headers had arrived, in epoch milliseconds. */
  readonly receivedAt: number
}

/** Whether a status says that the request succeeded. */
export const isSuccess = (status: number): boolean => status >= 200 && status < 300

/**
 * Sends a request and reads the answer, whatever its status. It follows no redirect, which would take the secret along.
 */
export const send = (
  client: HttpClient.HttpClient,
  request: HttpClientRequest.HttpClientRequest
): Effect.Effect<Answer, HttpClientError.HttpClientError | Redirected> =>
  withoutRedirects(client)
    // Nobody but a fetch decodes what an issuer compresses without being asked.
    .execute(HttpClientRequest.setHeader(request, "accept-encoding", "identity"))
    .pipe(
      sendingToOneUrl,
      // The caller's client may include filterStatusOk.
      Effect.catchIf(isStatusError, ({ response }) => Effect.succeed(response)),
      Effect.flatMap(read),
      // A stream that breaks fails in a fiber of its own, whose log would show the request.
      Effect.withUnhandledErrorLogLevel(Option.none())
    )

/** The first URL is the one that the caller's client makes of the request. */
const sendingToOneUrl = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | Redirected, R> =>
  Effect.suspend(() => {
    let first: string | undefined
    return sendingOnlyTo(({ href }) => {
      first ??= href
      return href === first
    })(effect)
  })

const isStatusError = (error: HttpClientError.HttpClientError | Redirected): error is HttpClientError.ResponseError =>
  error._tag === "ResponseError" && error.reason === "StatusCode"

const read = (
  response: HttpClientResponse.HttpClientResponse
): Effect.Effect<Answer, HttpClientError.ResponseError> => {
  const { status, headers } = response
  return Effect.zipWith(Clock.currentTimeMillis, readJson(response), (receivedAt, { body, isTooLong }) => ({
    status,
    headers,
    body,
    isTooLong,
    receivedAt
  }))
}

const maxBodySize = 64 * 1024

const readJson = (
  response: HttpClientResponse.HttpClientResponse
): Effect.Effect<Pick<Answer, "body" | "isTooLong">, HttpClientError.ResponseError> =>
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
    Effect.map(({ size, text }) => {
      const isTooLong = size > maxBodySize
      return { body: isTooLong ? undefined : parseJson(text), isTooLong }
    }),
    // A refusal whose body breaks off still has its status.
    Effect.catchIf(
      (error) => error.reason === "EmptyBody" || !isSuccess(response.status),
      () => Effect.succeed({ body: undefined, isTooLong: false })
    )
  )

const parseJson = (text: string): unknown => Either.getOrUndefined(Either.try((): unknown => JSON.parse(text)))
