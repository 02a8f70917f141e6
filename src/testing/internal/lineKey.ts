import { createPublicKey, type KeyObject } from "node:crypto"
import * as Data from "effect/Data"
import * as Either from "effect/Either"

/**
 * The public half of an assertion signing key, as it is registered in the LINE Developers Console. The JWK types of jose,
 * Node.js and the DOM are assignable to it.
 *
 * @see LINE: Issue channel access token v2.1
 *
 * @since 0.1.0
 * @category models
 */
export interface LinePublicJwk {
  /** The key type: `"RSA"`. */
  readonly kty?: unknown
  /** The algorithm: `"RS256"`. */
  readonly alg?: unknown
  /** What the key is for: `"sig"`, unless `key_ops` says so. */
  readonly use?: unknown
  /** The operations that the key is for: `["verify"]`, unless `use` says so. */
  readonly key_ops?: unknown
  /** The modulus, of 2048 bits, in base64url. */
  readonly n?: unknown
  /** The public exponent, in base64url. */
  readonly e?: unknown
}

/**
 * Why the LINE Developers Console would not register a key:
 *
 * - `kid`: the key has a key ID of its own, but LINE assigns one
 * - `kty`: the key is not an RSA key
 * - `private`: the key has private members
 * - `alg`: the key is not for RS256
 * - `use`: the key has neither `use: "sig"` nor `key_ops: ["verify"]`
 * - `malformed`: `n` and `e` do not make a public key
 * - `modulus`: the key does not have 2048 bits
 *
 * @since 0.1.0
 * @category errors
 */
export type LineKeyRule = "kid" | "kty" | "private" | "alg" | "use" | "malformed" | "modulus"

/**
 * The LINE Developers Console would not register a key.
 *
 * @since 0.1.0
 * @category errors
 */
export class LineKeyRejected extends Data.TaggedError("LineKeyRejected")<{
  /** The rule that the key breaks. */
  readonly rule: LineKeyRule
  /** What is wrong with the key, in a sentence. */
  readonly message: string
}> {}

/** Checks a key against the rules of the LINE Developers Console (LINE, "Issue channel access token v2.1"). */
export const fromJwk = (publicJwk: LinePublicJwk): Either.Either<KeyObject, LineKeyRejected> => {
  const jwk: Readonly<Record<string, unknown>> = { ...publicJwk }
  if (jwk.kid !== undefined) {
    return rejected("kid", "it must not have a kid: LINE assigns one")
  }
  if (jwk.kty !== "RSA") {
    return rejected("kty", 'kty must be "RSA"')
  }
  if (privateMembers.some((member) => jwk[member] !== undefined)) {
    return rejected("private", `it must be the public key, without ${privateMembers.join(", ")}`)
  }
  if (jwk.alg !== "RS256") {
    return rejected("alg", 'alg must be "RS256"')
  }
  if (jwk.use !== "sig" && !isVerifyOnly(jwk.key_ops)) {
    return rejected("use", 'it needs use: "sig" or key_ops: ["verify"]')
  }
  const key = toPublicKey(jwk)
  if (key === undefined) {
    return rejected("malformed", "n and e do not make an RSA public key")
  }
  return key.asymmetricKeyDetails?.modulusLength === 2048
    ? Either.right(key)
    : rejected("modulus", "the modulus must have 2048 bits")
}

const privateMembers = ["d", "p", "q", "dp", "dq", "qi", "oth"]

const isVerifyOnly = (keyOps: unknown): boolean =>
  Array.isArray(keyOps) && keyOps.length === 1 && keyOps[0] === "verify"

const toPublicKey = ({ n, e }: Readonly<Record<string, unknown>>): KeyObject | undefined => {
  if (typeof n !== "string" || typeof e !== "string") {
    return undefined
  }
  try {
    return createPublicKey({ key: { kty: "RSA", n, e }, format: "jwk" })
  } catch {
    return undefined
  }
}

const rejected = (rule: LineKeyRule, reason: string) =>
  Either.left(new LineKeyRejected({ rule, message: `LINE does not register this key: ${reason}` }))
