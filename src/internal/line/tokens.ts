import type * as HttpClient from "@effect/platform/HttpClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as LineAssertion from "../../LineAssertion.js"
import type { IssueError } from "../../TokenError.js"
import type { Answer } from "../http/exchange.js"
import * as IssuerError from "../http/issuerError.js"
import { redacted } from "../options.js"
import { assertionAdvice, secretAdvice, tokenAdvice } from "./advice.js"
import type { AssertionOptions, SecretOptions, TokenOptions } from "./api.js"
import * as LineRequest from "./request.js"
import { assertionFields } from "./tokenEndpoint.js"

/**
 * What LINE says of a valid token.
 *
 * @since 0.1.0
 * @category models
 */
export interface Verification {
  /** The ID of the channel that the token was issued to. */
  readonly channelId: string
  /** The remaining lifetime; more than 99 years for a long-lived token. */
  readonly expiresIn: Duration.Duration
  /** The permissions of the token, if LINE states them. */
  readonly scope?: string | undefined
}

/**
 * Verifies a short-lived or long-lived token. Fails with an `IssueError` of reason `Rejected` if it is not valid.
 *
 * @see LINE: Verify the validity of short-lived and long-lived channel access tokens
 * @since 0.1.0
 * @category tokens
 */
export const verifyShortLived = (
  options: TokenOptions
): Effect.Effect<Verification, IssueError, HttpClient.HttpClient> =>
  Effect.flatMap(postToken("/v2/oauth/verify", options), toVerification)

/**
 * Verifies a v2.1 token. Fails with an `IssueError` of reason `Rejected` if it is not valid. The request has no span,
 * because the token is in its URL.
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
        { baseUrl: options.baseUrl, path: "/oauth2/v2.1/verify", advice: tokenAdvice },
        { access_token: Redacted.value(accessToken) }
      )
    ),
    toVerification
  )
}

/**
 * Revokes a short-lived or long-lived token. It succeeds for a token that LINE does not know, too.
 *
 * @see LINE: Revoke short-lived or long-lived channel access token
 * @since 0.1.0
 * @category tokens
 */
export const revokeShortLived = (options: TokenOptions): Effect.Effect<void, IssueError, HttpClient.HttpClient> =>
  Effect.asVoid(postToken("/v2/oauth/revoke", options))

/**
 * Revokes a v2.1 token, for which LINE requires the channel secret.
 *
 * It succeeds for a token that LINE does not know, too. LINE's documentation says both that it answers such a request with
 * 200 and that it answers with 400; the 400 is logged as a warning. Fails with an `IssueError` of code `invalid_client` if
 * the channel or its secret is wrong.
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
      { baseUrl: options.baseUrl, path: "/oauth2/v2.1/revoke", advice: secretAdvice },
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
 * Lists the key IDs of the channel's valid v2.1 tokens: one for each token, as in its `keyId`. The request has no span,
 * because the assertion is in its URL.
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
        { baseUrl: options.baseUrl, path: "/oauth2/v2.1/tokens/kid", advice: assertionAdvice },
        assertionFields(assertion)
      )
    ),
    Effect.flatMap((answer) =>
      Predicate.isRecord(answer.body) && Array.isArray(answer.body.kids) && answer.body.kids.every(Predicate.isString)
        ? Effect.succeed(answer.body.kids)
        : Effect.fail(IssuerError.invalidResponse(answer, "kids is missing"))
    )
  )

const postToken = (path: string, options: TokenOptions): Effect.Effect<Answer, IssueError, HttpClient.HttpClient> => {
  const accessToken = redacted(options.accessToken)
  return Effect.suspend(() =>
    LineRequest.post(
      { baseUrl: options.baseUrl, path, advice: tokenAdvice },
      { access_token: Redacted.value(accessToken) }
    )
  )
}

const toVerification = (answer: Answer): Effect.Effect<Verification, IssueError> => {
  const { body } = answer
  return Predicate.isRecord(body) && typeof body.client_id === "string" && typeof body.expires_in === "number"
    ? Effect.succeed({
        channelId: body.client_id,
        expiresIn: Duration.seconds(body.expires_in),
        ...(typeof body.scope === "string" ? { scope: body.scope } : undefined)
      })
    : Effect.fail(IssuerError.invalidResponse(answer, "client_id or expires_in is missing"))
}
