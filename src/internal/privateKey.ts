import { createPrivateKey, type KeyObject } from "node:crypto"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import type { JWK } from "jose"

/** A private key, and what a JWK says about its use. */
export interface PrivateKey {
  readonly key: KeyObject
  readonly algorithm: string | undefined
  readonly keyId: string | undefined
}

/**
 * Reads a private key from an unencrypted PEM (PKCS#8 or PKCS#1, with line breaks or literal `\n`), a JWK, or a JWK's
 * JSON text. The failure is empty on purpose: an error of the parsers may quote what they were given.
 */
export const parse = (secret: Redacted.Redacted<string | JWK>): Either.Either<PrivateKey, void> =>
  Either.try({ try: () => fromTextOrJwk(Redacted.value(secret)), catch: () => undefined })

const fromTextOrJwk = (key: string | JWK): PrivateKey => {
  if (typeof key !== "string") {
    return fromJwk(key)
  }
  const text = key.trim()
  return text.startsWith("{") ? fromJwk(JSON.parse(text)) : fromPem(text)
}

const fromJwk = (jwk: JWK): PrivateKey => ({
  key: createPrivateKey({ key: { ...jwk }, format: "jwk" }),
  algorithm: jwk.alg,
  keyId: jwk.kid
})

const fromPem = (pem: string): PrivateKey => ({
  // An env file keeps a PEM on one line.
  key: createPrivateKey(pem.replace(/(\\r)?\\n/g, "\n")),
  algorithm: undefined,
  keyId: undefined
})
