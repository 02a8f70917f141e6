import type * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { Key } from "./backend.js"

/**
 * An access token as a store keeps it. All instants are epoch milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface StoredToken {
  /** The access token itself. */
  readonly accessToken: Redacted.Redacted<string>
  /** When the token was requested from its issuer, by the clock of the process that stored it. */
  readonly issuedAt: number
  /**
   * When the token expires. In a token that was read from a store, this is the earlier of two instants: the expiry that
   * was stored, and the end of the time that the store still keeps the token.
   */
  readonly expiresAt: number
  /** The issuer's id of the token, which LINE calls `key_id`, if the issuer gave one. */
  readonly keyId?: string | undefined
  /** The scope that the issuer granted, if it named one. */
  readonly scope?: string | undefined
}

/**
 * What a store has under a key. A key that nothing was written under, or whose value has expired, has the generation 0 and
 * no token.
 *
 * @since 0.1.0
 * @category models
 */
export interface Stored {
  /** The number of the last token that was written under the key. The next one must have a higher number. */
  readonly generation: number
  /** The last token that was written, absent once it was removed. */
  readonly token?: StoredToken | undefined
  /** `true` if a value is stored that none of the encryption keys decrypts, or that is not a token. */
  readonly unreadable?: true | undefined
}

/** Writes a token as JSON text. */
export const encode = ({ accessToken, expiresAt, issuedAt, keyId, scope }: StoredToken): string =>
  JSON.stringify({ accessToken: Redacted.value(accessToken), issuedAt, expiresAt, keyId, scope })

/** Reads a token from JSON text. The result is `none` for any other text: the decoder's own error would quote it. */
export const decode = (text: string): Option.Option<StoredToken> => Schema.decodeOption(TokenJson)(text)

/**
 * What an encrypted token is bound to, so that it can be moved neither to another key or storage nor to another
 * generation.
 */
export const placeOf = (namespace: string, { group, id }: Key, generation: number): string =>
  JSON.stringify(["token", namespace, group, id, generation])

const TokenJson = Schema.parseJson(
  Schema.Struct({
    accessToken: Schema.Redacted(Schema.NonEmptyString),
    issuedAt: Schema.Finite,
    expiresAt: Schema.Finite,
    keyId: Schema.optionalWith(Schema.String, { exact: true }),
    scope: Schema.optionalWith(Schema.String, { exact: true })
  })
)
