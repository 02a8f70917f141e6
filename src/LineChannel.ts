/**
 * Sources of LINE channel access tokens, and functions to verify and revoke such tokens.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import { assertionAdvice, v21Advice } from "./internal/line/advice.js"
import * as LineApi from "./internal/line/api.js"
import * as LineConfig from "./internal/line/config.js"
import * as TokenEndpoint from "./internal/line/tokenEndpoint.js"
import * as LineTokens from "./internal/line/tokens.js"
import { redacted } from "./internal/options.js"
import type { IssueError } from "./TokenError.js"
import type * as TokenSource from "./TokenSource.js"

export type { ApiOptions, AssertionOptions, SecretOptions, TokenOptions } from "./internal/line/api.js"
export type { Verification } from "./internal/line/tokens.js"
export { keyIds, revokeShortLived, revokeV21, verifyShortLived, verifyV21 } from "./internal/line/tokens.js"

/**
 * Options of {@link v21}.
 *
 * @since 0.1.0
 * @category models
 */
export interface V21Options extends LineApi.AssertionOptions {
  /** The lifetime to ask LINE for: whole seconds, at most 30 days. Default: 30 days. */
  readonly tokenLifetime?: Duration.DurationInput | undefined
  /**
   * The channel secret, with which the last token is revoked when the cache closes. Default: none, so that the last
   * token is left to expire.
   */
  readonly channelSecret?: string | Redacted.Redacted<string> | undefined
}

/**
 * A source of LINE channel access tokens.
 *
 * An attempt fails with an `IssueError`, whose reason comes from the status and the error code of LINE's answer, never
 * from its text:
 *
 * - `Rejected`, permanent and with advice: any 4xx but 408 and 429; also an option that cannot work, before any request
 * - `Throttled`: 429
 * - `Unreachable`: 408, 5xx, or no answer
 * - `InvalidResponse`: a redirect, or a success without a token
 *
 * The source is a plain record, and its members can be replaced: `{ ...LineChannel.shortLived(options), revoke:
 * undefined, refreshBefore: "1 day" }`.
 *
 * @since 0.1.0
 * @category models
 */
export type LineSource = TokenSource.TokenSource<IssueError, HttpClient.HttpClient>

/**
 * Issues stateless tokens with the channel secret. Such a token lives for 15 minutes and cannot be revoked. A channel
 * may have any number of them, so they are the ones to use unless there is a reason not to.
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
export const stateless = (options: LineApi.SecretOptions): LineSource => ({
  issuer: "line stateless",
  identity: TokenEndpoint.identify(options),
  issue: TokenEndpoint.issueBySecret("/oauth2/v3/token", options)
})

/**
 * Issues stateless tokens with an assertion, which is signed anew for each attempt. The tokens are those of {@link
 * stateless}; the channel secret is not needed.
 *
 * @see LINE: Issue stateless channel access token
 * @since 0.1.0
 * @category sources
 */
export const statelessJwt = (options: LineApi.AssertionOptions): LineSource => ({
  issuer: "line stateless jwt",
  identity: TokenEndpoint.identify(options),
  issue: TokenEndpoint.issueByAssertion(
    { baseUrl: options.baseUrl, path: "/oauth2/v3/token", advice: assertionAdvice },
    options
  )
})

/**
 * Issues channel access tokens v2.1 with an assertion, which is signed anew for each attempt. Such a token lives for as
 * long as `tokenLifetime` says.
 *
 * A channel has at most 30 of these tokens at a time. Beyond that, LINE issues no more until some expire or are
 * revoked. So that restarts do not use them up, the last token is revoked when the cache closes, provided that there is
 * a `channelSecret`, which LINE requires for it. The token of a process that is killed lives until it expires. If there
 * is a `TokenStore`, the token is kept for the next process and is not revoked.
 *
 * @see LINE: Issue channel access token v2.1
 * @since 0.1.0
 * @category sources
 */
