import * as Headers from "@effect/platform/Headers"
import type * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type { TokenCache } from "../../TokenCache.js"
import { cleanDefects } from "../http/defects.js"
import { sendingOnlyTo, urlOf, withoutRedirects } from "../http/redirects.js"
import { mapSpanExit } from "../http/spans.js"
import { refusesToken } from "./challenge.js"
import { BearerResponse, drain, errorFor, exitFor } from "./response.js"
import * as Token from "./token.js"

/** What a client sends tokens with. */
export interface Bearer {
  readonly name: string
  readonly origins: ReadonlySet<string>
  readonly retryUnauthorized: boolean
  readonly cache: TokenCache["Type"]
  /** The client that sends the requests. */
  readonly client: HttpClient.HttpClient
}

/** Makes a client that sends a token to its origins. After a 401 it sends a request once more. */
export const make = ({ cache, client, name, origins, retryUnauthorized }: Bearer): HttpClient.HttpClient => {
  const readToken = Token.read(cache, name)
  const send = sender(withoutRedirects(client), origins, readToken)

  const resend = (request: HttpClientRequest.HttpClientRequest, response: HttpClientResponse.HttpClientResponse) =>
    drain(response).pipe(
      Effect.zipRight(Effect.annotateSpans(send(request), "http.request.resend_count", 1)),
      Effect.map(({ response }) => response)
    )

  /** The token is kept for others: sending it again would change nothing. */
  const isKept = (token: Redacted.Redacted<string>) =>
    Effect.match(readToken, { onFailure: () => false, onSuccess: (next) => Equal.equals(next, token) })

  return HttpClient.makeWith(
    Effect.flatMap((request: HttpClientRequest.HttpClientRequest) =>
      Effect.flatMap(send(request), ({ response, token }) => {
        if (response.status !== 401 || token === undefined || !refusesToken(response.headers["www-authenticate"])) {
          return Effect.succeed(response)
        }
        const report = cache.unauthorized(name, token)
        return retryUnauthorized && canBeSentAgain(request.body)
          ? Effect.flatMap(Effect.zipRight(report, isKept(token)), (isKept) =>
              isKept ? Effect.succeed(response) : resend(request, response)
            )
          : Effect.as(report, response)
      })
    ),
    Effect.succeed<HttpClientRequest.HttpClientRequest>
  )
}

interface Sent {
  /** The request as it was before the token was added. */
  readonly request: HttpClientRequest.HttpClientRequest
  readonly token: Redacted.Redacted<string>
}

/** Sends requests with the token that they need, and gives the token along with the answer. */
const sender =
  (
    client: HttpClient.HttpClient,
    origins: ReadonlySet<string>,
    readToken: Effect.Effect<Redacted.Redacted<string>, Token.Unsendable>
  ) =>
  (
    request: HttpClientRequest.HttpClientRequest
  ): Effect.Effect<
    { readonly response: HttpClientResponse.HttpClientResponse; readonly token: Redacted.Redacted<string> | undefined },
    HttpClientError.HttpClientError
  > =>
    Effect.suspend(() => {
      let sent: Sent | undefined
      // The last of the client's own mapRequests, so that the origin is that of the URL that goes out.
      const bearer = HttpClient.mapRequestEffect(client, (request) =>
        isAt(origins, request)
          ? Effect.mapBoth(readToken, {
              // Not `Transport`: `retryTransient` would repeat the request, and the cache has its own back-off.
              onFailure: (error) => new HttpClientError.RequestError({ request, ...error, reason: "Encode" }),
              onSuccess: (token) => {
                sent = { request, token }
                return HttpClientRequest.bearerToken(request, token)
              }
            })
          : Effect.succeed(request)
      )
      return bearer.execute(request).pipe(
        sendingOnlyTo(({ origin }) => sent === undefined || origins.has(origin)),
        Effect.catchTag("Redirected", (cause) => new HttpClientError.RequestError({ request, cause, ...redirected })),
        mapSpanExit((exit) => (sent === undefined ? exit : exitFor(sent.request, exit))),
        Effect.locallyWith(Headers.currentRedactedNames, Arr.append("authorization")),
        Effect.mapErrorCause(cleanDefects),
        Effect.mapBoth({
          onFailure: (error) => (sent === undefined ? error : errorFor(sent.request, error)),
          onSuccess: (response) => ({
            response: sent === undefined ? response : new BearerResponse(sent.request, response),
            token: sent?.token
          })
        })
      )
    })

const redirected = {
  reason: "InvalidUrl",
  description: "a redirect leads to an origin that does not get the token"
} as const

const isAt = (origins: ReadonlySet<string>, request: HttpClientRequest.HttpClientRequest): boolean =>
  Option.exists(urlOf(request), ({ origin }) => origins.has(origin))

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
