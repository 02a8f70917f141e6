import { createHmac, hkdfSync } from "node:crypto"
import { hash } from "../hash.js"
import { type EncryptionKey, keyBytes } from "./encryptionKey.js"

/** Turns texts that tell tokens apart into a name that reveals nothing of them. */
export type KeyNames = (texts: ReadonlyArray<string>) => string

/**
 * Makes names that only those who have the encryption keys can compute: a plain hash of a channel id of 10 digits is
 * found in hours by trying all of them. Without encryption there is no key, and the names are plain hashes.
 *
 * The key of the names is derived from the one encryption key whose id comes first in alphabetical order. So it stays the
 * same while a new key, with a later id, is added and then put first.
 */
export const make = (encryption: ReadonlyArray<EncryptionKey> | "none"): KeyNames => {
  const [first] = encryption === "none" ? [] : encryption.toSorted((one, other) => (one.id < other.id ? -1 : 1))
  if (first === undefined) {
    return hash
  }
  const secret = Buffer.from(hkdfSync("sha256", keyBytes(first.key), "", "effect-token-cache key names", 32))
  return (texts) => createHmac("sha256", secret).update(JSON.stringify(texts)).digest("base64url")
}
