/**
 * A source of tokens of an OAuth 2.0 authorization server, whatever the grant.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Schedule from "effect/Schedule"
import type * as IssuedToken from "../../IssuedToken.js"
import type { IssueOutcome, RefreshPolicyOptions } from "../../RefreshPolicy.js"
import { InvalidOptions, IssueError } from "../../TokenError.js"
import type * as TokenSource from "../../TokenSource.js"
import { hash } from "../hash.js"
import * as OAuth2Client from "./client.js"
import * as OAuth2Server from "./server.js"
import * as OAuth2Request from "./tokenRequest.js"

/**
 * Further parameters of a token request. One that is `undefined` or empty is not sent (RFC 6749 section 3.2); a list is
 * sent as the parameter again and again.
 *
 * @since 0.1.0
 * @category models
 */
export type Parameters = Readonly<
  Record<string, string | Redacted.Redacted<string> | ReadonlyArray<string> | undefined>
>

/**
 * What all sources here have in common; the options of a `TokenSource` are passed on to it.
 *
 * @since 0.1.0
 * @category models
 */
export interface RequestOptions<out E = never, out R = never> extends RefreshPolicyOptions {
  /**
   * The issuer, whose metadata is asked for at the first attempt and again after one that failed (see `OAuth2.discover`),
   * or the server itself. https, or http on loopback.
   */
  readonly server: string | OAuth2Server.Server
  /** Scopes to ask for (RFC 6749 section 3.3), as a list or in one string. Default: none, the server decides. */
  readonly scope?: string | ReadonlyArray<string> | undefined
  /**
   * Whether a token counts only if the server states that all of `scope` was granted. By RFC 6749 section 5.1 an answer
   * without `scope` means that it was; there are servers that leave it out when they grant nothing of it, so with `true`
   * that is refused too. Default: `false`; the `scope` of the access token is what the server states, if it does.
   */
  readonly requireScope?: boolean | undefined
  /** Whom the token is for, where the server takes `audience` (RFC 8693 section 2.1). Default: none. */
  readonly audience?: string | ReadonlyArray<string> | undefined
  /** The URIs of the APIs that the token is for (RFC 8707 section 2). Default: none. */
  readonly resource?: string | ReadonlyArray<string> | undefined
  /** Further parameters, or an effect that makes them anew for each attempt. Default: none. */
  readonly parameters?: Parameters | Effect.Effect<Parameters, E, R> | undefined
  /**
   * What the token depends on, for a `TokenStore`. Default: server, client, grant type, scope, audience, resource,
   * parameters, and the refresh token to begin with, by its hash. None, so that the token is not shared, where an effect
   * makes the parameters or loads the refresh token, or a parameter is `Redacted`.
   */
  readonly identity?: TokenSource.TokenIdentity | undefined
  /** How long an attempt may take. Default: 30 seconds. */
  readonly issueTimeout?: Duration.DurationInput | undefined
  /** The lifetime of a token whose answer has no `expires_in`. Default: none, such a token is refused. */
  readonly defaultLifetime?: Duration.DurationInput | undefined
  /** Decides when the next attempt starts, in place of the policy options. */
  readonly schedule?: Schedule.Schedule<unknown, IssueOutcome> | undefined
}

/**
 * A source of tokens of an authorization server, to be given to a `TokenCache`. Making it fails with `InvalidOptions`,
 * and with it the layer, for options that cannot work: a server that is neither https nor on loopback, a client without
 * an id or a secret, a key that cannot be read.
 *
 * An attempt fails with an `IssueError`. The error codes of RFC 6749 section 5.2 and any other 4xx are a permanent
 * `Rejected` with advice, also when they come with status 200; 429 is `Throttled`, and 408, 5xx or no answer is
 * `Unreachable`, for as long as a Retry-After says. A redirect, an answer that is not `application/json` or has no
 * token, and any `token_type` but Bearer, such as DPoP or the `N_A` of RFC 8693, are an `InvalidResponse`. No text of
 * the server is in its message.
 *
 * A redirect of the token endpoint is not followed, for it would take the secret along; an `HttpClient` in the context that
 * holds `HttpClient.followRedirects` follows it all the same.
 *
 * @since 0.1.0
 * @category models
 */
export type OAuth2Source<E = never, R = never> = TokenSource.TokenSource<E | IssueError, HttpClient.HttpClient | R>

