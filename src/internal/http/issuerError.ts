import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import { IssueError, type IssueErrorReason } from "../../TokenError.js"
import { isUuid } from "../uuid.js"
import type { Answer } from "./exchange.js"

/** An answer without a token, as far as it decides what to do about it. */
export interface Refusal {
  readonly reason: IssueErrorReason
  readonly status: number
  readonly code: string | undefined
  readonly body: unknown
}

/** Says what to do about a refusal; a `message` replaces the one that is made of status and code. */
export type Advice = (refusal: Refusal) => { readonly advice: string; readonly message?: string }

/**
 * Turns an issuer's answer that holds no token into an error. Nothing of the answer is kept but its status, its error
 * code and its request id: all other texts may repeat what was sent.
 */
export const fromAnswer = (answer: Answer, advice: Advice): IssueError => {
  const { body, status } = answer
  const code = errorCode(body)
  const reason = reasonOf(status, code)
  return new IssueError({
    reason,
    status,
    code,
    requestId: requestId(answer),
    retryAfter: retryAfter(answer),
    permanent: reason === "Rejected",
    ...(reason === "Rejected" || reason === "InvalidResponse" ? advice({ reason, status, code, body }) : undefined)
  })
}

/** The error for a success whose content cannot be used. `message` must not quote the answer. */
export const invalidResponse = (answer: Answer, message: string | undefined): IssueError =>
  new IssueError({
    reason: "InvalidResponse",
    message: answer.isTooLong ? "the answer exceeds 64 KiB" : message,
    status: answer.status,
    requestId: requestId(answer)
  })

/** The error for a request that got no answer. */
export const fromTransport = (error: HttpClientError.HttpClientError, url: string): IssueError =>
  new IssueError({ reason: "Unreachable", message: `issuer unreachable: ${describeFailure(error, url)}` })

/** The error for a redirect that the app's own client was about to follow. */
export const redirected = new IssueError({
  reason: "InvalidResponse",
  message: "the issuer answered with a redirect, which is not followed",
  advice: "Use the URL that the issuer redirects to, if it is the issuer's."
})

/** Says why a URL gave no answer, such as `ECONNREFUSED at api.line.me`. The error itself holds the request. */
export const describeFailure = (error: HttpClientError.HttpClientError, url: string): string =>
  `${systemCode(error.cause) ?? "no answer"} at ${new URL(url).host}`

/** The error code of an answer (RFC 6749 section 5.2). A value of any other form may be an echo of a secret. */
export const errorCode = (body: unknown): string | undefined =>
  Predicate.isRecord(body) && typeof body.error === "string" && /^[A-Za-z_]{1,64}$/.test(body.error)
    ? body.error
    : undefined

/** The issuer's id of the request, if it is a UUID. A value of any other form may be an echo of a secret. */
export const requestId = ({ headers }: Answer): string | undefined =>
  requestIdHeaders.map((name) => headers[name]).find((value) => value !== undefined && isUuid(value))

const requestIdHeaders = ["x-line-request-id", "x-request-id", "x-ms-request-id"]

/** How long the issuer asks to wait: seconds, or a date (RFC 9110 section 10.2.3). */
export const retryAfter = ({ headers, receivedAt }: Answer): Duration.Duration | undefined => {
  const value = headers["retry-after"] ?? ""
  const millis = /^\d+$/.test(value)
    ? Number(value) * 1000
    : /^[A-Z].* GMT$/.test(value)
      ? Date.parse(value) - receivedAt
      : Number.NaN
  return Number.isNaN(millis) ? undefined : Duration.millis(Math.max(millis, 0))
}

const reasonOf = (status: number, code: string | undefined): IssueErrorReason => {
  const trouble = troubleCodes.get(code ?? "")
  if (trouble !== undefined) {
    return trouble
  }
  if (status === 429) {
    return "Throttled"
  }
  if (status === 408 || status >= 500) {
    return "Unreachable"
  }
  // Some issuers refuse with status 200.
  return status >= 400 || (status === 200 && code !== undefined) ? "Rejected" : "InvalidResponse"
}

/** Codes that tell of trouble at the issuer, whatever the status. */
const troubleCodes: ReadonlyMap<string, IssueErrorReason> = new Map([
  ["temporarily_unavailable", "Unreachable"],
  ["server_error", "Unreachable"],
  ["slow_down", "Throttled"]
])

/** The code of the error that a Node API gave; `fetch` wraps that error once more. */
const systemCode = (cause: unknown): string | undefined =>
  [cause, Predicate.hasProperty(cause, "cause") ? cause.cause : undefined]
    .map((error) => (Predicate.hasProperty(error, "code") ? error.code : undefined))
    .find((code): code is string => typeof code === "string" && /^[A-Z][A-Z0-9_]{1,40}$/.test(code))