export const v21 = (options: V21Options): LineSource => {
  const { baseUrl, channelId, tokenLifetime = LineApi.maxTokenLifetime } = options
  const source = {
    issuer: "line v2.1",
    identity: TokenEndpoint.identify(options),
    issue: TokenEndpoint.issueByAssertion(
      { baseUrl, path: "/oauth2/v2.1/token", advice: v21Advice },
      { ...options, tokenLifetime }
    )
  }
  if (options.channelSecret === undefined) {
    return source
  }
  const channelSecret = redacted(options.channelSecret)
  return {
    ...source,
    revoke: ({ accessToken }) => LineTokens.revokeV21({ channelId, channelSecret, accessToken, baseUrl })
  }
}

/**
 * Issues short-lived tokens, which live for 30 days, with the channel secret.
 *
 * A channel has at most 30 of these tokens at a time. Beyond that, LINE silently revokes the oldest, even if it is in
 * use. So that restarts do not push out the tokens of other processes, the last token is revoked when the cache closes.
 * The token of a process that is killed lives until it expires. If there is a `TokenStore`, the token is kept for the
 * next process and is not revoked.
 *
 * @see LINE: Issue short-lived channel access token
 * @since 0.1.0
 * @category sources
 */
export const shortLived = (options: LineApi.SecretOptions): LineSource => ({
  issuer: "line short-lived",
  identity: TokenEndpoint.identify(options),
  issue: TokenEndpoint.issueBySecret("/v2/oauth/accessToken", options),
  revoke: ({ accessToken }) => LineTokens.revokeShortLived({ accessToken, baseUrl: options.baseUrl })
})

/**
 * Makes the source of {@link stateless} out of `LINE_CHANNEL_ID`, `LINE_CHANNEL_SECRET` and, if it is set,
 * `LINE_API_BASE_URL`. It fails with a `ConfigError` that names the variable if one is missing, empty or unusable.
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
export const statelessFromConfig: Effect.Effect<LineSource, ConfigError.ConfigError> = Effect.map(
  LineConfig.secretOptions,
  stateless
)

/**
 * Makes the source of {@link statelessJwt} out of `LINE_CHANNEL_ID`, `LINE_KEY_ID`, `LINE_PRIVATE_KEY` and, if it is
 * set, `LINE_API_BASE_URL`. It fails with a `ConfigError` that names the variable if one is missing, empty or unusable.
 *
 * @since 0.1.0
 * @category config
 */
export const statelessJwtFromConfig: Effect.Effect<LineSource, ConfigError.ConfigError> = Effect.map(
  LineConfig.assertionOptions,
  statelessJwt
)

/**
 * Makes the source of {@link v21} out of `LINE_CHANNEL_ID`, `LINE_KEY_ID` and `LINE_PRIVATE_KEY`, and, if they are set,
 * `LINE_CHANNEL_SECRET`, with which the last token is revoked when the cache closes, and `LINE_API_BASE_URL`. It fails
 * with a `ConfigError` that names the variable if one is missing, empty or unusable.
 *
 * @since 0.1.0
 * @category config
 */
export const v21FromConfig: Effect.Effect<LineSource, ConfigError.ConfigError> = Effect.map(
  Config.all([LineConfig.assertionOptions, Config.option(LineConfig.channelSecret)]),
  ([options, channelSecret]) => v21({ ...options, channelSecret: Option.getOrUndefined(channelSecret) })
)

/**
 * Makes the source of {@link shortLived} out of `LINE_CHANNEL_ID`, `LINE_CHANNEL_SECRET` and, if it is set,
 * `LINE_API_BASE_URL`. It fails with a `ConfigError` that names the variable if one is missing, empty or unusable.
 *
 * @since 0.1.0
 * @category config
 */
export const shortLivedFromConfig: Effect.Effect<LineSource, ConfigError.ConfigError> = Effect.map(
  LineConfig.secretOptions,
  shortLived
)
