/**
 * Sends messages through the LINE Messaging API, with a token of the cache.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import type * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as BearerClient from "./BearerClient.js"
import * as HttpExchange from "./internal/http/exchange.js"
import * as IssuerError from "./internal/http/issuerError.js"
import type { Redirected } from "./internal/http/redirects.js"
import * as LineApi from "./internal/line/api.js"
import * as LineConfig from "./internal/line/config.js"
import * as LineMessage from "./internal/line/message.js"
import * as LinePush from "./internal/line/push.js"
import { isUuid } from "./internal/uuid.js"
import { TokenCache } from "./TokenCache.js"
import type { TokenUnavailable } from "./TokenError.js"

export type { Message } from "./internal/line/message.js"
export { text } from "./internal/line/message.js"
export type { PushErrorReason, Pushed, SentMessage } from "./internal/line/push.js"
export { PushError } from "./internal/line/push.js"

/**
 * Options of {@link push}.
 *
 * @since 0.1.0
 * @category models
 */
export interface PushOptions {
  /**
   * A UUID that identifies the push: LINE sends the same push with the same key once within 24 hours. Default: a random
   * one, which the result and the error hold.
   */
  readonly retryKey?: string | undefined
  /** Whether the push arrives without a notification on the recipient's device. Default: `false`. */
  readonly notificationDisabled?: boolean | undefined
  /**
   * The unit under which LINE's statistics count the messages: at most one, of 1 to 30 letters, digits and `_`. Default:
   * none.
   */
  readonly customAggregationUnits?: ReadonlyArray<string> | undefined
  /**
   * Where LINE's API is: an https URL, or http on loopback. The token is sent there. Default: the config
   * `LINE_API_BASE_URL` if it is set, otherwise `https://api.line.me`.
   */
  readonly baseUrl?: string | undefined
}

/**
 * Pushes one message, or up to five, to a user, a group or a room, with the token `name` of the cache.
 *
 * Even the first attempt has a retry key, so that nothing is sent twice. A push that gets no answer within 15 seconds, a
 * failed connection or a 5xx is repeated with the same key at most 3 times, after about 0.5, 1 and 2 seconds, or after
 * `Retry-After` if that is longer. If `Retry-After` is longer than 30 seconds, the push fails at once. After a 401 it is
 * sent once more with a new token. Any other 4xx is final. Whatever can be checked without LINE is checked before anything
 * is sent.
 *
 * Fails with a `PushError`, or with a `TokenUnavailable` if the cache has no token.
 *
 * @example
 * ```ts
 * import { NodeHttpClient } from "@effect/platform-node"
 * import { Effect } from "effect"
 * import { LineChannel, LineMessaging, TokenCache } from "effect-token-cache"
 *
 * const program = LineMessaging.push("my-channel", "U4af4980629", LineMessaging.text("hi")).pipe(
 *   Effect.catchTag("PushError", (error) => Effect.logError(error.message, { retryKey: error.retryKey }))
 * )
 *
 * program.pipe(
 *   Effect.provide(TokenCache.layer({ "my-channel": LineChannel.statelessFromConfig })),
 *   Effect.provide(NodeHttpClient.layer),
 *   Effect.runPromise
 * )
 * ```
 *
 * @see LINE: Send push message
 * @see LINE: Retry failed API requests
 * @since 0.1.0
 * @category sending
 */
export const push = (
  name: string,
  to: string,
  messages: LineMessage.Message | ReadonlyArray<LineMessage.Message>,
  options: PushOptions = {}
): Effect.Effect<LinePush.Pushed, LinePush.PushError | TokenUnavailable, HttpClient.HttpClient | TokenCache> =>
  Effect.gen(function* () {
    const retryKey = yield* toRetryKey(options.retryKey)
    const invalid = (message: string) => new LinePush.PushError({ reason: "InvalidRequest", message, retryKey })
    const baseUrl = yield* Effect.mapError(toBaseUrl(options.baseUrl), invalid)
    const body = yield* Either.mapLeft(toBody(to, Arr.ensure(messages), options), invalid)
    const tokens = new Set<Redacted.Redacted<string>>()
    const client = yield* Effect.provideServiceEffect(
      BearerClient.make(name, { origins: [new URL(baseUrl).origin] }),
      TokenCache,
      Effect.map(TokenCache, (cache) => remembering(cache, tokens))
    )
    const request = HttpClientRequest.post(`${baseUrl}/v2/bot/message/push`).pipe(
      HttpClientRequest.setHeader("X-Line-Retry-Key", retryKey),
      HttpClientRequest.bodyText(body, "application/json")
    )
    return yield* Effect.retry(attempt(client, request, retryKey, tokens), { schedule: backOff, while: isRetryable })
  }).pipe(
    Effect.withSpan("LineMessaging.push", { captureStackTrace: false, attributes: { "token_cache.token": name } })
  )

