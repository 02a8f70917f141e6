import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Inspectable from "effect/Inspectable"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import { cleanDefects } from "../http/defects.js"
import { drainTimeout, maxDrainSize } from "./drain.js"

/**
 * A response that holds the request without the token. The response that holds the token is in a private field, which
 * cannot be printed.
 */
export class BearerResponse extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
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

  #own({ cause, ...error }: HttpClientError.ResponseError): HttpClientError.ResponseError {
    return new HttpClientError.ResponseError({ ...error, cause, request: this.request, response: this })
  }
}

/** The exit of a span, with the request without the token. */
export const exitFor = (
  request: HttpClientRequest.HttpClientRequest,
  exit: Exit.Exit<unknown, unknown>
): Exit.Exit<unknown, unknown> =>
  Exit.mapBoth(Exit.mapErrorCause(exit, cleanDefects), {
    onFailure: (error) => (HttpClientError.isHttpClientError(error) ? errorFor(request, error) : error),
    onSuccess: (value) => (isResponse(value) ? new BearerResponse(request, value) : value)
  })

const isResponse = (value: unknown): value is HttpClientResponse.HttpClientResponse =>
  Predicate.hasProperty(value, HttpClientResponse.TypeId)

/** An error, with the request without the token. */
export const errorFor = (
  request: HttpClientRequest.HttpClientRequest,
  // The cause of an error is not enumerable, so that a spread leaves it out.
  { cause, ...error }: HttpClientError.HttpClientError
): HttpClientError.HttpClientError =>
  error._tag === "RequestError"
    ? new HttpClientError.RequestError({ ...error, cause, request })
    : new HttpClientError.ResponseError({
        ...error,
        cause,
        request,
        response: new BearerResponse(request, error.response)
      })

/**
 * Reads the rest of an answer that nobody needs, so that its connection can be used again, or closes the connection: undici
 * and fetch keep that of an answer that is not read.
 */
export const drain = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<void> =>
  Stream.runFoldWhile(
    response.stream,
    0,
    (size) => size <= maxDrainSize,
    (size, chunk) => size + chunk.byteLength
  ).pipe(Effect.timeout(drainTimeout), Effect.ignore)