/** @internal */
export type Exchange<R> = (
  request: OAuth2Request.TokenRequest
) => Effect.Effect<IssuedToken.IssuedToken, IssueError, HttpClient.HttpClient | R>

/** @internal */
export const exchange: Exchange<never> = (request) =>
  Effect.flatMap(OAuth2Request.post(request), (answer) => OAuth2Request.toToken(answer, request))

/** @internal */
export const make = <E, R, R2>(
  options: RequestOptions<E, R> & OAuth2Client.Client,
  grantType: string,
  identity: TokenSource.TokenIdentity | undefined,
  exchange: Exchange<R2>
): Effect.Effect<OAuth2Source<E, R | R2>, InvalidOptions> =>
  Effect.gen(function* () {
    if (typeof grantType !== "string" || grantType.trim() === "") {
      return yield* new InvalidOptions({ option: "grantType", message: "grantType must be a string that is not empty" })
    }
    const { find, forget } = yield* OAuth2Server.finder(options.server)
    const authentication = yield* OAuth2Client.make(options)
    const { defaultLifetime, issueTimeout, jitter, maxRetryAfter, refreshBefore, retryAfter, schedule } = options
    const issue = Effect.gen(function* () {
      const server = yield* find
      const parameters = yield* toSearchParams(options)
      const issued = yield* exchange({ server, authentication, grantType, parameters })
      return yield* options.requireScope === true ? checkScope(issued, parameters) : Effect.succeed(issued)
    }).pipe(Effect.tapErrorCause(() => forget))
    const issuer = `oauth2 ${grantType}`
    return {
      issuer,
      identity,
      issue,
      defaultLifetime,
      issueTimeout,
      jitter,
      maxRetryAfter,
      refreshBefore,
      retryAfter,
      schedule
    }
  })

const toSearchParams = <E, R>(options: RequestOptions<E, R>): Effect.Effect<URLSearchParams, E, R> => {
  const { audience, resource, scope } = options
  const further = Effect.isEffect(options.parameters) ? options.parameters : Effect.succeed(options.parameters ?? {})
  return Effect.map(further, (further) => {
    const all: Parameters = {
      ...further,
      ...(scope === undefined ? undefined : { scope: [scope].flat().join(" ") }),
      ...(audience === undefined ? undefined : { audience }),
      ...(resource === undefined ? undefined : { resource })
    }
    return new URLSearchParams(
      Object.entries(all)
        .flatMap(([name, value]) =>
          toValues(value).map((value) => [name, Redacted.isRedacted(value) ? Redacted.value(value) : value])
        )
        .filter(([, value]) => value !== "")
    )
  })
}

const toValues = (value: Parameters[string]): ReadonlyArray<string | Redacted.Redacted<string>> =>
  value === undefined ? [] : Redacted.isRedacted(value) || typeof value === "string" ? [value] : value

/**
 * What a token depends on, as far as the options tell: who logged in is in no other option of a refresh token, and what a
 * secret parameter says is not for a store.
 *
 * @internal
 */
export const identify = <E, R>(
  options: RequestOptions<E, R> & OAuth2Client.Client,
  login = ""
): TokenSource.TokenIdentity | undefined => {
  const { audience, clientId = "", parameters = {}, resource, scope, server } = options
  if (options.identity !== undefined) {
    return options.identity
  }
  if (Effect.isEffect(parameters) || Object.values(parameters).flatMap(toValues).some(Redacted.isRedacted)) {
    return undefined
  }
  // Hashed, for a source is not secret, and a parameter may be.
  return {
    client: hash([typeof server === "string" ? server : server.issuer, clientId, login]),
    request: hash([JSON.stringify({ ...parameters, scope, audience, resource })])
  }
}

/** Names what was asked for, and nothing that the server says. */
const checkScope = (
  issued: IssuedToken.IssuedToken,
  parameters: URLSearchParams
): Effect.Effect<IssuedToken.IssuedToken, IssueError> => {
  const granted = issued.scope?.split(" ") ?? []
  const asked = parameters.get("scope")?.split(" ") ?? []
  const missing = asked.filter((scope) => scope !== "" && !granted.includes(scope))
  return missing.length === 0
    ? Effect.succeed(issued)
    : Effect.fail(
        new IssueError({
          reason: "Rejected",
          permanent: true,
          message: `the server does not state that it granted ${missing.join(" ")}`,
          advice: "Check scope, and what the server grants to this client; requireScope asks for all of it."
        })
      )
}
