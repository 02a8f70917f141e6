/**
 * Tokens of any OAuth 2.0 authorization server: client credentials, refresh token, and any other grant.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as OAuth2Client from "./internal/oauth2/client.js"
import * as OAuth2Refresh from "./internal/oauth2/rotation.js"
import * as OAuth2Source from "./internal/oauth2/source.js"
import * as OAuth2Request from "./internal/oauth2/tokenRequest.js"
import { redacted } from "./internal/options.js"
import type { InvalidOptions } from "./TokenError.js"

export type { Client, KeyClient, PublicClient, SecretClient } from "./internal/oauth2/client.js"
export { discover } from "./internal/oauth2/discovery.js"
export type { Server, ServerMetadata } from "./internal/oauth2/server.js"
export type { OAuth2Source, Parameters, RequestOptions } from "./internal/oauth2/source.js"

/**
 * @since 0.1.0
 * @category models
 */
export type ClientCredentialsOptions<E = never, R = never> = OAuth2Source.RequestOptions<E, R> &
  (OAuth2Client.SecretClient | OAuth2Client.KeyClient)

/**
 * @since 0.1.0
 * @category models
 */
export type GrantOptions<E = never, R = never> = OAuth2Source.RequestOptions<E, R> &
  OAuth2Client.Client & {
    /** For example `urn:ietf:params:oauth:grant-type:jwt-bearer`. */
    readonly grantType: string
  }

/**
 * @since 0.1.0
 * @category models
 */
export type RefreshTokenOptions<E = never, R = never, R2 = never, R3 = never> = OAuth2Source.RequestOptions<E, R> &
  OAuth2Client.Client & {
    /**
     * The refresh token to begin with, or an effect that loads it. The effect is run before each attempt: a token that it
     * has not given before, of a new login or of another process, is the one to use from then on.
     */
    readonly refreshToken:
      | string
      | Redacted.Redacted<string>
      | Effect.Effect<string | Redacted.Redacted<string>, unknown, R2>
    /**
     * Stores a new refresh token. It has 10 seconds; if it fails, so does the attempt, and the token is kept in memory and
     * persisted before the next request. Default: none, for a server that does not replace refresh tokens, or where there
     * is a `TokenStore`, which keeps the token of all processes.
     */
    readonly persist?: ((refreshToken: Redacted.Redacted<string>) => Effect.Effect<unknown, unknown, R3>) | undefined
  }

/**
 * Issues tokens to the client itself.
 *
 * @example
 * ```ts
 * import { OAuth2, TokenCache } from "effect-token-cache"
 *
 * const Tokens = TokenCache.layer({
 *   api: OAuth2.clientCredentials({
 *     server: "https://issuer.example",
 *     clientId: "my-service",
 *     clientSecret: process.env.CLIENT_SECRET ?? "",
 *     scope: ["api:read", "api:write"]
 *   })
 * })
 * ```
 *
 * @see RFC 6749 section 4.4
 * @since 0.1.0
 * @category sources
 */
export const clientCredentials = <E = never, R = never>(
  options: ClientCredentialsOptions<E, R>
): Effect.Effect<OAuth2Source.OAuth2Source<E, R>, InvalidOptions> =>
  OAuth2Source.make(options, "client_credentials", OAuth2Source.identify(options), OAuth2Source.exchange)

/**
 * Issues tokens by any grant that is one request, such as a JWT bearer assertion or a token exchange. Where the grant type
 * is token exchange, an answer whose `issued_token_type` is not that of an access token is an `InvalidResponse`.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { OAuth2, TokenCache } from "effect-token-cache"
 *
 * declare const signAssertion: Effect.Effect<string>
 * declare const readSubjectToken: Effect.Effect<string>
 * const client = { server: "https://issuer.example", clientId: "my-service", clientSecret: "s3cr3t" }
 *
 * const Tokens = TokenCache.layer({
 *   // RFC 7523: an assertion is good once, so each attempt signs its own.
 *   bearer: OAuth2.grant({
 *     ...client,
 *     grantType: "urn:ietf:params:oauth:grant-type:jwt-bearer",
 *     parameters: Effect.map(signAssertion, (assertion) => ({ assertion }))
 *   }),
 *   // RFC 8693
 *   exchanged: OAuth2.grant({
 *     ...client,
 *     grantType: "urn:ietf:params:oauth:grant-type:token-exchange",
 *     audience: "https://api.example.com",
 *     parameters: Effect.map(readSubjectToken, (subject_token) => ({
 *       subject_token,
 *       subject_token_type: "urn:ietf:params:oauth:token-type:access_token"
 *     }))
 *   })
 * })
 * ```
 *
 * @see RFC 6749 section 4.5, RFC 7523 section 2.1, RFC 8693 section 2
 * @since 0.1.0
 * @category sources
 */
