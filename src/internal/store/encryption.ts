import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto"
import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { InvalidOptions } from "../../TokenError.js"
import { checkKeys, type EncryptionKey, keyBytes } from "./encryptionKey.js"

/** Turns texts into values for a store and back. Each value is bound to its place in the store. */
export interface Cipher {
  readonly encrypt: (text: string, place: string) => string
  /** Gives `none` for a value that none of the keys has encrypted, and for one that was encrypted for another place. */
  readonly decrypt: (value: string, place: string) => Option.Option<string>
}

/** A cipher that leaves values as they are, for a store that nobody else can read. */
export const none: Cipher = {
  encrypt: (text) => text,
  decrypt: (value) => Option.some(value)
}

/** A cipher that uses AES-256-GCM. The first key encrypts, all keys decrypt. */
export const make = (keys: ReadonlyArray<EncryptionKey>): Effect.Effect<Cipher, InvalidOptions> =>
  Effect.mapBoth(checkKeys(keys), {
    onFailure: (message) => new InvalidOptions({ option: "encryption", message }),
    onSuccess: cipherOf
  })

const cipherOf = (keys: Arr.NonEmptyReadonlyArray<EncryptionKey>): Cipher => {
  const [first] = keys
  const secrets = new Map(keys.map(({ id, key }) => [id, keyBytes(key)]))
  return {
    encrypt: (text, place) => {
      const iv = randomBytes(ivLength)
      const cipher = createCipheriv(algorithm, keyBytes(first.key), iv).setAAD(additionalData(first.id, place))
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
  }
}

const open = Option.liftThrowable(
  (box: { readonly key: Buffer; readonly iv: Buffer; readonly sealed: Buffer; readonly additionalData: Buffer }) => {
    const decipher = createDecipheriv(algorithm, box.key, box.iv, { authTagLength: tagLength })
      .setAAD(box.additionalData)
      .setAuthTag(box.sealed.subarray(-tagLength))
    return decipher.update(box.sealed.subarray(0, -tagLength), undefined, "utf8") + decipher.final("utf8")
  }
)

/** It changes with what a value is bound to, and with how keys are named. */
const version = "v2"

const algorithm = "aes-256-gcm"

const ivLength = 12

const tagLength = 16

const additionalData = (id: string, place: string): Buffer => Buffer.from([version, id, place].join(":"))

const toText = (bytes: Buffer): string => bytes.toString("base64url")

const fromText = (text: string): Buffer => Buffer.from(text, "base64url")
