/**
 * What an authorization server's refusal means.
 *
 * @since 0.1.0
 */
import * as Predicate from "effect/Predicate"
import * as oauth from "oauth4webapi"
import { IssueError, type IssueErrorReason } from "../../TokenError.js"
import * as HttpExchange from "../http/exchange.js"

/**
 * What to do about an error code, or a status without one.
 *
 * @internal
 */
export type Advise = (code: string | undefined, status: number) => string

/**
 * The error that an answer stands for which is no success, or which is one by its status alone. Its texts are not shown:
 * `error_description` may repeat what was sent.
 *
 * @internal
 */
export const refusal = (answer: HttpExchange.Answer, advise: Advise): IssueError => {
  const { retryAfter, status } = answer
  const code = codeOf(answer.body)
  const reason = transient[code ?? ""] ?? reasonOf(status, code)
  return new IssueError({
    reason,
    status,
    code,
    retryAfter,
    requestId: requestId(answer),
    permanent: reason === "Rejected",
    ...(reason === "Rejected" || reason === "InvalidResponse" ? { advice: advise(code, status) } : undefined)
  })
}

/**
 * The answer is none that has a token; the library's messages are constant.
 *
 * @internal
 */
export const invalidResponse = (answer: HttpExchange.Answer, error: unknown): IssueError =>
  new IssueError({
    reason: "InvalidResponse",
    status: answer.status,
    requestId: requestId(answer),
    message:
      error instanceof oauth.OperationProcessingError || error instanceof oauth.UnsupportedOperationError
        ? error.message
        : undefined
  })

/**
 * The error code, as it may be shown whoever sent it.
 *
 * @internal
 */
export const codeOf = (body: unknown): string | undefined =>
  Predicate.isRecord(body) && typeof body.error === "string" && /^[A-Za-z_]{1,40}$/.test(body.error)
    ? body.error
    : undefined

/** @internal */
export const requestId = ({ headers }: HttpExchange.Answer): string | undefined =>
  HttpExchange.requestId(headers["x-request-id"] ?? headers["x-ms-request-id"])

/** @internal */
export const advise =
  (grantType: string): Advise =>
  (code, status) =>
    code === "invalid_grant" && grantType === "refresh_token"
      ? "The refresh token is expired, revoked, or used already: a new login is needed."
      : (advices[code ?? ""] ??
        (status === 404 || (status < 400 && code === undefined)
          ? "Check the token endpoint."
          : "Check the client and its options."))

const advices: Readonly<Record<string, string>> = {
  invalid_client: "Check the client id, its secret or key, and the authentication method that the server has for it.",
  invalid_grant: "Check the assertion or token that is the grant, its audience, and the clock of this machine.",
  unauthorized_client: "The client may not use this grant type: allow it at the server.",
  unsupported_grant_type: "The server does not offer this grant type: check the token endpoint and the grant type.",
  invalid_scope: "Check scope: the server does not know it, or does not grant it to this client.",
  invalid_target: "Check resource and audience: the server does not know them, or not for this client.",
  invalid_request: "Check scope, audience, resource and the further parameters."
}

/** Codes that tell of trouble at the server, whatever the status. */
const transient: Readonly<Record<string, IssueErrorReason>> = {
  temporarily_unavailable: "Unreachable",
  server_error: "Unreachable",
  slow_down: "Throttled"
}

const reasonOf = (status: number, code: string | undefined): IssueErrorReason =>
  status === 429
    ? "Throttled"
    : status === 408 || status >= 500
      ? "Unreachable"
      : status >= 400 || (status === 200 && code !== undefined)
        ? "Rejected"
        : "InvalidResponse"
