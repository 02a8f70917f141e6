import * as Headers from "@effect/platform/Headers"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { IssueError } from "../../TokenError.js"
import { cleanDefects } from "./defects.js"
import * as HttpExchange from "./exchange.js"
import * as IssuerError from "./issuerError.js"
import type { Redirected } from "./redirects.js"
import { mapSpanExit } from "./spans.js"

/**
 * Sends a request to an issuer and reads the answer, whatever its status. Neither the error, nor a defect, nor the span
 * holds the request or the response, both of which carry secrets.
 */
export const send = (
  client: HttpClient.HttpClient,
  request: HttpClientRequest.HttpClientRequest
): Effect.Effect<HttpExchange.Answer, IssueError> => {
  const failure = (error: HttpClientError.HttpClientError | Redirected) =>
    error._tag === "Redirected" ? IssuerError.redirected : IssuerError.fromTransport(error, request.url)
  return HttpExchange.send(client, request).pipe(
    Effect.mapError(failure),
    Effect.mapErrorCause(cleanDefects),
    mapSpanExit((exit) =>
      Exit.mapBoth(Exit.mapErrorCause(exit, cleanDefects), {
        onFailure: (error) => (HttpClientError.isHttpClientError(error) ? failure(error) : error),
        onSuccess: () => undefined
      })
    ),
    withoutHeadersInSpans
  )
}

/** All headers: the request's hold the secret, and the answer's may repeat it. */
const withoutHeadersInSpans = Effect.locallyWith(Headers.currentRedactedNames, Arr.append(/^/))
