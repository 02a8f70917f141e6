/**
 * Client assertions: signed JWTs with which a LINE channel proves who it is, in place of its secret.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { type JWK, SignJWT } from "jose"
import { maxTokenLifetime } from "./internal/line/api.js"
import * as SigningKey from "./internal/line/signingKey.js"
import { isBlank, redacted } from "./internal/options.js"
import { IssueError } from "./TokenError.js"

export type { PrivateKey } from "./internal/line/signingKey.js"

/**
 * What an assertion says, and the key that it is signed with.
 *
 * @since 0.1.0
 * @category models
 */
export interface LineAssertionOptions {
  /** The channel ID, from the channel's page in the LINE Developers Console: the claims `iss` and `sub`. */
  readonly channelId: string
  /** The `kid` that the LINE Developers Console assigned when the public key was registered there. */
  readonly keyId: string
  /** The assertion signing key: an RSA key of 2048 bits, as PEM or JWK. */
  readonly privateKey: SigningKey.PrivateKey
  /**
   * How long LINE accepts the assertion: whole seconds, at most 30 minutes. Default: 5 minutes, which leaves room for a
   * clock that is fast or slow.
   */
  readonly expiresIn?: Duration.DurationInput | undefined
  /**
   * The lifetime of the v2.1 token that is requested with the assertion, as the claim `token_exp`: whole seconds, at most
   * 30 days. Required for that request, and for no other. Default: none.
   */
  readonly tokenLifetime?: Duration.DurationInput | undefined
}

/**
 * Signs a client assertion with RS256. It is valid from the time of Effect's `Clock` for as long as `expiresIn` says.
 *
 * Fails with a permanent `IssueError` of reason `Rejected` if LINE would refuse the assertion: if an ID is empty, a
 * lifetime is out of bounds, or the key cannot be read or is not an RSA key of 2048 bits. The error's message contains
 * nothing of the key.
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
    const key = yield* SigningKey.parse(privateKey)
    const now = yield* Clock.currentTimeMillis
    const jwt = new SignJWT({
      iss: channelId,
      sub: channelId,
      aud: "https://api.line.me/",
      exp: Math.floor(now / 1000) + lifetime,
      ...(tokenExp === undefined ? undefined : { token_exp: tokenExp })
    }).setProtectedHeader({ alg: "RS256", typ: "JWT", kid: keyId })
    const assertion = yield* Effect.tryPromise({ try: () => jwt.sign(key), catch: SigningKey.unreadable })
    return Redacted.make(assertion)
  })
}

const refused = (message: string, advice?: string) =>
  new IssueError({ reason: "Rejected", permanent: true, message, advice })

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
    : Either.left(
        refused(`${option} must be at least 1 second and at most ${Duration.toSeconds(max)}, which is LINE's maximum`)
      )
}
