import type * as HttpClient from "@effect/platform/HttpClient"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { LazyArg } from "effect/Function"
import * as Redacted from "effect/Redacted"
import type * as Schedule from "effect/Schedule"
import * as IssuedToken from "../../IssuedToken.js"
import type { IssueOutcome, RefreshPolicyOptions } from "../../RefreshPolicy.js"
import { InvalidOptions, type IssueError } from "../../TokenError.js"
import type * as TokenSource from "../../TokenSource.js"
import { hash } from "../hash.js"
import type { Answer } from "../http/exchange.js"
import { isBlank } from "../options.js"
import * as Client from "./client.js"
import { serverCache } from "./discovery.js"
import type { Server } from "./server.js"
import * as TokenAnswer from "./tokenAnswer.js"
import * as TokenRequest from "./tokenRequest.js"

/**
 * Further parameters of a token request. One that is `undefined` or empty is not sent (RFC 6749 section 3.2); a list is
 * sent as one parameter per element.
 *
 * @since 0.1.0
 * @category models
 */
export type Parameters = Readonly<
  Record<string, string | Redacted.Redacted<string> | ReadonlyArray<string> | undefined>
>

/**
 * The options that all OAuth 2.0 sources share. Those of `RefreshPolicyOptions` decide when the next token is issued.
 *
 * @since 0.1.0
 * @category models
 */
export interface RequestOptions<out E = never, out R = never> extends RefreshPolicyOptions {
  /**
   * The issuer identifier or the server itself. The metadata of an issuer is fetched at the first attempt, and again
   * after each attempt that failed (see `OAuth2.discover`). All URLs must be https, or http on loopback.
   */
  readonly server: string | Server
  /**
   * The scopes to ask for, as a list or as one string with spaces between them (RFC 6749 section 3.3). Default: none, so
   * that the server decides.
   */
  readonly scope?: string | ReadonlyArray<string> | undefined
  /**
   * Whether a token is accepted only if the server states that it granted all of `scope`. By RFC 6749 section 5.1 an
   * answer without `scope` means that it did, but some servers leave `scope` out when they granted none of it: with
   * `true` such an answer is refused, too. Default: `false`; the `scope` of the access token is then what the server
   * states, if it states any.
   */
  readonly requireScope?: boolean | undefined
  /** The parameter `audience`, which says whom the token is for (RFC 8693 section 2.1). Default: none. */
  readonly audience?: string | ReadonlyArray<string> | undefined
  /** The parameter `resource`: the URIs of the APIs that the token is for (RFC 8707 section 2). Default: none. */
  readonly resource?: string | ReadonlyArray<string> | undefined
  /** Further parameters of the token request, or an effect that makes them anew for each attempt. Default: none. */
  readonly parameters?: Parameters | Effect.Effect<Parameters, E, R> | undefined
  /**
   * What the token depends on, so that a `TokenStore` shares it only between sources that would get the same one.
   * Default: a hash of server, client, grant type, scope, audience, resource, parameters and the initial refresh token.
   * There is no default, and the token is not shared, where an effect makes the parameters or loads the refresh token, or
   * where a parameter is `Redacted`.
   */
  readonly identity?: TokenSource.TokenIdentity | undefined
  /**
   * The values of `token_type` that are accepted, in any case, besides none at all. Default: `Bearer` and `BearerToken`.
   * Add, for example, `bot` for Slack.
   */
  readonly tokenTypes?: ReadonlyArray<string> | undefined
  /**
   * Reads the token from the JSON value of a successful answer, for a server whose answers are not those of RFC 6749
   * section 5.1. It fails with an `IssueError` of reason `InvalidResponse`. Default: `IssuedToken.fromOAuth`.
   */
  readonly decode?: TokenRequest.Decode | undefined
  /** How long an attempt may take before it fails with reason `Timeout`. Default: 30 seconds. */
  readonly issueTimeout?: Duration.DurationInput | undefined
  /** The lifetime of a token whose answer has no `expires_in`. Default: none, so that such a token is refused. */
  readonly defaultLifetime?: Duration.DurationInput | undefined
  /** Decides when the next attempt starts, in place of the `RefreshPolicyOptions`. Default: those options. */
  readonly schedule?: Schedule.Schedule<unknown, IssueOutcome> | undefined
}

