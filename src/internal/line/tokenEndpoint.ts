/**
 * One exchange with LINE's API, and what its status says of a token request.
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import { IssueError, type IssueErrorReason } from "../../TokenError.js"
import * as HttpExchange from "../http/exchange.js"
import * as LineApi from "./api.js"

/**
 * An answer of LINE's.
 *
 * @internal
 */
export interface Answer extends HttpExchange.Answer {
  /** `x-line-request-id` */
  readonly requestId: string | undefined
}

/**
 * What to do about a refusal, and what it means where the status alone does not say it.
 *
 * @internal
 */
export type Explain = (answer: Answer) => { readonly advice: string; readonly message?: string }

/**
 * What an endpoint is called with besides its own parameters.
 *
 * @internal
 */
export interface Endpoint {
  /** Default: LINE's. */
  readonly baseUrl: string | undefined
  readonly path: string
  readonly explain: Explain
}

type Parameters = Readonly<Record<string, string>>

/**
 * Posts a form and gives the answer if its status is 2xx; anything else is an `IssueError` by status.
 *
 * @internal
 */
export const post = (endpoint: Endpoint, form: Parameters): Effect.Effect<Answer, IssueError, HttpClient.HttpClient> =>
  Effect.flatMap(HttpClient.HttpClient, (client) =>
    call(client, endpoint, (url) => HttpClientRequest.bodyUrlParams(HttpClientRequest.post(url), form))
  )

/**
 * The same with GET. It has no span, which would show the query with the secret in it.
 *
 * @internal
 */
export const get = (endpoint: Endpoint, query: Parameters): Effect.Effect<Answer, IssueError, HttpClient.HttpClient> =>
  Effect.flatMap(HttpClient.HttpClient, (client) =>
    call(
      HttpClient.withTracerDisabledWhen(client, () => true),
      endpoint,
      (url) => HttpClientRequest.get(url, { urlParams: query })
    )
  )

/**
 * Sends a request and reads the answer, whatever its status.
 *
 * @internal
 */
export const send = (
  client: HttpClient.HttpClient,
  request: HttpClientRequest.HttpClientRequest
): Effect.Effect<Answer, HttpClientError.HttpClientError> =>
  Effect.map(HttpExchange.send(client, request), (answer) => ({
    ...answer,
    requestId: HttpExchange.requestId(answer.headers["x-line-request-id"])
  }))

const call = (
  client: HttpClient.HttpClient,
  { baseUrl = LineApi.defaultBaseUrl, path, explain }: Endpoint,
  toRequest: (url: string) => HttpClientRequest.HttpClientRequest
): Effect.Effect<Answer, IssueError> =>
  Effect.gen(function* () {
    const base = yield* Either.mapLeft(
      LineApi.parseBaseUrl(baseUrl),
      (message) => new IssueError({ reason: "Rejected", permanent: true, message, advice: LineApi.checkBaseUrl })
    )
    const answer = yield* Effect.mapError(
      HttpExchange.withoutHeadersInSpans(send(client, toRequest(`${base}${path}`))),
      (error) =>
        new IssueError({
          reason: "Unreachable",
          message: `issuer unreachable: ${HttpExchange.describeFailure(error, base)}`
        })
    )
    if (!HttpExchange.isSuccess(answer.status)) {
      return yield* refusal(answer, explain)
    }
    return answer
  })

const refusal = (answer: Answer, explain: Explain): IssueError => {
  const { status, body, requestId, retryAfter } = answer
  const reason = reasonOf(status)
  return new IssueError({
    reason,
    status,
    code: Predicate.isRecord(body) ? errorCode(body.error) : undefined,
    requestId,
    retryAfter,
    permanent: reason === "Rejected",
    ...(reason === "Rejected" ? explain(answer) : undefined),
    ...(reason === "InvalidResponse" ? { advice: LineApi.checkBaseUrl } : undefined)
  })
}

/** An error code such as LINE's and OAuth's are. Anything else may be an echo of what was sent. */
const errorCode = (error: unknown): string | undefined =>
  typeof error === "string" && /^[a-z_]{1,64}$/.test(error) ? error : undefined

const reasonOf = (status: number): IssueErrorReason =>
  status === 429
    ? "Throttled"
    : status === 408 || status >= 500
      ? "Unreachable"
      : status >= 400
        ? "Rejected"
        : "InvalidResponse"
