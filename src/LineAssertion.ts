/**
 * The signed JWT with which a LINE channel proves who it is.
 *
 * @since 0.1.0
 */
import type { KeyObject } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { type JWK, SignJWT } from "jose"
import { isBlank, redacted } from "./internal/options.js"
import * as Key from "./internal/privateKey.js"
import { IssueError } from "./TokenError.js"

/**
 * An assertion signing key: PEM (PKCS#8 or PKCS#1, line breaks or literal `\n`), a JWK, or a JWK's JSON text. Members
 * that a JWK has on top, such as `kid` and `use`, are ignored.
 *
 * @since 0.1.0
 * @category models
 */
export type PrivateKey = string | JWK | Redacted.Redacted<string | JWK>

/**
 * @since 0.1.0
 * @category models
 */
export interface LineAssertionOptions {
  readonly channelId: string
  /** The `kid` that LINE's console gave when the public key was registered. */
  readonly keyId: string
  /** RSA, 2048 bits. */
  readonly privateKey: PrivateKey
  /**
   * How long LINE accepts the assertion: whole seconds, at most 30 minutes. Default: 5 minutes, which leaves room for a
   * clock that is wrong either way.
   */
  readonly expiresIn?: Duration.DurationInput | undefined
  /**
   * How long the v2.1 token to be issued lives: whole seconds, at most 30 days. Default: not said, which is for every
   * request but issuing a v2.1 token.
   */
  readonly tokenLifetime?: Duration.DurationInput | undefined
}

/**
 * Signs a client assertion (RS256). Its `exp` counts from Effect's `Clock`.
 *
 * Fails with a permanent `IssueError` of reason `Rejected` when LINE would refuse the assertion: an id that is empty, a
 * lifetime out of bounds, a key that cannot be read or is not RSA 2048. Its message holds nothing of the key.
 *
 * @example
 * ```ts
 * import { Effect, Redacted } from "effect"
 * import { LineAssertion } from "effect-token-cache"
 *
 * const program = Effect.gen(function* () {
 *   const assertion = yield* LineAssertion.sign({
 *     channelId: "1234567890",
 *     keyId: "9869e446-3489-4516-a83f-ec9214ad94d0",
 *     privateKey: process.env.LINE_PRIVATE_KEY ?? "",
 *     tokenLifetime: "30 days"
 *   })
 *   return Redacted.value(assertion)
 * })
 * ```
 *
 * @see LINE: Generate JSON Web Token
 * @since 0.1.0
 * @category constructors
 */
export const sign = (options: LineAssertionOptions): Effect.Effect<Redacted.Redacted<string>, IssueError> => {
  const { channelId, keyId, expiresIn = "5 minutes", tokenLifetime } = options
  const privateKey = redacted<string | JWK>(options.privateKey)
  return Effect.gen(function* () {
    yield* notEmpty("channelId", channelId, "Check LINE_CHANNEL_ID.")
    yield* notEmpty("keyId", keyId, "Check LINE_KEY_ID.")
    const lifetime = yield* wholeSeconds("expiresIn", expiresIn, Duration.minutes(30))
    const tokenExp =
      tokenLifetime === undefined ? undefined : yield* wholeSeconds("tokenLifetime", tokenLifetime, maxTokenLifetime)
    const key = yield* loadKey(privateKey)
    const now = yield* Clock.currentTimeMillis
    const jwt = new SignJWT({
      iss: channelId,
      sub: channelId,
      aud: "https://api.line.me/",
      exp: Math.floor(now / 1000) + lifetime,
      ...(tokenExp === undefined ? undefined : { token_exp: tokenExp })
    }).setProtectedHeader({ alg: "RS256", typ: "JWT", kid: keyId })
    const assertion = yield* Effect.tryPromise({ try: () => jwt.sign(key), catch: unreadable })
    return Redacted.make(assertion)
  })
}

/**
 * The longest life of a v2.1 token, and what `LineChannel.v21` asks for.
 *
 * @internal
 */
export const maxTokenLifetime = Duration.days(30)

/**
 * Reads a key and checks that it is one that LINE takes.
 *
 * @internal
 */
export const loadKey = (privateKey: Redacted.Redacted<string | JWK>): Either.Either<KeyObject, IssueError> =>
  Either.flatMap(Either.mapLeft(Key.parse(privateKey), unreadable), ({ key }) => {
    // node:crypto and OpenSSL sign with any of these keys without a word, and LINE then answers "invalid_client".
    const { asymmetricKeyType = "unknown", asymmetricKeyDetails } = key
    if (asymmetricKeyType !== "rsa") {
      return Either.left(refused(`the private key is of type ${asymmetricKeyType}, LINE takes RSA`, checkKey))
    }
    const bits = asymmetricKeyDetails?.modulusLength
    return bits === 2048
      ? Either.right(key)
      : Either.left(refused(`the private key has ${bits} bits, LINE takes 2048`, checkKey))
  })

const refused = (message: string, advice?: string) =>
  new IssueError({ reason: "Rejected", permanent: true, message, advice })

const checkKey =
  "Check LINE_PRIVATE_KEY: it is an RSA key of 2048 bits whose public half is registered in LINE's console."

const unreadable = () =>
  refused("the private key cannot be read: give an unencrypted private key as PEM (PKCS#8 or PKCS#1) or JWK", checkKey)

const notEmpty = (option: string, value: string, advice: string): Either.Either<void, IssueError> =>
  isBlank(value)
    ? Either.left(refused(`${option} must be a string that is not empty`, advice))
    : Either.right(undefined)

const wholeSeconds = (
  option: string,
  value: Duration.DurationInput,
  max: Duration.Duration
): Either.Either<number, IssueError> => {
  const seconds = Option.match(Duration.decodeUnknown(value), {
    onNone: () => Number.NaN,
    onSome: (duration) => Math.floor(Duration.toSeconds(duration))
  })
  return seconds >= 1 && seconds <= Duration.toSeconds(max)
    ? Either.right(seconds)
    : Either.left(refused(`${option} must be from 1 second to ${Duration.toSeconds(max)} seconds, LINE's maximum`))
}
