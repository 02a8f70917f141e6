/**
 * What LINE's API offers for tokens that are issued already: verify, revoke, key ids.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as LineAssertion from "../../LineAssertion.js"
import { IssueError } from "../../TokenError.js"
import { redacted } from "../options.js"
import * as LineApi from "./api.js"
import * as LineRequest from "./tokenEndpoint.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface SecretOptions extends LineApi.ApiOptions {
  readonly channelId: string
  readonly channelSecret: string | Redacted.Redacted<string>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface AssertionOptions extends LineApi.ApiOptions {
  readonly channelId: string
  /** The `kid` that LINE's console gave when the public key was registered. */
  readonly keyId: string
  /** RSA, 2048 bits, as PEM or JWK. */
  readonly privateKey: LineAssertion.PrivateKey
}

/**
 * @since 0.1.0
 * @category models
 */
export interface TokenOptions extends LineApi.ApiOptions {
  readonly accessToken: string | Redacted.Redacted<string>
}

/**
 * A token that LINE found valid.
 *
 * @since 0.1.0
 * @category models
 */
export interface Verification {
  readonly channelId: string
  /** What is left of its lifetime; over 99 years for a long-lived token. */
  readonly expiresIn: Duration.Duration
  readonly scope?: string | undefined
}

/**
 * Asks whether a short-lived or long-lived token is valid. One that is not is an `IssueError` of reason `Rejected`.
 *
 * @see LINE: Verify the validity of short-lived and long-lived channel access tokens
 * @since 0.1.0
 * @category tokens
 */
export const verifyShortLived = (
  options: TokenOptions
): Effect.Effect<Verification, IssueError, HttpClient.HttpClient> => {
  const accessToken = redacted(options.accessToken)
  return Effect.flatMap(
    Effect.suspend(() =>
      LineRequest.post(
        { baseUrl: options.baseUrl, path: "/v2/oauth/verify", explain: explainToken },
        { access_token: Redacted.value(accessToken) }
      )
    ),
    toVerification
  )
}

/**
 * Asks whether a v2.1 token is valid. One that is not is an `IssueError` of reason `Rejected`. No span is recorded: the
 * token is in the URL.
 *
 * LINE documents no way to verify a stateless token.
 *
 * @see LINE: Verify the validity of the channel access token v2.1
 * @since 0.1.0
 * @category tokens
 */
export const verifyV21 = (options: TokenOptions): Effect.Effect<Verification, IssueError, HttpClient.HttpClient> => {
  const accessToken = redacted(options.accessToken)
  return Effect.flatMap(
    Effect.suspend(() =>
      LineRequest.get(
        { baseUrl: options.baseUrl, path: "/oauth2/v2.1/verify", explain: explainToken },
        { access_token: Redacted.value(accessToken) }
      )
    ),
    toVerification
  )
}

/**
 * Revokes a short-lived or long-lived token. One that LINE does not know is no error.
 *
 * @see LINE: Revoke short-lived or long-lived channel access token
 * @since 0.1.0
 * @category tokens
 */
export const revokeShortLived = (options: TokenOptions): Effect.Effect<void, IssueError, HttpClient.HttpClient> => {
  const accessToken = redacted(options.accessToken)
  return Effect.asVoid(
    Effect.suspend(() =>
      LineRequest.post(
        { baseUrl: options.baseUrl, path: "/v2/oauth/revoke", explain: explainToken },
        { access_token: Redacted.value(accessToken) }
      )
    )
  )
}

/**
 * Revokes a v2.1 token, for which LINE wants the channel secret. A token that LINE does not know is no error, whether
 * it answers 200 or 400, for its pages say both; the 400 is logged as a warning. `invalid_client` is an error.
 *
 * @see LINE: Revoke channel access token v2.1
 * @since 0.1.0
 * @category tokens
 */
export const revokeV21 = (
  options: SecretOptions & TokenOptions
): Effect.Effect<void, IssueError, HttpClient.HttpClient> => {
  const accessToken = redacted(options.accessToken)
  const channelSecret = redacted(options.channelSecret)
  return Effect.suspend(() =>
    LineRequest.post(
      { baseUrl: options.baseUrl, path: "/oauth2/v2.1/revoke", explain: explainSecret },
      {
        client_id: options.channelId,
        client_secret: Redacted.value(channelSecret),
        access_token: Redacted.value(accessToken)
      }
    )
  ).pipe(
    Effect.asVoid,
    Effect.catchIf(
      ({ status, code }) => status === 400 && code !== "invalid_client",
      ({ message }) => Effect.logWarning(`The token counts as revoked, though LINE does not know it: ${message}`)
    )
  )
}

/**
 * The key ids of the channel's valid v2.1 tokens; there are as many of them as there are tokens. No span is recorded:
 * the assertion is in the URL.
 *
 * @see LINE: Get all valid channel access token v2.1 key IDs
 * @since 0.1.0
 * @category tokens
 */
export const keyIds = (
  options: AssertionOptions
): Effect.Effect<ReadonlyArray<string>, IssueError, HttpClient.HttpClient> =>
  LineAssertion.sign(options).pipe(
    Effect.flatMap((assertion) =>
      LineRequest.get(
        { baseUrl: options.baseUrl, path: "/oauth2/v2.1/tokens/kid", explain: explainAssertion },
        assertionFields(assertion)
      )
    ),
    Effect.flatMap(({ status, body, requestId }) =>
      Predicate.isRecord(body) && Array.isArray(body.kids) && body.kids.every(Predicate.isString)
        ? Effect.succeed(body.kids)
        : Effect.fail(new IssueError({ reason: "InvalidResponse", message: "kids is missing", status, requestId }))
    )
  )

/** @internal */
export const assertionFields = (assertion: Redacted.Redacted<string>) => ({
  client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
  client_assertion: Redacted.value(assertion)
})

/** @internal */
export const explainSecret: LineRequest.Explain = ({ status }) => ({
  advice: status === 404 ? LineApi.checkBaseUrl : "Check LINE_CHANNEL_ID and LINE_CHANNEL_SECRET."
})

/** @internal */
export const explainAssertion: LineRequest.Explain = ({ status }) => ({
  advice:
    status === 404
      ? "Check LINE_KEY_ID: the key is not registered in this channel."
      : "Check LINE_CHANNEL_ID, LINE_KEY_ID and LINE_PRIVATE_KEY, and the clock of this machine."
})

const explainToken: LineRequest.Explain = ({ status }) => ({
  advice:
    status === 404
      ? LineApi.checkBaseUrl
      : "The token is malformed, expired, revoked, or of another kind than this endpoint is for."
})

const toVerification = ({ status, body, requestId }: LineRequest.Answer): Effect.Effect<Verification, IssueError> =>
  Predicate.isRecord(body) && typeof body.client_id === "string" && typeof body.expires_in === "number"
    ? Effect.succeed({
        channelId: body.client_id,
        expiresIn: Duration.seconds(body.expires_in),
        ...(typeof body.scope === "string" ? { scope: body.scope } : undefined)
      })
    : Effect.fail(
        new IssueError({
          reason: "InvalidResponse",
          message: "client_id or expires_in is missing",
          status,
          requestId
        })
      )