/**
 * A source of tokens that an authorization server issues, to be given to a `TokenCache`. Making one fails with
 * `InvalidOptions`, and the layer with it, if its options cannot work: a server that is neither https nor on loopback, a
 * client without an id or a secret, a private key that cannot be read.
 *
 * An attempt fails with an `IssueError`:
 *
 * - `Rejected`, permanent and with advice: an error code of RFC 6749 section 5.2, even with status 200, or any other 4xx
 * - `Throttled`: 429, or the code `slow_down`
 * - `Unreachable`: 408, 5xx, no answer, or the code `temporarily_unavailable` or `server_error`
 * - `InvalidResponse`: a redirect, an answer that is not JSON or has no token, or a `token_type` other than Bearer, such
 *   as DPoP or the `N_A` of RFC 8693
 *
 * The next attempt waits at least for as long as a Retry-After says. No text of the server is in the error's message.
 *
 * A redirect of the token endpoint is not followed, because it would take the secret along, even if the `HttpClient` in
 * the context was made with `HttpClient.followRedirects`.
 *
 * @since 0.1.0
 * @category models
 */
export type OAuth2Source<E = never, R = never> = TokenSource.TokenSource<E | IssueError, HttpClient.HttpClient | R>

/** What is special about a grant. */
export interface Grant<R> {
  /** Exchanges a token request for a successful answer. */
  readonly exchange: (
    request: TokenRequest.TokenRequest
  ) => Effect.Effect<Answer, IssueError, HttpClient.HttpClient | R>
  /** Whether each answer has a price, such as a refresh token that can be used once. */
  readonly spends: boolean
}

/** A grant whose request is sent as it is. */
export const plainGrant: Grant<never> = { exchange: TokenRequest.post, spends: false }

/** Makes a source of any grant. */
export const make = <E, R, R2>(
  options: RequestOptions<E, R> & Client.Client,
  grantType: string,
  identity: LazyArg<TokenSource.TokenIdentity | undefined>,
  { exchange, spends }: Grant<R2>
): Effect.Effect<OAuth2Source<E, R | R2>, InvalidOptions> =>
  Effect.gen(function* () {
    if (isBlank(grantType)) {
      return yield* new InvalidOptions({ option: "grantType", message: "grantType must be a string that is not empty" })
    }
    const { find, invalidate } = yield* serverCache(options.server)
    const authentication = yield* Client.make(options)
    const decode = options.decode ?? ((body) => IssuedToken.fromOAuth(body, { tokenTypes: options.tokenTypes }))
    const { defaultLifetime, issueTimeout, jitter, maxRetryAfter, refreshBefore, retryAfter, schedule } = options
    const issue = Effect.gen(function* () {
      const server = yield* find
      const parameters = yield* toSearchParams(options)
      const request = { server, authentication, grantType, parameters, decode }
      const answer = yield* exchange(request)
      return yield* spends
        ? TokenAnswer.toSpent(answer, request, options)
        : TokenAnswer.toToken(answer, request, options)
    }).pipe(Effect.tapErrorCause(() => invalidate))
    return {
      issuer: `oauth2 ${grantType}`,
      identity: identity(),
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
 * The identity of a token, as far as the options tell it. `login` stands for who logged in, which no other option of a
 * refresh token says. There is none if a parameter is made by an effect or is secret.
 */
export const identify = <E, R>(
  options: RequestOptions<E, R> & Client.Client,
  login = ""
): TokenSource.TokenIdentity | undefined => {
  const { audience, clientId = "", parameters = {}, resource, scope, server } = options
  if (options.identity !== undefined) {
    return options.identity
  }
  if (Effect.isEffect(parameters) || Object.values(parameters).flatMap(toValues).some(Redacted.isRedacted)) {
    return undefined
  }
  // Hashed, because a source may be printed and a parameter may be secret.
  return {
    client: hash([typeof server === "string" ? server : server.issuer, clientId, login]),
    request: hash([JSON.stringify({ ...parameters, scope, audience, resource })])
  }
}
