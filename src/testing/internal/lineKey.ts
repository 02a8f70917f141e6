import { createPublicKey, type KeyObject } from "node:crypto"
import * as Data from "effect/Data"
import * as Either from "effect/Either"

/**
 * The public half of an assertion signing key, as it is pasted into LINE's console. Any JWK type fits: jose's, Node's,
 * the DOM's.
 *
 * @since 0.1.0
 * @category models
 */
export interface LinePublicJwk {
  readonly kty?: unknown
  readonly alg?: unknown
  readonly use?: unknown
  readonly key_ops?: unknown
  readonly n?: unknown
  readonly e?: unknown
}

/**
 * What is wrong with a key that LINE's console would not register:
 *
 * - `kid`: it names its own key id, which LINE assigns
 * - `kty`: it is not an RSA key
 * - `private`: it holds private members
 * - `alg`: it is not for RS256
 * - `use`: it has neither `use: "sig"` nor `key_ops: ["verify"]`
 * - `malformed`: `n` and `e` are no public key
 * - `modulus`: it is not a 2048 bit key
 *
 * @since 0.1.0
 * @category errors
 */
export type LineKeyRule = "kid" | "kty" | "private" | "alg" | "use" | "malformed" | "modulus"

/**
 * LINE's console would not register the key.
 *
 * @since 0.1.0
 * @category errors
 */
export class LineKeyRejected extends Data.TaggedError("LineKeyRejected")<{
  readonly rule: LineKeyRule
  readonly message: string
}> {}

/**
 * Checks a key against the rules of LINE's console (LINE, "Issue channel access token v2.1").
 */
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
    return rejected("malformed", "n and e are no RSA public key")
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
