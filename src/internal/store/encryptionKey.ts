import * as Arr from "effect/Array"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"

/**
 * A key that a store encrypts its values with.
 *
 * @since 0.1.0
 * @category models
 */
export interface EncryptionKey {
  /**
   * The name of the key: up to 32 letters, digits, `-` and `_`. It is stored in clear beside each value that the key
   * encrypts, so it must not be a secret.
   */
  readonly id: string
  /** The key itself: 32 bytes in base64, such as `openssl rand -base64 32` prints. */
  readonly key: Redacted.Redacted<string>
}

/**
 * Reads encryption keys from the variable `TOKEN_STORE_KEYS`, such as `2026b:<base64>,2026a:<base64>`. Each key is an id
 * and 32 bytes in base64. The first key encrypts, all keys decrypt.
 *
 * @since 0.1.0
 * @category config
 */
export const keysFromConfig: Config.Config<ReadonlyArray<EncryptionKey>> = Config.redacted("TOKEN_STORE_KEYS").pipe(
  Config.mapOrFail((text) => {
    const keys = Redacted.value(text)
      .split(",")
      .map((pair) => {
        const [id = "", ...key] = pair.trim().split(":")
        return { id, key: Redacted.make(key.join(":")) }
      })
    return Either.mapLeft(checkKeys(keys), (invalid) =>
      ConfigError.InvalidData(["TOKEN_STORE_KEYS"], `${invalid}, as in id:key,id:key`)
    )
  })
)

/** Gives the keys back if they can be used, or else says what is wrong with them, without quoting a key. */
export const checkKeys = (
  keys: ReadonlyArray<EncryptionKey>
): Either.Either<Arr.NonEmptyReadonlyArray<EncryptionKey>, string> => {
  if (!Arr.isNonEmptyReadonlyArray(keys)) {
    return Either.left('encryption must have at least one key; "none" stores values unencrypted')
  }
  if (keys.some(({ id }) => !/^[\w-]{1,32}$/.test(id)) || new Set(keys.map(({ id }) => id)).size < keys.length) {
    return Either.left("each key must have its own id of up to 32 letters, digits, - and _")
  }
  // The message names the key by its number: what stands where the id should be may be the key itself.
  const malformed = keys.findIndex(({ key }) => !isBase64Of32Bytes(Redacted.value(key))) + 1
  if (malformed > 0) {
    return Either.left(`key ${malformed} must be 32 bytes in base64, such as openssl rand -base64 32 prints`)
  }
  const uniform = keys.findIndex(({ key }) => new Set(keyBytes(key)).size === 1) + 1
  return uniform === 0
    ? Either.right(keys)
    : Either.left(`key ${uniform} is not random: take what openssl rand -base64 32 prints`)
}

/** Whether a text is base64 as RFC 4648 section 4 writes 32 bytes: Node's decoder leaves out what it does not know. */
const isBase64Of32Bytes = (text: string): boolean =>
  /^[A-Za-z0-9+/]{43}=$/.test(text) && Buffer.from(text, "base64").toString("base64") === text

/** The bytes of a key that is written in base64. */
export const keyBytes = (key: Redacted.Redacted<string>): Buffer => Buffer.from(Redacted.value(key), "base64")
