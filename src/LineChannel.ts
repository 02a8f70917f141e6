/**
 * How the tokens of a LINE channel are issued.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as IssuedToken from "./IssuedToken.js"
import * as LineApi from "./internal/line/api.js"
import * as LineRequest from "./internal/line/tokenEndpoint.js"
import * as LineTokens from "./internal/line/tokens.js"
import { isBlank, redacted } from "./internal/options.js"
import * as LineAssertion from "./LineAssertion.js"
import { IssueError } from "./TokenError.js"
import type * as TokenSource from "./TokenSource.js"

export type { ApiOptions } from "./internal/line/api.js"
export type { AssertionOptions, SecretOptions, TokenOptions, Verification } from "./internal/line/tokens.js"
export { keyIds, revokeShortLived, revokeV21, verifyShortLived, verifyV21 } from "./internal/line/tokens.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface V21Options extends LineTokens.AssertionOptions {
  /** At most 30 days. Default: 30 days. */
  readonly tokenLifetime?: Duration.DurationInput | undefined
  /** Lets the last token be revoked when the cache closes. Default: none, it is left to expire. */
  readonly channelSecret?: string | Redacted.Redacted<string> | undefined
}

/**
 * A source of LINE's tokens. All of them fail by the status of LINE's answer, never by its text: 4xx is a permanent
 * `Rejected` with advice, 429 is `Throttled`, and 408, 5xx or no answer is `Unreachable`; a redirect, or a success
 * without a token, is an `InvalidResponse`. Options that cannot work are a permanent `Rejected` before any request.
 *
 * The source is a plain record: `{ ...LineChannel.shortLived(options), revoke: undefined, refreshBefore: "1 day" }`.
 *
 * @since 0.1.0
 * @category models
 */
export type LineSource = TokenSource.TokenSource<IssueError, HttpClient.HttpClient>

/**
 * Issues stateless tokens with the channel secret. They live for 15 minutes, any number at a time, and cannot be
 * revoked: the ones to use unless there is a reason not to.
 *
 * @example
 * ```ts
 * import { LineChannel, TokenCache } from "effect-token-cache"
 *
 * const Tokens = TokenCache.layer({
 *   line: LineChannel.stateless({
 *     channelId: "1234567890",
 *     channelSecret: process.env.LINE_CHANNEL_SECRET ?? ""
 *   })
 * })
 * ```
 *
 * @see LINE: Issue stateless channel access token
 * @since 0.1.0
 * @category sources
 */
export const stateless = (options: LineTokens.SecretOptions): LineSource => ({
  issuer: "line stateless",
  identity: identify(options),
  issue: issueBySecret("/oauth2/v3/token", options)
})

/**
 * Issues stateless tokens with an assertion, signed anew for each attempt.
 *
 * @see LINE: Issue stateless channel access token
 * @since 0.1.0
 * @category sources
 */
export const statelessJwt = (options: LineTokens.AssertionOptions): LineSource => ({
  issuer: "line stateless jwt",
  identity: identify(options),
  issue: issueByAssertion(
    { baseUrl: options.baseUrl, path: "/oauth2/v3/token", explain: LineTokens.explainAssertion },
    options
  )
})

/**
 * Issues channel access tokens v2.1, of a lifetime to choose, with an assertion, signed anew for each attempt.
 *
 * A channel has at most 30 of them: past that LINE issues no more until some expire or are revoked. So that restarts do
 * not use them up, the last token is revoked when the cache closes, if there is a `channelSecret`, which LINE wants for
 * that; a process that is killed leaves its token to expire. Where there is a `TokenStore` the token is kept for the next
 * process, and is not revoked.
 *
 * @see LINE: Issue channel access token v2.1
 * @since 0.1.0
 * @category sources
 */
export const v21 = (options: V21Options): LineSource => {
  const { baseUrl, channelSecret, tokenLifetime = LineAssertion.maxTokenLifetime } = options
  const issue = issueByAssertion(
    { baseUrl, path: "/oauth2/v2.1/token", explain: explainV21 },
    { ...options, tokenLifetime }
  )
  const source = { issuer: "line v2.1", identity: identify(options), issue }
  return channelSecret === undefined ? source : { ...source, revoke: revokeBySecret({ ...options, channelSecret }) }
}

/**
 * Issues short-lived tokens, which live for 30 days, with the channel secret.
 *
 * A channel has at most 30 of them: past that LINE revokes the oldest without a word, whoever uses it. So that restarts
 * do not push others out, the last token is revoked when the cache closes; a process that is killed leaves its token to
 * expire. Where there is a `TokenStore` the token is kept for the next process, and is not revoked.
 *
 * @see LINE: Issue short-lived channel access token
 * @since 0.1.0
 * @category sources
 */
export const shortLived = (options: LineTokens.SecretOptions): LineSource => ({
  issuer: "line short-lived",
  identity: identify(options),
  issue: issueBySecret("/v2/oauth/accessToken", options),
  revoke: ({ accessToken }) => LineTokens.revokeShortLived({ accessToken, baseUrl: options.baseUrl })
})

/**
 * {@link stateless} from `LINE_CHANNEL_ID`, `LINE_CHANNEL_SECRET` and, where it is set, `LINE_API_BASE_URL`. A variable
 * that is missing, empty or unusable is a `ConfigError` that names it.
 *
 * @example
 * ```ts
 * import { LineChannel, TokenCache } from "effect-token-cache"
 *
 * const Tokens = TokenCache.layer({ "my-channel": LineChannel.statelessFromConfig })
 * ```
 *
 * @since 0.1.0
 * @category config
 */
export const statelessFromConfig: Effect.Effect<LineSource, ConfigError.ConfigError> = Effect.suspend(() =>
  Effect.map(secretConfig, stateless)
)

