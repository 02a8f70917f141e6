import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as IssuedToken from "../../IssuedToken.js"
import { IssueError } from "../../TokenError.js"
import type { Answer } from "../http/exchange.js"
import * as IssuerError from "../http/issuerError.js"
import { issueErrorOf } from "../issueErrorOf.js"
import type { TokenRequest } from "./tokenRequest.js"

/** What an app demands of a token. */
export interface Demands {
  /** See `RequestOptions`. */
  readonly requireScope?: boolean | undefined
  /** See `RequestOptions`. */
  readonly defaultLifetime?: Duration.DurationInput | undefined
}

/** Reads the token from a successful answer, and checks what the app demands of it. */
export const toToken = (
  answer: Answer,
  request: TokenRequest,
  { requireScope }: Demands
): Effect.Effect<IssuedToken.IssuedToken, IssueError> =>
  Effect.flatMap(decode(answer, request), (issued) =>
    requireScope === true ? checkScope(issued, request.parameters) : Effect.succeed(issued)
  )

/**
 * The same for an answer that had a price, such as a refresh token. If it cannot be used, the next one is not asked for
 * within the hour, because it would have that price as well. What only the cache would notice is checked here, too.
 */
export const toSpent = (
  answer: Answer,
  request: TokenRequest,
  demands: Demands
): Effect.Effect<IssuedToken.IssuedToken, IssueError> =>
  toToken(answer, request, demands).pipe(
    Effect.filterOrFail(
      ({ expiresAt, expiresIn }) => (expiresIn ?? expiresAt ?? demands.defaultLifetime) !== undefined,
      () => IssuerError.invalidResponse(answer, "expires_in is missing: give the source a defaultLifetime")
    ),
    Effect.mapErrorCause((cause) => {
      const error = issueErrorOf(cause)
      return Cause.fail(
        new IssueError({ ...error, permanent: true, retryAfter: "1 hour", advice: error.advice ?? spent })
      )
    })
  )

const spent =
  "Each answer costs a refresh token, so the next is asked for in an hour. Check tokenTypes, decode and defaultLifetime."

const decode = (
  answer: Answer,
  { decode, grantType, parameters }: TokenRequest
): Effect.Effect<IssuedToken.IssuedToken, IssueError> => {
  const invalid = (message: string) => IssuerError.invalidResponse(answer, message)
  if (grantType === tokenExchange && !isAccessToken(answer.body, parameters)) {
    return Effect.fail(invalid("issued_token_type is missing, or is not that of an access token"))
  }
  return Effect.mapError(
    Effect.suspend(() => decode(answer.body)),
    (error) => (error.reason === "InvalidResponse" ? invalid(error.message) : error)
  )
}

const tokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange"

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

/** Refuses a token without all the scopes that were asked for. The message names those, and no text of the server. */
const checkScope = (
  issued: IssuedToken.IssuedToken,
  parameters: URLSearchParams
): Effect.Effect<IssuedToken.IssuedToken, IssueError> => {
  const granted = issued.scope?.split(" ") ?? []
  const asked = parameters.get("scope")?.split(" ") ?? []
  const missing = asked.filter((scope) => scope !== "" && !granted.includes(scope))
  return missing.length === 0
    ? Effect.succeed(issued)
    : Effect.fail(
        new IssueError({
          reason: "Rejected",
          permanent: true,
          message: `the server does not state that it granted ${missing.join(" ")}`,
          advice: "Check scope, and what the server grants to this client; requireScope asks for all of it."
        })
      )
}
