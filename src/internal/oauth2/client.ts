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
import { type AuthMethod, bySecret, isSecretMethod, methodFor, type SecretMethod, secretMethods } from "./authMethod.js"
import type { Server } from "./server.js"

/**
 * A client that proves who it is with a secret.
 *
 * @see RFC 6749 section 2.3.1
 * @since 0.1.0
 * @category models
 */
export interface SecretClient {
  /** The client identifier that the server assigned (RFC 6749 section 2.2). */
  readonly clientId: string
  /** The client secret. */
  readonly clientSecret: string | Redacted.Redacted<string>
  /**
   * Where the secret is sent. Default: what the metadata of the server says, if it was discovered, and otherwise
   * `client_secret_basic`.
   */
  readonly authMethod?: SecretMethod | undefined
}

/**
 * A client that proves who it is with an assertion, which it signs with its private key. Each attempt signs its own, with a
 * `jti` of its own. The audience is the issuer identifier alone, and the assertion is valid for a minute by Effect's
 * `Clock`.
 *
 * @see RFC 7523 section 2.2
 * @since 0.1.0
 * @category models
 */
export interface KeyClient {
  /** The client identifier that the server assigned (RFC 6749 section 2.2). */
  readonly clientId: string
  /**
   * An RSA, EC or Ed25519 key: an unencrypted PEM (with line breaks or literal `\n`), a JWK, or the JSON text of a JWK.
   */
  readonly privateKey: string | JWK | Redacted.Redacted<string | JWK>
  /** The `kid` by which the server knows the public key. Default: the `kid` of the JWK, if it has one. */
  readonly keyId?: string | undefined
  /**
   * The signing algorithm (RFC 7518 section 3.1). Default: the `alg` of the JWK, or the one that fits the key: RS256,
   * ES256, ES384, ES512 or Ed25519.
   */
  readonly algorithm?: string | undefined
  /** How the client authenticates. Default: `private_key_jwt`, which is the only way with a private key. */
  readonly authMethod?: "private_key_jwt" | undefined
}

/**
 * A client that sends no secret: a native app, one whose grant says who asks, or one that the server knows by the
 * certificate of its connection.
 *
 * @see RFC 6749 section 2.1
 * @since 0.1.0
 * @category models
 */
export interface PublicClient {
  /**
   * The client identifier that the server assigned (RFC 6749 section 2.2). Default: none is sent, for a grant whose
   * assertion says who asks (RFC 7521 section 4.1).
   */
  readonly clientId?: string | undefined
  /**
   * Says how the server knows the client: not at all (`none`), or by the certificate that the `HttpClient` in the
   * context presents (`tls_client_auth`, RFC 8705 section 2.1).
   */
  readonly authMethod: "none" | "tls_client_auth"
}

/**
 * How a client proves to an authorization server who it is: with a secret, with a private key, or not at all.
 *
 * @see RFC 6749 section 2.3
 * @since 0.1.0
 * @category models
 */
export type Client = SecretClient | KeyClient | PublicClient

/** What the protocol library needs to authenticate a client. */
export interface Authenticated {
  readonly client: oauth.Client
  readonly authenticate: oauth.ClientAuth
  readonly method: AuthMethod
}

/** Authenticates a client at a server. Each attempt does so anew. */
export type Authentication = (server: Server) => Effect.Effect<Authenticated>

/** Makes the authentication of a client, and fails if its options cannot work. */
export const make = (options: Client): Effect.Effect<Authentication, InvalidOptions> => {
  if (sendsNoSecret(options)) {
    return anonymous(options)
  }
  const client = { client_id: options.clientId }
  if (isBlank(options.clientId)) {
    return Effect.fail(invalid("clientId", "clientId must be a string that is not empty"))
  }
  if ("privateKey" in options) {
    return Effect.map(
      loadKey(options),
      (key) => () =>
        Effect.map(Clock.currentTimeMillis, (now) => ({
          client,
          authenticate: byAssertion(key, Math.floor(now / 1000)),
          method: "private_key_jwt"
        }))
    )
  }
  const clientSecret = redacted(options.clientSecret)
  if (isBlank(Redacted.value(clientSecret))) {
    return Effect.fail(invalid("clientSecret", "clientSecret must be a string that is not empty"))
  }
  const { authMethod } = options
  if (authMethod !== undefined && !isSecretMethod(authMethod)) {
    return Effect.fail(
      invalid("authMethod", `authMethod must be one of ${secretMethods.join(", ")} with a clientSecret`)
    )
  }
  return Effect.succeed((server) =>
    Effect.sync(() => {
      const method = authMethod ?? methodFor(server)
      return { client, authenticate: bySecret(method, Redacted.value(clientSecret)), method }
    })
  )
}

const sendsNoSecret = (options: Client): options is PublicClient =>
  options.authMethod === "none" || options.authMethod === "tls_client_auth"

const invalid = (option: string, message: string) => new InvalidOptions({ option, message })

const anonymous = ({ authMethod: method, clientId }: PublicClient): Effect.Effect<Authentication, InvalidOptions> => {
  if (!isBlank(clientId)) {
    return Effect.succeed(() =>
      Effect.succeed({ client: { client_id: clientId ?? "" }, authenticate: oauth.None(), method })
    )
  }
  return method === "tls_client_auth"
    ? Effect.fail(invalid("clientId", "clientId must be a string that is not empty"))
    : // The library requires an id, but only the authentication sends it.
      Effect.succeed(() => Effect.succeed({ client: { client_id: "none" }, authenticate: () => {}, method }))
}

/** Takes the times from Effect's clock: the library's own are those of the machine's clock. */
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

// An error of the parsers may quote the key.
const unreadable = () =>
  invalid(
    "privateKey",
    "the private key cannot be read, or does not fit its algorithm: give an unencrypted private key as PEM or JWK"
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
