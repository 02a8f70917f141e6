/**
 * How a client proves to an authorization server who it is.
 *
 * @since 0.1.0
 */
import type { KeyObject } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import { importPKCS8, type JWK } from "jose"
import * as oauth from "oauth4webapi"
import { InvalidOptions } from "../../TokenError.js"
import { isBlank, redacted } from "../options.js"
import * as PrivateKey from "../privateKey.js"

/**
 * A client with a secret.
 *
 * @see RFC 6749 section 2.3.1
 * @since 0.1.0
 * @category models
 */
export interface SecretClient {
  readonly clientId: string
  readonly clientSecret: string | Redacted.Redacted<string>
  /** Whether the secret goes in the `Authorization` header or in the form. Default: `client_secret_basic`, the header. */
  readonly authMethod?: "client_secret_basic" | "client_secret_post" | undefined
}

/**
 * A client that signs an assertion with its key: anew for each attempt, with a new `jti`, for the issuer identifier alone,
 * valid for a minute by Effect's `Clock`.
 *
 * @see RFC 7523 section 2.2
 * @since 0.1.0
 * @category models
 */
export interface KeyClient {
  readonly clientId: string
  /** RSA, EC or Ed25519: an unencrypted PEM (line breaks or literal `\n`), a JWK, or a JWK's JSON text. */
  readonly privateKey: string | JWK | Redacted.Redacted<string | JWK>
  /** The `kid` under which the server knows the public key. Default: that of the JWK, or none. */
  readonly keyId?: string | undefined
  /** Default: the `alg` of the JWK, or RS256, ES256, ES384, ES512 or Ed25519 by the type of the key. */
  readonly algorithm?: string | undefined
  readonly authMethod?: "private_key_jwt" | undefined
}

/**
 * A client that proves nothing.
 *
 * @see RFC 6749 section 2.1
 * @since 0.1.0
 * @category models
 */
export interface PublicClient {
  /** Default: none is sent; an assertion that is the grant says who asks (RFC 7521 section 4.1). */
  readonly clientId?: string | undefined
  readonly authMethod: "none"
}

/**
 * @since 0.1.0
 * @category models
 */
export type Client = SecretClient | KeyClient | PublicClient

/**
 * What the protocol library needs to speak for a client; a new one for each attempt.
 *
 * @internal
 */
export type Authentication = Effect.Effect<{ readonly client: oauth.Client; readonly authenticate: oauth.ClientAuth }>

/** @internal */
export const make = (options: Client): Effect.Effect<Authentication, InvalidOptions> => {
  if (options.authMethod === "none") {
    return Effect.succeed(anonymous(options))
  }
  const client = { client_id: options.clientId }
  if (isBlank(options.clientId)) {
    return Effect.fail(invalid("clientId", "clientId must be a string that is not empty"))
  }
  if ("privateKey" in options) {
    return Effect.map(loadKey(options), (key) =>
      Effect.map(Clock.currentTimeMillis, (now) => ({ client, authenticate: byAssertion(key, Math.floor(now / 1000)) }))
    )
  }
  const clientSecret = redacted(options.clientSecret)
  if (isBlank(Redacted.value(clientSecret))) {
    return Effect.fail(invalid("clientSecret", "clientSecret must be a string that is not empty"))
  }
  const method = options.authMethod === "client_secret_post" ? oauth.ClientSecretPost : oauth.ClientSecretBasic
  return Effect.succeed(Effect.sync(() => ({ client, authenticate: method(Redacted.value(clientSecret)) })))
}

const invalid = (option: string, message: string) => new InvalidOptions({ option, message })

const anonymous = ({ clientId }: PublicClient): Authentication =>
  Effect.succeed(
    isBlank(clientId)
      ? // The library wants an id, and sends it only where the authentication does.
        { client: { client_id: "none" }, authenticate: () => {} }
      : { client: { client_id: clientId ?? "" }, authenticate: oauth.None() }
  )

/** The library's times are those of the machine's clock. */
const byAssertion = (key: oauth.PrivateKey, now: number): oauth.ClientAuth =>
  oauth.PrivateKeyJwt(key, {
    [oauth.modifyAssertion]: (_header, payload) => {
      payload.iat = now
      payload.nbf = now
      payload.exp = now + 60
    }
  })

const loadKey = (options: KeyClient): Effect.Effect<oauth.PrivateKey, InvalidOptions> => {
  const privateKey = redacted<string | JWK>(options.privateKey)
  return Effect.gen(function* () {
    const { algorithm: stated, key, keyId: kid } = yield* Either.mapLeft(PrivateKey.parse(privateKey), unreadable)
    const algorithm = options.algorithm ?? stated ?? algorithmOf(key)
    if (algorithm === undefined) {
      return yield* invalid("privateKey", `no algorithm is known for a key of type ${key.asymmetricKeyType}`)
    }
    const pem = key.export({ type: "pkcs8", format: "pem" }).toString()
    const imported = yield* Effect.tryPromise({ try: () => importPKCS8(pem, algorithm), catch: unreadable })
    const keyId = options.keyId ?? kid
    return { key: imported, ...(keyId === undefined ? undefined : { kid: keyId }) }
  })
}

// An error of the parsers may quote what they were given.
const unreadable = () =>
  invalid(
    "privateKey",
    "the private key cannot be read, or not for its algorithm: give an unencrypted private key as PEM or JWK"
  )

const algorithmOf = ({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string | undefined =>
  asymmetricKeyType === "ec" ? algorithms[asymmetricKeyDetails?.namedCurve ?? ""] : algorithms[asymmetricKeyType ?? ""]

const algorithms: Readonly<Record<string, string>> = {
  rsa: "RS256",
  prime256v1: "ES256",
  secp384r1: "ES384",
  secp521r1: "ES512",
  ed25519: "Ed25519"
}
