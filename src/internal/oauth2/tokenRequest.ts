import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as oauth from "oauth4webapi"
import type * as IssuedToken from "../../IssuedToken.js"
import { IssueError } from "../../TokenError.js"
import { type Answer, isSuccess } from "../http/exchange.js"
import * as IssuerError from "../http/issuerError.js"
import * as IssuerExchange from "../http/issuerExchange.js"
import { advice } from "./advice.js"
import type { Authentication } from "./client.js"
import type { Server } from "./server.js"

/** What a token is requested with. */
export interface TokenRequest {
  readonly server: Server
  readonly authentication: Authentication
  readonly grantType: string
  readonly parameters: URLSearchParams
  /** Reads the token from the body of a successful answer. */
  readonly decode: Decode
}

/** Reads the token from the JSON value of a successful answer. */
export type Decode = (body: unknown) => Effect.Effect<IssuedToken.IssuedToken, IssueError>

/** Sends a token request, and fails unless the answer is a success. */
export const post = ({
  authentication,
  grantType,
  parameters,
  server
}: TokenRequest): Effect.Effect<Answer, IssueError, HttpClient.HttpClient> =>
  Effect.gen(function* () {
    const { authenticate, client, method } = yield* authentication(server)
    const request = yield* buildRequest((options) =>
      oauth.genericTokenEndpointRequest(toMetadata(server), client, authenticate, grantType, parameters, options)
    )
    const answer = yield* send(request)
    return !isSuccess(answer.status) || IssuerError.errorCode(answer.body) !== undefined
      ? yield* IssuerError.fromAnswer(answer, advice(grantType, method))
      : answer
  })

const toMetadata = ({ issuer, tokenEndpoint }: Server): oauth.AuthorizationServer => ({
  issuer,
  token_endpoint: tokenEndpoint
})

/** A request that the protocol library has made, and that is still to be sent. */
interface BuiltRequest {
  readonly url: string
  readonly method: "GET" | "POST"
  readonly headers: Readonly<Record<string, string>>
  readonly body: URLSearchParams | undefined
}

type Fetch = (url: string, options: Omit<BuiltRequest, "url">) => Promise<Response>

interface RequestOptions {
  readonly [oauth.customFetch]: Fetch
  readonly [oauth.allowInsecureRequests]: boolean
}

/**
 * Has the protocol library build a request without sending it, so that it is sent by the calling fiber, with its client,
 * tracer and interruption.
 */
export const buildRequest = (
  request: (options: RequestOptions) => Promise<Response>
): Effect.Effect<BuiltRequest, IssueError> =>
  Effect.tryPromise({
    try: () =>
      new Promise<BuiltRequest>((resolve, reject) => {
        request({
          [oauth.customFetch]: (url, options) => {
            resolve({ url, ...options })
            return Promise.resolve(Response.error())
          },
          // The URL has been checked: it is https, or on loopback.
          [oauth.allowInsecureRequests]: true
        }).catch(reject)
      }),
    // An error of the library holds what it was given.
    catch: () =>
      new IssueError({ reason: "Rejected", permanent: true, message: "no request can be made from these options" })
  })

/** Sends a request that {@link buildRequest} gave. */
export const send = ({
  body,
  headers,
  method,
  url
}: BuiltRequest): Effect.Effect<Answer, IssueError, HttpClient.HttpClient> =>
  Effect.flatMap(HttpClient.HttpClient, (client) => {
    const request = HttpClientRequest.make(method)(url, { headers })
    return IssuerExchange.send(
      client,
      body === undefined
        ? request
        : HttpClientRequest.bodyText(request, body.toString(), headers["content-type"] ?? "text/plain")
    )
  })

/** Has the protocol library validate an answer. Its own errors have constant messages; those of others are not shown. */
export const validate = <A>(
  answer: Answer,
  process: (response: Response) => Promise<A>
): Effect.Effect<A, IssueError> =>
  Effect.tryPromise({
    try: () => process(toResponse(answer)),
    catch: (error) =>
      IssuerError.invalidResponse(
        answer,
        error instanceof oauth.OperationProcessingError || error instanceof oauth.UnsupportedOperationError
          ? error.message
          : undefined
      )
  })

/** Leaves out the `id_token`: nobody uses it, and one that the library cannot check is no reason to refuse the rest. */
const toResponse = ({ body, headers, status }: Answer): Response => {
  const { id_token: _, ...rest } = Predicate.isRecord(body) ? body : {}
  return new Response(JSON.stringify(Predicate.isRecord(body) ? rest : body), {
    status,
    headers: { "content-type": headers["content-type"] ?? "" }
  })
}
