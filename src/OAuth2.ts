/**
 * Sources of tokens that an OAuth 2.0 authorization server issues: by client credentials, by refresh token, or by any
 * other grant.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as OAuth2Client from "./internal/oauth2/client.js"
import * as Rotation from "./internal/oauth2/rotation.js"
import * as OAuth2Source from "./internal/oauth2/source.js"
import * as TokenRequest from "./internal/oauth2/tokenRequest.js"
import { redacted } from "./internal/options.js"
import type { InvalidOptions } from "./TokenError.js"

export type { SecretMethod } from "./internal/oauth2/authMethod.js"
export type { Client, KeyClient, PublicClient, SecretClient } from "./internal/oauth2/client.js"
export { discover } from "./internal/oauth2/discovery.js"
export type { Server, ServerMetadata } from "./internal/oauth2/server.js"
export type { OAuth2Source, Parameters, RequestOptions } from "./internal/oauth2/source.js"

/**
 * Options of {@link clientCredentials}: what is requested, and the client's secret or key.
 *
 * @since 0.1.0
 * @category models
 */
export type ClientCredentialsOptions<E = never, R = never> = OAuth2Source.RequestOptions<E, R> & OAuth2Client.Client

/**
 * Options of {@link grant}: what is requested, the client, and the grant type.
 *
 * @since 0.1.0
 * @category models
 */
export type GrantOptions<E = never, R = never> = OAuth2Source.RequestOptions<E, R> &
  OAuth2Client.Client & {
    /** The parameter `grant_type`, for example `urn:ietf:params:oauth:grant-type:jwt-bearer`. */
    readonly grantType: string
  }

/**
 * Options of {@link refreshToken}: what is requested, the client, and where the refresh token comes from and goes to.
 *
 * @since 0.1.0
 * @category models
 */
export type RefreshTokenOptions<E = never, R = never, R2 = never, R3 = never> = OAuth2Source.RequestOptions<E, R> &
  OAuth2Client.Client & {
    /**
     * The refresh token to begin with, or an effect that loads it. The effect is run before each attempt. If it gives a
     * token that it did not give the last time, because of a new login or because another process has persisted one,
     * that token is used from then on.
     */
    readonly refreshToken:
      | string
      | Redacted.Redacted<string>
      | Effect.Effect<string | Redacted.Redacted<string>, unknown, R2>
    /**
     * Stores the refresh token that the server gave in place of the last one. It may take 10 seconds. If it fails, the
     * attempt fails, too. The token is then kept in memory and is persisted before the next request. Default: none, for
     * a server that does not replace refresh tokens, or for an app with a `TokenStore`, which keeps the refresh token
     * of all processes.
     */
    readonly persist?: ((refreshToken: Redacted.Redacted<string>) => Effect.Effect<unknown, unknown, R3>) | undefined
  }

/**
 * Issues tokens to the client itself, by the client credentials grant.
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
  OAuth2Source.make(options, "client_credentials", () => OAuth2Source.identify(options), OAuth2Source.plainGrant)

/**
 * Issues tokens by any grant that consists of one request, such as a JWT bearer assertion or a token exchange. The
 * answer to a token exchange is an `InvalidResponse` if its `issued_token_type` is not that of an access token.
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
 *   // RFC 7523: an assertion can be used once, so each attempt signs its own.
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
  OAuth2Source.make(options, options.grantType, () => OAuth2Source.identify(options), OAuth2Source.plainGrant)

/**
 * Issues tokens with a refresh token, which the server may replace each time (rotation). The new refresh token is given
 * to `persist` before the access token is used, even if the rest of the answer is unusable. There is one request at a
 * time, whatever the number of caches that use this source. Once a request is sent, neither a time limit nor the end of
 * the cache interrupts it: no new refresh token is lost as long as the process and its `HttpClient` live.
 *
 * With a `TokenStore`, all processes that begin with the same refresh token, or have the same `identity`, use one
 * refresh token, one process at a time. It is used only under the lease of the store: while the store fails, no token
 * is issued.
 *
 * `invalid_grant` is a permanent `Rejected`: a new login is needed. A refresh token that the server has replaced is not
 * sent again, because servers take that for theft and revoke all tokens of the login. There is one exception: if an
 * answer is lost, and with it the new refresh token, the next attempt can only send the old one. Some servers accept
 * that.
 *
 * If an answer holds no token that can be used, the new refresh token is kept all the same, and the failure is a
 * permanent one. The next request is sent after an hour, because each one costs a refresh token.
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
  const identity = () =>
    Effect.isEffect(refreshToken)
      ? options.identity
      : OAuth2Source.identify(options, Redacted.value(redacted(refreshToken)))
  // Made outside of the effect, so that a source that is made twice has one refresh token.
  const rotate = Rotation.make<R2 | R3>({ load, persist, requestTimeout: issueTimeout })
  return OAuth2Source.make(options, "refresh_token", identity, {
    exchange: (request) => rotate((refreshToken) => TokenRequest.post(withRefreshToken(request, refreshToken))),
    spends: true
  })
}

/**
 * Makes the source of {@link clientCredentials} out of `OAUTH2_ISSUER`, `OAUTH2_CLIENT_ID`, `OAUTH2_CLIENT_SECRET` and,
 * if it is set, `OAUTH2_SCOPE`. It fails with a `ConfigError` that names the variable if one is missing or empty, and
 * with `InvalidOptions` if the issuer cannot be used.
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
  request: TokenRequest.TokenRequest,
  refreshToken: Redacted.Redacted<string>
): TokenRequest.TokenRequest => {
  const parameters = new URLSearchParams(request.parameters)
  parameters.set("refresh_token", Redacted.value(refreshToken))
  return { ...request, parameters }
}