/**
 * {@link statelessJwt} from `LINE_CHANNEL_ID`, `LINE_KEY_ID`, `LINE_PRIVATE_KEY` and, where it is set,
 * `LINE_API_BASE_URL`. A variable that is missing, empty or unusable is a `ConfigError` that names it.
 *
 * @since 0.1.0
 * @category config
 */
export const statelessJwtFromConfig: Effect.Effect<LineSource, ConfigError.ConfigError> = Effect.suspend(() =>
  Effect.map(assertionConfig, statelessJwt)
)

/**
 * {@link v21} from `LINE_CHANNEL_ID`, `LINE_KEY_ID`, `LINE_PRIVATE_KEY` and, where they are set,
 * `LINE_CHANNEL_SECRET`, with which the last token is revoked when the cache closes, and `LINE_API_BASE_URL`. A variable
 * that is missing, empty or unusable is a `ConfigError` that names it.
 *
 * @since 0.1.0
 * @category config
 */
export const v21FromConfig: Effect.Effect<LineSource, ConfigError.ConfigError> = Effect.suspend(() =>
  Effect.map(Config.all([assertionConfig, Config.option(channelSecretConfig)]), ([options, channelSecret]) =>
    v21({ ...options, channelSecret: Option.getOrUndefined(channelSecret) })
  )
)

/**
 * {@link shortLived} from `LINE_CHANNEL_ID`, `LINE_CHANNEL_SECRET` and, where it is set, `LINE_API_BASE_URL`. A
 * variable that is missing, empty or unusable is a `ConfigError` that names it.
 *
 * @since 0.1.0
 * @category config
 */
export const shortLivedFromConfig: Effect.Effect<LineSource, ConfigError.ConfigError> = Effect.suspend(() =>
  Effect.map(secretConfig, shortLived)
)

type Identified = Pick<LineTokens.SecretOptions, "baseUrl" | "channelId">

/** None of a base URL that cannot be used, which may hold a secret. */
const identify = ({ baseUrl = LineApi.defaultBaseUrl, channelId }: Identified): TokenSource.TokenIdentity | undefined =>
  Either.match(LineApi.parseBaseUrl(baseUrl), {
    onLeft: () => undefined,
    onRight: (url) => ({ client: `${url} ${channelId}` })
  })

const issueBySecret = (path: string, options: LineTokens.SecretOptions): LineSource["issue"] => {
  const { channelId, baseUrl } = options
  const channelSecret = redacted(options.channelSecret)
  return Effect.suspend(() =>
    isBlank(channelId) || isBlank(Redacted.value(channelSecret))
      ? Effect.fail(
          new IssueError({
            reason: "Rejected",
            permanent: true,
            message: "channelId and channelSecret must be strings that are not empty",
            advice: "Check LINE_CHANNEL_ID and LINE_CHANNEL_SECRET."
          })
        )
      : requestToken(
          { baseUrl, path, explain: LineTokens.explainSecret },
          { client_id: channelId, client_secret: Redacted.value(channelSecret) }
        )
  )
}

const issueByAssertion = (
  endpoint: LineRequest.Endpoint,
  options: LineAssertion.LineAssertionOptions
): LineSource["issue"] =>
  Effect.flatMap(LineAssertion.sign(options), (assertion) =>
    requestToken(endpoint, LineTokens.assertionFields(assertion))
  )

const revokeBySecret = (options: LineTokens.SecretOptions): LineSource["revoke"] => {
  const { channelId, baseUrl } = options
  const channelSecret = redacted(options.channelSecret)
  return ({ accessToken }) => LineTokens.revokeV21({ channelId, channelSecret, accessToken, baseUrl })
}

const requestToken = (endpoint: LineRequest.Endpoint, client: Readonly<Record<string, string>>): LineSource["issue"] =>
  Effect.flatMap(
    LineRequest.post(endpoint, { grant_type: "client_credentials", ...client }),
    ({ status, body, requestId }) =>
      Effect.mapError(
        IssuedToken.fromOAuth(body),
        ({ reason, message }) => new IssueError({ reason, message, status, requestId })
      )
  )

/** Past the cap, and only then, LINE answers 400 in the shape of the Messaging API, not in that of OAuth. */
const explainV21: LineRequest.Explain = (answer) =>
  answer.status === 400 && Predicate.isRecord(answer.body) && "message" in answer.body && !("error" in answer.body)
    ? {
        message:
          "issuer answered 400: the channel has 30 live v2.1 tokens, the most that LINE allows: share one with a TokenStore",
        advice:
          "Revoke those that are not in use (LineChannel.revokeV21), wait until some expire, or use LineChannel.stateless."
      }
    : LineTokens.explainAssertion(answer)

const channelIdConfig = Config.nested(LineApi.notEmpty, "LINE_CHANNEL_ID")

const channelSecretConfig = Config.redacted(Config.nested(LineApi.notEmpty, "LINE_CHANNEL_SECRET"))

const privateKeyConfig = Config.redacted(LineApi.notEmpty).pipe(
  Config.mapOrFail((key) =>
    Either.mapBoth(LineAssertion.loadKey(key), {
      onLeft: ({ message }) => ConfigError.InvalidData([], message),
      onRight: () => key
    })
  ),
  Config.nested("LINE_PRIVATE_KEY")
)

const secretConfig = Config.all({
  channelId: channelIdConfig,
  channelSecret: channelSecretConfig,
  baseUrl: LineApi.baseUrlConfig
})

const assertionConfig = Config.all({
  channelId: channelIdConfig,
  keyId: Config.nested(LineApi.notEmpty, "LINE_KEY_ID"),
  privateKey: privateKeyConfig,
  baseUrl: LineApi.baseUrlConfig
})
