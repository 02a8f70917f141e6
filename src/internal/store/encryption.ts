import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { InvalidOptions } from "../../TokenError.js"
import type { EncryptionKey } from "../../TokenStore.js"

export interface Cipher {
  readonly encrypt: (text: string, place: string) => string
  /** `none` for what was not written with one of the keys, or for another place. */
  readonly decrypt: (value: string, place: string) => Option.Option<string>
}

const version = "v1"

const algorithm = "aes-256-gcm"

const ivLength = 12

const tagLength = 16

/** AES-256-GCM. The first key encrypts, all decrypt. */
export const make = (keys: ReadonlyArray<EncryptionKey>): Effect.Effect<Cipher, InvalidOptions> => {
  const [first] = keys
  const invalid = invalidKeys(keys)
  if (first === undefined || invalid !== undefined) {
    return Effect.fail(new InvalidOptions({ option: "encryption", message: invalid ?? noKey }))
  }
  const secrets = new Map(keys.map(({ id, key }) => [id, toBytes(key)]))
  return Effect.succeed({
    encrypt: (text, place) => {
      const iv = randomBytes(ivLength)
      const cipher = createCipheriv(algorithm, toBytes(first.key), iv).setAAD(additionalData(first.id, place))
      const sealed = Buffer.concat([cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()])
      return [version, first.id, toText(iv), toText(sealed)].join(".")
    },
    decrypt: (value, place) => {
      const [writtenBy, id = "", iv = "", sealed = ""] = value.split(".")
      const key = secrets.get(id)
      return writtenBy !== version || key === undefined
        ? Option.none()
        : open({ key, iv: fromText(iv), sealed: fromText(sealed), additionalData: additionalData(id, place) })
    }
  })
}

const open = Option.liftThrowable(
  (box: { readonly key: Buffer; readonly iv: Buffer; readonly sealed: Buffer; readonly additionalData: Buffer }) => {
    const decipher = createDecipheriv(algorithm, box.key, box.iv, { authTagLength: tagLength })
      .setAAD(box.additionalData)
      .setAuthTag(box.sealed.subarray(-tagLength))
    return decipher.update(box.sealed.subarray(0, -tagLength), undefined, "utf8") + decipher.final("utf8")
  }
)

/** Values as they are, for a store that nobody else can read. */
export const none: Cipher = {
  encrypt: (text) => text,
  decrypt: (value) => Option.some(value)
}

const noKey = 'there has to be a key, or encryption: "none" written out'

/** What is wrong with the keys, if anything is. */
export const invalidKeys = (keys: ReadonlyArray<EncryptionKey>): string | undefined => {
  if (keys.length === 0) {
    return noKey
  }
  if (keys.some(({ id }) => !/^[\w-]{1,32}$/.test(id)) || new Set(keys.map(({ id }) => id)).size < keys.length) {
    return "each key has an id of its own, of up to 32 letters, digits, - and _"
  }
  // By its number: what stands where the id should may be a key.
  const unfit = keys.findIndex(({ key }) => toBytes(key).length !== 32) + 1
  return unfit === 0 ? undefined : `key ${unfit} is not 32 bytes in base64, as openssl rand -base64 32 makes them`
}

const toText = (bytes: Buffer): string => bytes.toString("base64url")

const fromText = (text: string): Buffer => Buffer.from(text, "base64url")

const toBytes = (key: Redacted.Redacted<string>): Buffer => Buffer.from(Redacted.value(key), "base64")

const additionalData = (id: string, place: string): Buffer => Buffer.from([version, id, place].join(":"))
