import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import type * as Redacted from "effect/Redacted"
import * as Url from "../http/url.js"
import type { PrivateKey } from "./signingKey.js"

/**
 * Where LINE's API is.
 *
 * @since 0.1.0
 * @category models
 */
export interface ApiOptions {
  /**
   * The URL that stands in for `https://api.line.me`, such as that of a proxy or of `LineEmulator`: https, or http on
   * loopback, without a user, a query or a fragment. A path in it is kept. Default: `https://api.line.me`.
   */
  readonly baseUrl?: string | undefined
}

/**
 * A channel that proves who it is with its secret.
 *
 * @since 0.1.0
 * @category models
 */
export interface SecretOptions extends ApiOptions {
  /** The channel ID, from the channel's page in the LINE Developers Console. */
  readonly channelId: string
  /** The channel secret, from the same page. Reissuing it there makes this one useless. */
  readonly channelSecret: string | Redacted.Redacted<string>
}

/**
 * A channel that proves who it is with an assertion, which it signs with its private key.
 *
 * @see LINE: Issue channel access token v2.1
 * @since 0.1.0
 * @category models
 */
export interface AssertionOptions extends ApiOptions {
  /** The channel ID, from the channel's page in the LINE Developers Console. */
  readonly channelId: string
  /** The `kid` that the LINE Developers Console assigned when the public key was registered there. */
  readonly keyId: string
  /** The assertion signing key: an RSA key of 2048 bits, as PEM or JWK. */
  readonly privateKey: PrivateKey
}

/**
 * A token that was issued before.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenOptions extends ApiOptions {
  /** The channel access token to verify or revoke. */
  readonly accessToken: string | Redacted.Redacted<string>
}

/** The URL of LINE's own API. */
export const defaultBaseUrl = "https://api.line.me"

/** The longest lifetime of a v2.1 token. */
export const maxTokenLifetime = Duration.days(30)

/** What to do about a base URL that may be wrong. */
export const checkBaseUrl = "Check the base URL (LINE_API_BASE_URL)."

/** What is wrong with a base URL that cannot be used. It does not quote the URL, which may hold a secret. */
export const invalidBaseUrl = `the base URL must be https, or http on loopback, without user, query or fragment, such as ${defaultBaseUrl}`

/** Gives a base URL without its trailing slashes, or {@link invalidBaseUrl}. */
export const parseBaseUrl = (text: string): Either.Either<string, string> => {
  const url = Url.parseBaseUrl(text)
  return url === undefined
    ? Either.left(invalidBaseUrl)
    : Either.right(`${url.origin}${url.pathname.replace(/\/+$/, "")}`)
}
