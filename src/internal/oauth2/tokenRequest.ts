/**
 * One exchange with an authorization server: made and judged by the protocol library, sent by the `HttpClient`.
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import * as oauth from "oauth4webapi"
import * as IssuedToken from "../../IssuedToken.js"
import { IssueError } from "../../TokenError.js"
import * as HttpExchange from "../http/exchange.js"
import { withSpanExits } from "../http/spans.js"
import * as OAuth2Error from "./advice.js"
import type { Authentication } from "./client.js"
import type { Server } from "./server.js"

/** @internal */
export type Answer = HttpExchange.Answer

/** @internal */
export interface TokenRequest {
  readonly server: Server
  readonly authentication: Authentication
  readonly grantType: string
  readonly parameters: URLSearchParams
}

/**
 * Sends a token request, and gives the answer if it is a success.
 *
 * @internal
 */
export const post = ({
  authentication,
  grantType,
  parameters,
  server
}: TokenRequest): Effect.Effect<Answer, IssueError, HttpClient.HttpClient> =>
  Effect.gen(function* () {
    const { authenticate, client } = yield* authentication
    const request = yield* capture((options) =>
      oauth.genericTokenEndpointRequest(toMetadata(server), client, authenticate, grantType, parameters, options)
    )
    const answer = yield* send(request)
    return answer.status !== 200 || OAuth2Error.codeOf(answer.body) !== undefined
      ? yield* OAuth2Error.refusal(answer, OAuth2Error.advise(grantType))
      : answer
  })

/**
 * Reads the token from an answer.
 *
 * @internal
 */
export const toToken = (
  answer: Answer,
  { authentication, grantType, parameters, server }: TokenRequest
): Effect.Effect<IssuedToken.IssuedToken, IssueError> =>
  Effect.gen(function* () {
    const { client } = yield* authentication
    yield* validate(answer, (response) =>
      oauth.processGenericTokenEndpointResponse(toMetadata(server), client, response)
    )
    if (grantType === tokenExchange && !isAccessToken(answer.body, parameters)) {
      return yield* unfit(answer, "issued_token_type is missing, or not the one of an access token")
    }
    // The library takes any expires_in that begins with a number, and DPoP as well.
    return yield* Effect.mapError(IssuedToken.fromOAuth(answer.body), ({ message }) => unfit(answer, message))
  })

const unfit = (answer: Answer, message: string) =>
  new IssueError({
    reason: "InvalidResponse",
    message,
    status: answer.status,
    requestId: OAuth2Error.requestId(answer)
  })

/** @internal */
export const tokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange"

const accessTokenTypes = ["urn:ietf:params:oauth:token-type:access_token", "urn:ietf:params:oauth:token-type:jwt"]

const isAccessToken = (body: unknown, parameters: URLSearchParams): boolean => {
  const requested = parameters.get("requested_token_type")
  return (
    Predicate.isRecord(body) &&
    typeof body.issued_token_type === "string" &&
    (requested === null
      ? accessTokenTypes.includes(body.issued_token_type)
      : requested === body.issued_token_type || accessTokenTypes[0] === body.issued_token_type)
  )
}

const toMetadata = ({ issuer, tokenEndpoint }: Server): oauth.AuthorizationServer => ({
  issuer,
  token_endpoint: tokenEndpoint
})

interface Captured {
  readonly url: string
  readonly method: "GET" | "POST"
  readonly headers: Readonly<Record<string, string>>
  readonly body: URLSearchParams | undefined
}

type Fetch = (url: string, options: Omit<Captured, "url">) => Promise<Response>

interface RequestOptions {
  readonly [oauth.customFetch]: Fetch
  readonly [oauth.allowInsecureRequests]: boolean
}

/**
 * The request that the library would send. It is sent in the fiber that asks, with its client, tracer and interruption.
 *
 * @internal
 */
export const capture = (request: (options: RequestOptions) => Promise<Response>): Effect.Effect<Captured, IssueError> =>
  Effect.tryPromise({
    try: () =>
      new Promise<Captured>((resolve, reject) => {
        request({
          [oauth.customFetch]: (url, options) => {
            resolve({ url, ...options })
            return Promise.resolve(Response.error())
          },
          // That the URL is https, or on loopback, has been checked.
          [oauth.allowInsecureRequests]: true
        }).catch(reject)
      }),
    // The library's errors hold what it was given.
    catch: () =>
      new IssueError({ reason: "Rejected", permanent: true, message: "the request cannot be made of these options" })
  })

/** @internal */
export const send = ({
  body,
  headers,
  method,
  url
}: Captured): Effect.Effect<Answer, IssueError, HttpClient.HttpClient> =>
  Effect.flatMap(HttpClient.HttpClient, (client) => {
    const request = HttpClientRequest.make(method)(url, { headers })
    const failure = (error: HttpClientError.HttpClientError) =>
      new IssueError({
        reason: "Unreachable",
        message: `issuer unreachable: ${HttpExchange.describeFailure(error, url)}`
      })
    return HttpExchange.send(
      client,
      body === undefined
        ? request
        : HttpClientRequest.bodyText(request, body.toString(), headers["content-type"] ?? "text/plain")
    ).pipe(
      Effect.mapError(failure),
      withSpanExits((exit) =>
        Exit.mapBoth(exit, {
          onFailure: (error) => (HttpClientError.isHttpClientError(error) ? failure(error) : error),
          onSuccess: () => undefined
        })
      ),
      HttpExchange.withoutHeadersInSpans
    )
  })

/**
 * Has the library judge an answer.
 *
 * @internal
 */
export const validate = <A>(
  answer: Answer,
  process: (response: Response) => Promise<A>
): Effect.Effect<A, IssueError> =>
  Effect.tryPromise({
    try: () => process(toResponse(answer)),
    catch: (error) => OAuth2Error.invalidResponse(answer, error)
  })

/** Without the `id_token`: nobody gets it, and one that the library cannot check is no reason to refuse the rest. */
const toResponse = ({ body, headers, status }: Answer): Response => {
  const { id_token: _, ...rest } = Predicate.isRecord(body) ? body : {}
  return new Response(JSON.stringify(Predicate.isRecord(body) ? rest : body), {
    status,
    headers: { "content-type": headers["content-type"] ?? "" }
  })
}
