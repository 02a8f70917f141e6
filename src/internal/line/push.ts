import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import { type Answer, isSuccess } from "../http/exchange.js"
import * as IssuerError from "../http/issuerError.js"
import { cut, withoutEchoes } from "../text.js"
import { isUuid } from "../uuid.js"
import * as LineApi from "./api.js"

/**
 * A message that LINE accepted as part of a push.
 *
 * @see LINE: Send push message
 * @since 0.1.0
 * @category models
 */
export interface SentMessage {
  /** LINE's ID of the message, in decimal digits. It is too large for a JavaScript number. */
  readonly id: string
  /** The token with which a later message quotes this one. Only messages that can be quoted have one. */
  readonly quoteToken?: string | undefined
}

/**
 * A push that LINE accepted. That does not mean that it was delivered: the recipient may have blocked the channel.
 *
 * @since 0.1.0
 * @category models
 */
export interface Pushed {
  /** The messages that were sent, in the order in which they were given. Empty if LINE does not list them. */
  readonly sentMessages: ReadonlyArray<SentMessage>
  /** The retry key of the push. The same push with the same key is sent once within 24 hours. */
  readonly retryKey: string
  /** LINE's ID of the request, for its support. */
  readonly requestId?: string | undefined
  /**
   * LINE's ID of an earlier request with the same retry key, if it had accepted the push already. Absent if this request
   * is the one that was accepted.
   */
  readonly acceptedRequestId?: string | undefined
}

/**
 * Why a push failed:
 *
 * - `InvalidRequest`: an option is wrong, and nothing was sent
 * - `Unauthorized`: LINE refused the token, and then the next one as well (401)
 * - `RateLimited`: there were too many requests, or too many messages to one user (429)
 * - `MonthlyLimit`: the channel has used up its messages of the month, or a delivery that is under way has reserved the
 *   rest (429). Only LINE's documented text tells this from `RateLimited`; if LINE changes the text, the reason is that
 * - `Rejected`: LINE refused the push (any other 4xx)
 * - `Unavailable`: there was no answer, or LINE is in trouble (5xx), at every attempt; LINE may have accepted the push
 * - `InvalidResponse`: the answer is not one that LINE gives to a push; LINE may have accepted the push
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
 * A push failed. To try again without sending anything twice, push the same messages to the same recipient with the
 * `retryKey` of this error.
 *
 * The error holds no request and no token. Its `message` includes LINE's own text, without what it repeats of the token,
 * and is cut at 200 characters.
 *
 * @since 0.1.0
 * @category errors
 */
export class PushError extends /* @__PURE__ */ Data.TaggedError("PushError")<{
  /** What went wrong, in one word. */
  readonly reason: PushErrorReason
  /** What went wrong, in a sentence that is safe to log. */
  readonly message: string
  /** The HTTP status of LINE's answer. Absent if there was none. */
  readonly status?: number | undefined
  /** The retry key of the push. Absent only if the given one is not a UUID. */
  readonly retryKey?: string | undefined
  /** LINE's ID of the request, for its support. */
  readonly requestId?: string | undefined
  /** How long LINE asks to wait before the next request, if it does. */
  readonly retryAfter?: Duration.Duration | undefined
}> {}

/** Reads LINE's answer to one attempt. What it repeats of the `tokens` that were sent does not get into the error. */
export const fromAnswer = (
  answer: Answer,
  retryKey: string,
  tokens: Iterable<Redacted.Redacted<string>>
): Either.Either<Pushed, PushError> => {
  const { body, headers, status } = answer
  const requestId = IssuerError.requestId(answer)
  const acceptedRequestId = headers["x-line-accepted-request-id"]
  // LINE answers 409 to a retry key that it has seen. The header says that it accepted the push then.
  const acceptedBefore = status === 409 && acceptedRequestId !== undefined
  const sentMessages = toSentMessages(body) ?? (acceptedBefore ? [] : undefined)
  return (acceptedBefore || isSuccess(status)) && sentMessages !== undefined
    ? Either.right({
        sentMessages,
        retryKey,
        ...(requestId === undefined ? undefined : { requestId }),
        ...(acceptedBefore && isUuid(acceptedRequestId) ? { acceptedRequestId } : undefined)
      })
    : Either.left(toPushError(answer, retryKey, tokens))
}

const toSentMessages = (body: unknown): ReadonlyArray<SentMessage> | undefined =>
  Predicate.isRecord(body) && Array.isArray(body.sentMessages)
    ? body.sentMessages.filter(Predicate.isRecord).map(({ id, quoteToken }) => ({
        id: String(id),
        ...(typeof quoteToken === "string" ? { quoteToken } : undefined)
      }))
    : undefined

const toPushError = (answer: Answer, retryKey: string, tokens: Iterable<Redacted.Redacted<string>>): PushError => {
  const { status } = answer
  const requestId = IssuerError.requestId(answer)
  const retryAfter = IssuerError.retryAfter(answer)
  const reason = reasonOf(answer)
  const explanation = explanations[reason] ?? lineText(answer.body, tokens)
  return new PushError({
    reason,
    message: cut(explanation === undefined ? `LINE answered ${status}` : `LINE answered ${status}: ${explanation}`),
    status,
    retryKey,
    ...(requestId === undefined ? undefined : { requestId }),
    ...(retryAfter === undefined ? undefined : { retryAfter })
  })
}

/** What is said in place of LINE's own text, where that does not help. */
const explanations: Partial<Record<PushErrorReason, string>> = {
  Unauthorized: "it refused the token, and then the next one. Check that the channel may use the Messaging API.",
  InvalidResponse: `that is not how LINE answers a push. ${LineApi.checkBaseUrl}`
}

const reasonOf = ({ body, status }: Answer): PushErrorReason => {
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

const monthlyLimit = "You have reached your monthly limit."

/**
 * LINE's text and its details. What they repeat of the tokens is left out, and so are words of 40 characters and more: LINE
 * uses none, and a secret that was sent with an earlier request would be one.
 */
const lineText = (body: unknown, tokens: Iterable<Redacted.Redacted<string>>): string | undefined => {
  if (!Predicate.isRecord(body) || typeof body.message !== "string") {
    return undefined
  }
  const details = Array.isArray(body.details) ? body.details.filter(Predicate.isRecord) : []
  const text = [
    body.message,
    ...details.map(({ property, message }) => [property, message].filter(Predicate.isString).join(" "))
  ].join("; ")
  return withoutEchoes(text, Array.from(tokens, Redacted.value)).replace(/\S{40,}/g, "…")
}