export const grant = <E = never, R = never>(
  options: GrantOptions<E, R>
): Effect.Effect<OAuth2Source.OAuth2Source<E, R>, InvalidOptions> =>
  OAuth2Source.make(options, options.grantType, OAuth2Source.identify(options), OAuth2Source.exchange)

/**
 * Issues tokens with a refresh token, which the server may replace each time (rotation): the new one is given to
 * `persist` before the access token is used, even where the rest of the answer is unusable. There is one request at a
 * time, whatever the number of caches that this source is in. From when it is sent neither a time limit nor the end of the
 * cache interrupts it: for as long as the process and its `HttpClient` live, no new token is lost.
 *
 * Where there is a `TokenStore`, all processes that begin with the same refresh token, or have the same `identity`, use
 * one, one at a time. It is used under the lease of the store alone: while the store fails no token is issued.
 *
 * `invalid_grant` is a permanent `Rejected`: a new login is needed. A token that the server has replaced is not sent
 * again, for servers take that for theft and revoke all that came of the login. Only when an answer is lost, and with it
 * the new token, the next attempt has nothing but the old one to send, which servers that allow for it accept.
 *
 * @example
 * ```ts
 * import { Effect, Redacted } from "effect"
 * import { OAuth2, TokenCache } from "effect-token-cache"
 *
 * declare const db: {
 *   readonly load: Effect.Effect<string>
 *   readonly save: (refreshToken: string) => Effect.Effect<void>
 * }
 *
 * const Tokens = TokenCache.layer({
 *   user: OAuth2.refreshToken({
 *     server: "https://issuer.example",
 *     clientId: "my-app",
 *     authMethod: "none",
 *     refreshToken: db.load,
 *     persist: (refreshToken) => db.save(Redacted.value(refreshToken))
 *   })
 * })
 * ```
 *
 * @see RFC 6749 section 6, RFC 9700 section 4.14
 * @since 0.1.0
 * @category sources
 */
export const refreshToken = <E = never, R = never, R2 = never, R3 = never>(
  options: RefreshTokenOptions<E, R, R2, R3>
): Effect.Effect<OAuth2Source.OAuth2Source<E, R | R2 | R3>, InvalidOptions> => {
  const { issueTimeout = "30 seconds", persist, refreshToken } = options
  const load = Effect.isEffect(refreshToken) ? refreshToken : Effect.succeed(redacted(refreshToken))
  const identity = Effect.isEffect(refreshToken)
    ? options.identity
    : OAuth2Source.identify(options, Redacted.value(redacted(refreshToken)))
  // Made here and not by the effect: a source that is made twice has one refresh token all the same.
  const rotate = OAuth2Refresh.make<R2 | R3>({ load, persist, requestTimeout: issueTimeout })
  return OAuth2Source.make(options, "refresh_token", identity, (request) =>
    Effect.flatMap(
      rotate((refreshToken) => OAuth2Request.post(withRefreshToken(request, refreshToken))),
      (answer) => OAuth2Request.toToken(answer, request)
    )
  )
}

/**
 * {@link clientCredentials} from `OAUTH2_ISSUER`, `OAUTH2_CLIENT_ID`, `OAUTH2_CLIENT_SECRET` and, where it is set,
 * `OAUTH2_SCOPE`. A variable that is missing or empty is a `ConfigError` that names it.
 *
 * @example
 * ```ts
 * import { OAuth2, TokenCache } from "effect-token-cache"
 *
 * const Tokens = TokenCache.layer({ api: OAuth2.clientCredentialsFromConfig })
 * ```
 *
 * @since 0.1.0
 * @category config
 */
export const clientCredentialsFromConfig: Effect.Effect<
  OAuth2Source.OAuth2Source,
  ConfigError.ConfigError | InvalidOptions
> = Effect.suspend(() =>
  Effect.flatMap(clientConfig, ({ scope, ...client }) =>
    clientCredentials({ ...client, scope: Option.getOrUndefined(scope) })
  )
)

const clientConfig = Config.all({
  server: Config.nonEmptyString("OAUTH2_ISSUER"),
  clientId: Config.nonEmptyString("OAUTH2_CLIENT_ID"),
  clientSecret: Config.redacted(Config.nonEmptyString("OAUTH2_CLIENT_SECRET")),
  scope: Config.option(Config.nonEmptyString("OAUTH2_SCOPE"))
})

const withRefreshToken = (
  request: OAuth2Request.TokenRequest,
  refreshToken: Redacted.Redacted<string>
): OAuth2Request.TokenRequest => {
  const parameters = new URLSearchParams(request.parameters)
  parameters.set("refresh_token", Redacted.value(refreshToken))
  return { ...request, parameters }
}
