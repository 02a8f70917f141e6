import { createHash } from "node:crypto"

/** A hash that tells lists of texts apart without revealing them. */
export const hash = (texts: ReadonlyArray<string>): string =>
  createHash("sha256").update(JSON.stringify(texts)).digest("base64url")
