/**
 * What LINE says to a push.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as HttpExchange from "../http/exchange.js"
import { cut } from "../text.js"
import * as LineApi from "./api.js"
import type * as LineRequest from "./tokenEndpoint.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface SentMessage {
  /** Decimal digits, more than a number holds. */
  readonly id: string
  /** For messages that can be quoted. */
  readonly quoteToken?: string | undefined
}

/**
 * LINE accepted the push, which does not say that it was delivered: the recipient may have blocked the channel.
 *
 * @since 0.1.0
 * @category models
 */
export interface Pushed {
  /** In the order of the messages. */
  readonly sentMessages: ReadonlyArray<SentMessage>
  readonly retryKey: string
  /** LINE's id of the request. */
  readonly requestId?: string | undefined
  /** LINE's id of the earlier request with the same retry key that it had accepted already. */
  readonly acceptedRequestId?: string | undefined
}

/**
 * Why a push failed:
 *
 * - `InvalidRequest`: an option is wrong; nothing was sent
 * - `Unauthorized`: LINE refused the token, and then the next one as well (401)
 * - `RateLimited`: too many requests, or too many messages to one user (429)
 * - `MonthlyLimit`: the channel's messages of the month are used up, or reserved by a delivery that is under way (429).
 *   LINE tells it from the rate limit by its documented text alone; if that changes, it is a `RateLimited`
 * - `Rejected`: LINE refused the push (any other 4xx)
 * - `Unavailable`: no answer, or LINE is in trouble (5xx), after all attempts; LINE may have accepted the push
 * - `InvalidResponse`: the answer is not LINE's; LINE may have accepted the push
 *
 * @since 0.1.0
 * @category models
 */
export type PushErrorReason =
  | "InvalidRequest"
  | "Unauthorized"
  | "RateLimited"
  | "MonthlyLimit"
  | "Rejected"
  | "Unavailable"
  | "InvalidResponse"

/**
 * A push failed. To try again without sending a message twice, push the same to the same recipient with its `retryKey`.
 *
 * It holds no request and no token; `message` has LINE's own text in it and is cut at 200 characters.
 *
 * @since 0.1.0
 * @category errors
 */
export class PushError extends /* @__PURE__ */ Data.TaggedError("PushError")<{
  readonly reason: PushErrorReason
  readonly message: string
  readonly status?: number | undefined
  /** Absent only if it was the retry key that is invalid. */
  readonly retryKey?: string | undefined
  /** LINE's id of the request, for its support. */
  readonly requestId?: string | undefined
  /** LINE asked to wait this long. */
  readonly retryAfter?: Duration.Duration | undefined
}> {}

/**
 * Reads the answer to one attempt.
 *
 * @internal
 */
export const fromAnswer = (answer: LineRequest.Answer, retryKey: string): Either.Either<Pushed, PushError> => {
  const { status, headers, body, requestId } = answer
  const accepted = headers["x-line-accepted-request-id"]
  const acceptedRequestId = HttpExchange.requestId(accepted)
  // 409 is the answer to a retry key that LINE has seen; the header says that it accepted what came with it.
  const acceptedBefore = status === 409 && accepted !== undefined
  const sentMessages = toSentMessages(body) ?? (acceptedBefore ? [] : undefined)
  return (acceptedBefore || HttpExchange.isSuccess(status)) && sentMessages !== undefined
    ? Either.right({
        sentMessages,
        retryKey,
        ...(requestId === undefined ? undefined : { requestId }),
        ...(acceptedBefore && acceptedRequestId !== undefined ? { acceptedRequestId } : undefined)
      })
    : Either.left(toPushError(answer, retryKey))
}

const toSentMessages = (body: unknown): ReadonlyArray<SentMessage> | undefined =>
  Predicate.isRecord(body) && Array.isArray(body.sentMessages)
    ? body.sentMessages.filter(Predicate.isRecord).map(({ id, quoteToken }) => ({
        id: String(id),
        ...(typeof quoteToken === "string" ? { quoteToken } : undefined)
      }))
    : undefined

const toPushError = (answer: LineRequest.Answer, retryKey: string): PushError => {
  const { status, requestId, retryAfter } = answer
  const reason = reasonOf(answer)
  const explanation = advice[reason] ?? lineText(answer.body)
  return new PushError({
    reason,
    message: cut(explanation === undefined ? `LINE answered ${status}` : `LINE answered ${status}: ${explanation}`),
    status,
    retryKey,
    ...(requestId === undefined ? undefined : { requestId }),
    ...(retryAfter === undefined ? undefined : { retryAfter })
  })
}

/** Where LINE's text says nothing of use. */
const advice: Partial<Record<PushErrorReason, string>> = {
  Unauthorized: "the token and the next one are refused. Check that the channel may use the Messaging API.",
  InvalidResponse: `that is no answer of LINE's to a push. ${LineApi.checkBaseUrl}`
}

const monthlyLimit = "You have reached your monthly limit."

const reasonOf = ({ body, status }: LineRequest.Answer): PushErrorReason => {
  if (status === 401) {
    return "Unauthorized"
  }
  if (status === 429) {
    return Predicate.isRecord(body) && body.message === monthlyLimit ? "MonthlyLimit" : "RateLimited"
  }
  if (status >= 500) {
    return "Unavailable"
  }
  return status >= 400 ? "Rejected" : "InvalidResponse"
}

/** LINE's text with its details. Long words go: none of LINE's is that long, and a token that is echoed is. */
const lineText = (body: unknown): string | undefined => {
  if (!Predicate.isRecord(body) || typeof body.message !== "string") {
    return undefined
  }
  const details = Array.isArray(body.details) ? body.details.filter(Predicate.isRecord) : []
  return [
    body.message,
    ...details.map(({ property, message }) => [property, message].filter(Predicate.isString).join(" "))
  ]
    .join("; ")
    .replace(/\S{40,}/g, "…")
}
