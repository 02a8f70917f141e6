import type { KeyObject } from "node:crypto"
import * as Either from "effect/Either"
import type * as Redacted from "effect/Redacted"
import type { JWK } from "jose"
import { IssueError } from "../../TokenError.js"
import * as Key from "../privateKey.js"

/**
 * An assertion signing key: a PEM (PKCS#8 or PKCS#1, with line breaks or literal `\n`), a JWK, or the JSON text of a JWK.
 * Members that only a JWK has, such as `kid` and `use`, are ignored.
 *
 * @since 0.1.0
 * @category models
 */
export type PrivateKey = string | JWK | Redacted.Redacted<string | JWK>

/** Reads an assertion signing key, and checks that LINE accepts keys of its kind: RSA of 2048 bits. */
export const parse = (privateKey: Redacted.Redacted<string | JWK>): Either.Either<KeyObject, IssueError> =>
  Either.flatMap(Either.mapLeft(Key.parse(privateKey), unreadable), ({ key }) => {
    // Any other kind of key signs without an error, and LINE then answers "invalid_client".
    const { asymmetricKeyType = "unknown", asymmetricKeyDetails } = key
    if (asymmetricKeyType !== "rsa") {
      return Either.left(refused(`the private key is of type ${asymmetricKeyType}, but LINE accepts only RSA`))
    }
    const bits = asymmetricKeyDetails?.modulusLength
    return bits === 2048
      ? Either.right(key)
      : Either.left(refused(`the private key has ${bits} bits, but LINE accepts only 2048`))
  })

/** The error for a key that cannot be read, or that cannot sign. */
export const unreadable = (): IssueError =>
  refused("the private key cannot be read: give an unencrypted private key as PEM (PKCS#8 or PKCS#1) or JWK")

const refused = (message: string) =>
  new IssueError({
    reason: "Rejected",
    permanent: true,
    message,
    advice: "Check LINE_PRIVATE_KEY: it is an RSA key of 2048 bits whose public half is registered in LINE's console."
  })
