import type * as Headers from "@effect/platform/Headers"
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { withoutRedirects } from "./redirects.js"

/** An answer, read to its end. */
export interface Answer {
  readonly status: number
  readonly headers: Headers.Headers
  /** The JSON value of the body; `undefined` if the body is empty, is not JSON, or exceeds 64 KiB. */
  readonly body: unknown
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
): Effect.Effect<Answer, HttpClientError.HttpClientError> =>
  withoutRedirects(client)
    .execute(request)
    .pipe(
      // The caller's client may include filterStatusOk.
      Effect.catchIf(isStatusError, ({ response }) => Effect.succeed(response)),
      Effect.flatMap(read),
      // A stream that breaks fails in a fiber of its own, whose log would show the request.
      Effect.withUnhandledErrorLogLevel(Option.none())
    )

const isStatusError = (error: HttpClientError.HttpClientError): error is HttpClientError.ResponseError =>
  error._tag === "ResponseError" && error.reason === "StatusCode"

const read = (
  response: HttpClientResponse.HttpClientResponse
): Effect.Effect<Answer, HttpClientError.ResponseError> => {
  const { status, headers } = response
  return Effect.zipWith(Clock.currentTimeMillis, readJson(response), (receivedAt, body) => ({
    status,
    headers,
    body,
    receivedAt
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
    // A refusal whose body breaks off still has its status.
    Effect.catchIf(
      (error) => error.reason === "EmptyBody" || !isSuccess(response.status),
      () => Effect.void
    )
  )

const parseJson = (text: string): unknown => Either.getOrUndefined(Either.try((): unknown => JSON.parse(text)))
