import { randomBytes } from "node:crypto"
import * as Either from "effect/Either"
import {
  type ErrorDetail,
  json,
  type LineRequest,
  type LineResponse,
  mediaType,
  messageError,
  rateLimited
} from "./lineReply.js"
import { type Channel, isLive, type LineState, type SentMessage, withinRateLimit } from "./lineState.js"

/** The endpoint that {@link push} answers. */
export const endpoint = "POST /v2/bot/message/push"

/** The answer to a push. LINE documents each check, but not their order. */
export const push = (state: LineState, request: LineRequest, now: number): LineResponse => {
  const authorization = /^Bearer (\S+)$/.exec(request.headers.authorization ?? "")
  if (authorization === null) {
    return messageError(
      401,
      "Authorization header required. Must follow the scheme, 'Authorization: Bearer <ACCESS TOKEN>'"
    )
  }
  const token = state.tokens.get(authorization[1] ?? "")
  if (token === undefined || !isLive(token, now)) {
    return messageError(
      401,
      "Authentication failed. Confirm that the access token in the authorization header is valid."
    )
  }
  const { channel } = token
  if (!withinRateLimit(state, channel, endpoint, now)) {
    return rateLimited
  }
  if (sentThisMonth(channel, now) >= state.settings.monthlyQuota) {
    return messageError(429, "You have reached your monthly limit.")
  }
  if (mediaType(request) !== "application/json") {
    return messageError(415, `The content type, ${request.headers["content-type"] ?? ""}, is not supported`)
  }
  const retryKey = request.headers["x-line-retry-key"]?.toLowerCase()
  if (retryKey !== undefined && !isUuid(retryKey)) {
    return messageError(400, "The retry key is invalid")
  }
  const accepted = retryKey === undefined ? undefined : channel.retryKeys.get(retryKey)
  if (accepted !== undefined && now - accepted.firstAt < retryKeyLifetime) {
    return json(
      409,
      { message: "The retry key is already accepted", sentMessages: accepted.sentMessages },
      { "x-line-accepted-request-id": accepted.requestId }
    )
  }
  return Either.merge(
    Either.map(parse(request.body), (push) => {
      const { requestId } = request
      const sentMessages = push.messages.map((message) => sent(state, message))
      channel.sent.count += 1
      if (retryKey !== undefined) {
        rememberRetryKey(channel, retryKey, { requestId, sentMessages, firstAt: now })
      }
      state.messages.add(
        { channelId: channel.channelId, ...push, requestId, ...(retryKey === undefined ? {} : { retryKey }), at: now },
        request.body.length
      )
      return json(200, { sentMessages })
    })
  )
}

interface Push {
  readonly to: string
  readonly messages: ReadonlyArray<Message>
}

type Message = Readonly<Record<string, unknown>>

const parse = (body: string): Either.Either<Push, LineResponse> =>
  Either.try({
    try: (): unknown => JSON.parse(body),
    catch: () => messageError(400, "The request body could not be parsed as JSON (line: 1, column: 1)")
  }).pipe(
    Either.flatMap((parsed) => {
      const { to, messages } = isRecord(parsed) ? parsed : {}
      if (typeof to !== "string" || to === "") {
        return Either.left(messageError(400, "The property, 'to', in the request body is invalid (line: -, column: -)"))
      }
      if (!Array.isArray(messages) || messages.length < 1 || messages.length > 5) {
        return bodyErrors([{ message: "Size must be between 1 and 5", property: "messages" }])
      }
      const errors = messages.flatMap(messageErrors)
      return errors.length > 0 ? bodyErrors(errors) : Either.right({ to, messages: messages.filter(isRecord) })
    })
  )

const bodyErrors = (details: ReadonlyArray<ErrorDetail>) =>
  Either.left(messageError(400, `The request body has ${details.length} error(s)`, details))

const messageErrors = (message: unknown, index: number): ReadonlyArray<ErrorDetail> => {
  const property = `messages[${index}]`
  if (!isRecord(message)) {
    return [{ message: "Must be an object", property }]
  }
  if (typeof message.type !== "string" || message.type === "") {
    return [{ message: "Must be specified", property: `${property}.type` }]
  }
  if (message.type !== "text" && message.type !== "textV2") {
    return []
  }
  if (typeof message.text !== "string" || message.text === "") {
    return [{ message: "May not be empty", property: `${property}.text` }]
  }
  return message.text.length > maxTextLength
    ? [{ message: `Length must be between 0 and ${maxTextLength}`, property: `${property}.text` }]
    : []
}

const sent = (state: LineState, message: Message): SentMessage => {
  state.lastMessageId += 1n
  const id = String(state.lastMessageId)
  return typeof message.type === "string" && quotable.has(message.type)
    ? { id, quoteToken: randomBytes(32).toString("base64url") }
    : { id }
}

/**
 * How many pushes a channel sent this month. A push counts once, however many messages it holds. LINE counts the members of
 * a group, the emulator does not.
 */
const sentThisMonth = (channel: Channel, now: number): number => {
  const date = new Date(now)
  const month = date.getUTCFullYear() * 12 + date.getUTCMonth()
  if (channel.sent.month !== month) {
    channel.sent.month = month
    channel.sent.count = 0
  }
  return channel.sent.count
}

const rememberRetryKey = (
  { retryKeys }: Channel,
  retryKey: string,
  accepted: { readonly requestId: string; readonly sentMessages: ReadonlyArray<SentMessage>; readonly firstAt: number }
) => {
  // Deleted first, so that the map stays in the order of acceptance.
  retryKeys.delete(retryKey)
  retryKeys.set(retryKey, accepted)
  for (const [key, { firstAt }] of retryKeys) {
    if (accepted.firstAt - firstAt < retryKeyLifetime && retryKeys.size <= maxRetryKeys) {
      break
    }
    retryKeys.delete(key)
  }
}

const retryKeyLifetime = 24 * 60 * 60 * 1000
const maxRetryKeys = 100_000

/** In UTF-16 code units, which is how LINE counts. */
const maxTextLength = 5000

const quotable = new Set(["text", "textV2", "sticker", "image", "video", "template", "flex"])

const isUuid = (value: string) => /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(value)

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)
