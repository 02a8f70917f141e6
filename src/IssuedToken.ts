/**
 * What an issuer returns.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { IssueError } from "./TokenError.js"

/**
 * A token as its issuer hands it out. The cache turns it into an {@link AccessToken} once it has checked the lifetime.
 *
 * @since 0.1.0
 * @category models
 */
export interface IssuedToken {
  readonly accessToken: Redacted.Redacted<string>
  /**
   * When it was issued, in epoch milliseconds, for a token that was not issued by the attempt that returns it: one out of a
   * store. Default: the clock just before the request.
   */
  readonly issuedAt?: number | undefined
  /** The lifetime, counted from `issuedAt`. */
  readonly expiresIn?: Duration.DurationInput | undefined
  /** The end of the lifetime in epoch milliseconds, used when there is no `expiresIn`. */
  readonly expiresAt?: number | undefined
  /** The issuer's id of the token or of its key, where it has one (LINE v2.1 `key_id`). */
  readonly keyId?: string | undefined
  /** The granted scope (RFC 6749 section 5.1). */
  readonly scope?: string | undefined
}

/**
 * A token in the cache. Instants are epoch milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface AccessToken {
  readonly accessToken: Redacted.Redacted<string>
  /** The clock just before the request that issued it, if the issuer does not say otherwise. */
  readonly issuedAt: number
  readonly expiresAt: number
  /** The cache gives it to readers before this instant: `expiresAt` less the leeway. */
  readonly usableUntil: number
  /** How many tokens of this name this cache has seen issued, this one included. */
  readonly generation: number
  readonly keyId?: string | undefined
  readonly scope?: string | undefined
}

/**
 * Makes an {@link IssuedToken}. It cannot fail: the cache checks the lifetime, and takes the source's `defaultLifetime`
 * where none is given. A number in `expiresIn` is milliseconds, as everywhere in Effect; for an OAuth answer, whose
 * `expires_in` is seconds, use {@link fromOAuth}.
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
  readonly accessToken: string | Redacted.Redacted<string>
  readonly issuedAt?: number | Date | undefined
  readonly expiresIn?: Duration.DurationInput | undefined
  readonly expiresAt?: number | Date | undefined
  readonly keyId?: string | undefined
  readonly scope?: string | undefined
}): IssuedToken => ({
  accessToken: Redacted.isRedacted(options.accessToken) ? options.accessToken : Redacted.make(options.accessToken),
  ...(options.issuedAt === undefined ? undefined : { issuedAt: Number(options.issuedAt) }),
  ...(options.expiresIn === undefined ? undefined : { expiresIn: options.expiresIn }),
  ...(options.expiresAt === undefined ? undefined : { expiresAt: Number(options.expiresAt) }),
  ...(options.keyId === undefined ? undefined : { keyId: options.keyId }),
  ...(options.scope === undefined ? undefined : { scope: options.scope })
})

/**
 * Decodes a token response: `{ access_token, expires_in, token_type?, scope?, key_id? }`. Other fields are ignored.
 *
 * `expires_in` is a number of seconds or a numeric string, more than 0; where it is missing, the source's
 * `defaultLifetime` is used. Fails with an {@link IssueError} of reason `InvalidResponse` that names the field and
 * prints nothing of the answer.
 *
 * @see RFC 6749 section 5.1
 * @since 0.1.0
 * @category constructors
 */
export const fromOAuth = (body: unknown): Effect.Effect<IssuedToken, IssueError> => {
  if (typeof body !== "object" || body === null) {
    return invalid("the answer is not a JSON object")
  }
  const { access_token, expires_in, token_type, scope, key_id } = body as Record<string, unknown>
  if (typeof access_token !== "string" || access_token === "") {
    return invalid("access_token is missing")
  }
  if (token_type !== undefined && (typeof token_type !== "string" || token_type.toLowerCase() !== "bearer")) {
    return invalid("token_type is not Bearer")
  }
  const seconds = expires_in === undefined ? undefined : toSeconds(expires_in)
  if (seconds !== undefined && !(Number.isFinite(seconds) && seconds > 0)) {
    return invalid("expires_in is not a positive number of seconds")
  }
  return Effect.succeed(
    make({
      accessToken: access_token,
      expiresIn: seconds === undefined ? undefined : seconds * 1000,
      scope: typeof scope === "string" ? scope : undefined,
      keyId: typeof key_id === "string" ? key_id : undefined
    })
  )
}

const toSeconds = (value: unknown): number =>
  typeof value === "number"
    ? value
    : typeof value === "string" && /^\d+(\.\d+)?$/.test(value)
      ? Number(value)
      : Number.NaN

const invalid = (message: string) => Effect.fail(new IssueError({ reason: "InvalidResponse", message }))