/** The same cache, which keeps the tokens that it gives, so that none of them is repeated in an error. */
const remembering = (cache: TokenCache["Type"], tokens: Set<Redacted.Redacted<string>>): TokenCache["Type"] => ({
  ...cache,
  token: (name) => Effect.tap(cache.token(name), (token) => Effect.sync(() => tokens.add(token)))
})

const attemptTimeout = Duration.seconds(15)

const maxRetryAfter = Duration.seconds(30)

const backOff = Schedule.exponential("500 millis").pipe(
  Schedule.jittered,
  Schedule.intersect(Schedule.recurs(3)),
  Schedule.intersect(
    Schedule.addDelay(
      Schedule.identity<LinePush.PushError | TokenUnavailable>(),
      (error) => retryAfter(error) ?? Duration.zero
    )
  )
)

const retryAfter = (error: LinePush.PushError | TokenUnavailable) =>
  error._tag === "PushError" ? error.retryAfter : undefined

const isRetryable = (error: LinePush.PushError | TokenUnavailable): boolean =>
  error._tag === "PushError" &&
  error.reason === "Unavailable" &&
  Duration.lessThanOrEqualTo(error.retryAfter ?? Duration.zero, maxRetryAfter)

const attempt = (
  client: HttpClient.HttpClient,
  request: HttpClientRequest.HttpClientRequest,
  retryKey: string,
  tokens: ReadonlySet<Redacted.Redacted<string>>
): Effect.Effect<LinePush.Pushed, LinePush.PushError | TokenUnavailable> =>
  HttpExchange.send(client, request).pipe(
    Effect.mapError((error) => transportError(error, request.url, retryKey)),
    Effect.timeoutFail({
      duration: attemptTimeout,
      onTimeout: () =>
        new LinePush.PushError({
          reason: "Unavailable",
          message: `LINE gave no answer within ${Duration.format(attemptTimeout)}`,
          retryKey
        })
    }),
    Effect.flatMap((answer) => LinePush.fromAnswer(answer, retryKey, tokens))
  )

const transportError = (
  error: HttpClientError.HttpClientError | Redirected,
  url: string,
  retryKey: string
): LinePush.PushError | TokenUnavailable => {
  if (error._tag === "Redirected" || Predicate.isTagged(error.cause, "Redirected")) {
    return new LinePush.PushError({ reason: "InvalidResponse", message: "LINE answered with a redirect", retryKey })
  }
  if (isTokenUnavailable(error.cause)) {
    return error.cause
  }
  return error._tag === "RequestError" && error.reason !== "Transport"
    ? new LinePush.PushError({
        reason: "InvalidRequest",
        message: `the request cannot be made (${error.reason})`,
        retryKey
      })
    : new LinePush.PushError({
        reason: "Unavailable",
        message: `LINE is unreachable: ${IssuerError.describeFailure(error, url)}`,
        retryKey
      })
}

const isTokenUnavailable = (cause: unknown): cause is TokenUnavailable => Predicate.isTagged(cause, "TokenUnavailable")

const toRetryKey = (retryKey: string | undefined): Effect.Effect<string, LinePush.PushError> => {
  if (retryKey === undefined) {
    return Effect.sync(() => crypto.randomUUID())
  }
  return isUuid(retryKey)
    ? Effect.succeed(retryKey)
    : Effect.fail(new LinePush.PushError({ reason: "InvalidRequest", message: "retryKey must be a UUID" }))
}

const toBaseUrl = (baseUrl: string | undefined): Effect.Effect<string, string> =>
  baseUrl === undefined
    ? Effect.mapError(LineConfig.baseUrl, () => `${LineApi.invalidBaseUrl}. ${LineApi.checkBaseUrl}`)
    : LineApi.parseBaseUrl(baseUrl)

const toBody = (
  to: string,
  messages: ReadonlyArray<LineMessage.Message>,
  { notificationDisabled, customAggregationUnits }: PushOptions
): Either.Either<string, string> => {
  const invalid = LineMessage.validate(to, messages, customAggregationUnits ?? [])
  if (invalid !== undefined) {
    return Either.left(invalid)
  }
  return Either.try({
    try: () => JSON.stringify({ to, messages, notificationDisabled, customAggregationUnits }),
    catch: () => "messages must be plain JSON"
  }).pipe(
    Either.filterOrLeft(
      (body) => new TextEncoder().encode(body).byteLength <= maxBodySize,
      () => "the messages exceed 2 MB in total, which is LINE's maximum"
    )
  )
}

const maxBodySize = 2 * 1024 * 1024
