import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { IssueError } from "../../TokenError.js"
import { type Answer, isSuccess } from "../http/exchange.js"
import * as IssuerError from "../http/issuerError.js"
import * as IssuerExchange from "../http/issuerExchange.js"
import * as Api from "./api.js"

/** An endpoint of LINE's API for tokens. */
export interface Endpoint {
  /** See `ApiOptions`. */
  readonly baseUrl: string | undefined
  readonly path: string
  /** Says what to do about a refusal. */
  readonly advice: IssuerError.Advice
}

type Parameters = Readonly<Record<string, string>>

/** Posts a form, and fails unless the answer is a success. */
export const post = (endpoint: Endpoint, form: Parameters): Effect.Effect<Answer, IssueError, HttpClient.HttpClient> =>
  Effect.flatMap(HttpClient.HttpClient, (client) =>
    send(client, endpoint, (url) => HttpClientRequest.bodyUrlParams(HttpClientRequest.post(url), form))
  )

/** Gets with a query, and fails unless the answer is a success. There is no span, which would show the query. */
export const get = (endpoint: Endpoint, query: Parameters): Effect.Effect<Answer, IssueError, HttpClient.HttpClient> =>
  Effect.flatMap(HttpClient.HttpClient, (client) =>
    send(
      HttpClient.withTracerDisabledWhen(client, () => true),
      endpoint,
      (url) => HttpClientRequest.get(url, { urlParams: query })
    )
  )

const send = (
  client: HttpClient.HttpClient,
  { advice, baseUrl = Api.defaultBaseUrl, path }: Endpoint,
  toRequest: (url: string) => HttpClientRequest.HttpClientRequest
): Effect.Effect<Answer, IssueError> =>
  Effect.gen(function* () {
    const base = yield* Either.mapLeft(
      Api.parseBaseUrl(baseUrl),
      (message) => new IssueError({ reason: "Rejected", permanent: true, message, advice: Api.checkBaseUrl })
    )
    const answer = yield* IssuerExchange.send(client, toRequest(`${base}${path}`))
    if (!isSuccess(answer.status)) {
      return yield* IssuerError.fromAnswer(answer, (refusal) =>
        refusal.reason === "InvalidResponse" ? { advice: Api.checkBaseUrl } : advice(refusal)
      )
    }
    return answer
  })
