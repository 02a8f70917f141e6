/**
 * Access tokens: as an issuer hands them out, and as the cache keeps them.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Redacted from "effect/Redacted"
import { redacted } from "./internal/options.js"
import { fitsHeader } from "./internal/text.js"
import { IssueError } from "./TokenError.js"

/**
 * A token as its issuer hands it out. The cache checks its lifetime and turns it into an {@link AccessToken}.
 *
 * @since 0.1.0
 * @category models
 */
export interface IssuedToken {
  /** The access token itself (RFC 6749 section 1.4). */
  readonly accessToken: Redacted.Redacted<string>
  /**
   * When the token was issued, in epoch milliseconds. It is for a token that the attempt did not issue itself, such as one
   * that comes out of a store. Default: the clock just before the attempt.
   */
  readonly issuedAt?: number | undefined
  /** The lifetime, counted from `issuedAt`. Default: until `expiresAt`, or else the `defaultLifetime` of the source. */
  readonly expiresIn?: Duration.DurationInput | undefined
  /** When the token expires, in epoch milliseconds. It is used only if there is no `expiresIn`. Default: none. */
  readonly expiresAt?: number | undefined
  /** The issuer's id of the token or of its key, such as the `key_id` of a LINE v2.1 token. Default: none. */
  readonly keyId?: string | undefined
  /** The scope that was granted (RFC 6749 section 5.1), if the issuer states it. */
  readonly scope?: string | undefined
}

/**
 * A token in the cache.
 *
 * @since 0.1.0
 * @category models
 */
export interface AccessToken {
  /** The access token itself (RFC 6749 section 1.4). */
  readonly accessToken: Redacted.Redacted<string>
  /** When it was issued, in epoch milliseconds: the clock just before the attempt, unless the issuer says otherwise. */
  readonly issuedAt: number
  /** When it expires, in epoch milliseconds. */
  readonly expiresAt: number
  /** Until when the cache gives it to readers, in epoch milliseconds: `expiresAt` less the leeway. */
  readonly usableUntil: number
  /** How many tokens of this name the cache has seen issued, including this one. */
  readonly generation: number
  /** The issuer's id of the token or of its key, such as the `key_id` of a LINE v2.1 token. */
  readonly keyId?: string | undefined
  /** The scope that was granted (RFC 6749 section 5.1), if the issuer states it. */
  readonly scope?: string | undefined
}

/**
 * Makes an {@link IssuedToken} from a token that an issuer has given. It cannot fail: the cache checks the lifetime. A
 * number as `expiresIn` is milliseconds, as everywhere in Effect. For an OAuth answer, whose `expires_in` is in seconds,
 * use {@link fromOAuth}.
 *
 * @example
 * ```ts
 * import { IssuedToken } from "effect-token-cache"
 *
 * const token = IssuedToken.make({ accessToken: "s3cr3t", expiresIn: "15 minutes" })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: {
  /** The access token itself. */
  readonly accessToken: string | Redacted.Redacted<string>
  /** When the token was issued, in epoch milliseconds or as a date. Default: the clock just before the attempt. */
  readonly issuedAt?: number | Date | undefined
  /** The lifetime. Default: until `expiresAt`, or else the `defaultLifetime` of the source. */
  readonly expiresIn?: Duration.DurationInput | undefined
  /** When the token expires, in epoch milliseconds or as a date; used only if there is no `expiresIn`. Default: none. */
  readonly expiresAt?: number | Date | undefined
  /** The issuer's id of the token or of its key. Default: none. */
  readonly keyId?: string | undefined
  /** The scope that was granted. Default: none is known. */
  readonly scope?: string | undefined
}): IssuedToken => ({
  accessToken: redacted(options.accessToken),
  ...(options.issuedAt === undefined ? undefined : { issuedAt: Number(options.issuedAt) }),
  ...(options.expiresIn === undefined ? undefined : { expiresIn: options.expiresIn }),
  ...(options.expiresAt === undefined ? undefined : { expiresAt: Number(options.expiresAt) }),
  ...(options.keyId === undefined ? undefined : { keyId: options.keyId }),
  ...(options.scope === undefined ? undefined : { scope: options.scope })
})

/**
 * Decodes the answer of a token endpoint: `{ access_token, expires_in?, token_type?, scope?, key_id? }`. Other fields are
 * ignored, and `null` is as good as absent.
 *
 * - `expires_in` is a number of seconds, or the text of one, and more than 0. If it is missing, the cache uses the
 *   `defaultLifetime` of the source.
 * - `token_type` is one of `tokenTypes`, in any case, or missing.
 * - `scope` is a text, or a list of scopes. Anything else counts as missing.
 *
 * Fails with an {@link IssueError} of reason `InvalidResponse`, which names the field that is wrong and quotes nothing of
 * the answer.
 *
 * @see RFC 6749 section 5.1
 * @since 0.1.0
 * @category constructors
 */
export const fromOAuth = (
  body: unknown,
  options?: {
    /** The values of `token_type` that are accepted. Default: `Bearer` and `BearerToken`. */
    readonly tokenTypes?: ReadonlyArray<string> | undefined
  }
): Effect.Effect<IssuedToken, IssueError> => {
  if (!Predicate.isRecord(body)) {
    return invalid("the answer is not a JSON object")
  }
  const { access_token, expires_in, token_type, scope, key_id } = body
  if (typeof access_token !== "string" || access_token === "") {
    return invalid("access_token is missing")
  }
  if (!fitsHeader(access_token)) {
    return invalid("access_token has characters that an HTTP header cannot carry")
  }
  const tokenTypes = options?.tokenTypes ?? ["Bearer", "BearerToken"]
  if (token_type !== undefined && token_type !== null && !isOneOf(tokenTypes, token_type)) {
    return invalid(`token_type is not ${tokenTypes.join(" or ")}`)
  }
  const seconds = expires_in === undefined || expires_in === null ? undefined : toSeconds(expires_in)
  if (seconds !== undefined && !(Number.isFinite(seconds) && seconds > 0)) {
    return invalid("expires_in is not a positive number of seconds")
  }
  return Effect.succeed(
    make({
      accessToken: access_token,
      expiresIn: seconds === undefined ? undefined : seconds * 1000,
      scope: typeof scope === "string" ? scope : toScope(scope),
      keyId: typeof key_id === "string" ? key_id : undefined
    })
  )
}

/** A list of scopes as one text. What is no scope (RFC 6749 section 3.3) may be an echo of a secret. */
const toScope = (scope: unknown): string | undefined =>
  Array.isArray(scope) && scope.every((each) => typeof each === "string" && /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(each))
    ? scope.join(" ")
    : undefined

const isOneOf = (tokenTypes: ReadonlyArray<string>, value: unknown): boolean =>
  typeof value === "string" && tokenTypes.some((tokenType) => tokenType.toLowerCase() === value.toLowerCase())

const toSeconds = (value: unknown): number =>
  typeof value === "number"
    ? value
    : typeof value === "string" && /^\d+(\.\d+)?$/.test(value)
      ? Number(value)
      : Number.NaN

const invalid = (message: string) => Effect.fail(new IssueError({ reason: "InvalidResponse", message }))
