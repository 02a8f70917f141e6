import * as Clock from "effect/Clock"
import type * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import { InvalidOptions } from "../../TokenError.js"
import { invalidDuration } from "../options.js"
import { type Backend, type Change, isGeneration, type Key, type StoreError } from "./backend.js"
import * as Encryption from "./encryption.js"
import { type EncryptionKey, keysFromConfig } from "./encryptionKey.js"
import * as KeyNames from "./keyNames.js"
import * as Lease from "./lease.js"
import * as StoredToken from "./storedToken.js"

/**
 * The options that every store has.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenStoreOptions {
  /**
   * The keys that encrypt the stored values, by AES-256-GCM. The first key encrypts, all keys decrypt, and the one whose
   * id comes first in alphabetical order makes the names in the storage. With `"none"`, whoever can read the storage can
   * read the tokens, and whoever can write there decides which tokens are used. Default: the keys in the variable
   * `TOKEN_STORE_KEYS`, which `TokenStore.keysFromConfig` reads.
   */
  readonly encryption?: ReadonlyArray<EncryptionKey> | "none" | undefined
  /**
   * How long the other processes wait for a process that issues a token once they hear nothing more from it. While it
   * issues, it renews its lease every third of this time. A process that gets neither the lease nor a token for twice
   * this time issues its own. All processes need the same value: a lease that runs for longer is taken from its holder.
   * At least 1 second. Default: 10 seconds.
   */
  readonly leaseTimeToLive?: Duration.DurationInput | undefined
}

/**
 * What the `TokenStore` tag stands for: a {@link Backend} that keeps tokens instead of opaque texts.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenStoreService {
  /** How long a lease runs from when it is acquired or renewed. */
  readonly leaseTimeToLive: Duration.Duration
  /**
   * Computes the key of a token from the texts that tell it apart. Tokens with the same `client` belong to one group, and
   * are issued under one lease. Tokens that also have the same `request` are one token.
   */
  readonly keyOf: (token: {
    /** Whom the token is issued to, such as its name, its issuer and the client. */
    readonly client: ReadonlyArray<string>
    /** What is asked for, such as the scope. */
    readonly request: ReadonlyArray<string>
  }) => Key
  /**
   * Reads the token under a key, and the number of its generation. A value that cannot be decrypted is not an error:
   * the result is then marked as `unreadable`.
   */
  readonly read: (key: Key) => Effect.Effect<StoredToken.Stored, StoreError>
  /**
   * Acquires the lease of a group. The result is `none` while another process, or another attempt of this one, holds it.
   * The lease is not released by itself: release it, or let it run out.
   */
  readonly acquire: (group: string) => Effect.Effect<Option.Option<Lease.Lease>, StoreError>
  /** Removes the token under a key if it is of this generation, and otherwise does nothing. */
  readonly remove: (key: Key, generation: number) => Effect.Effect<void, StoreError>
  /** Reports what any process writes, from the moment of the subscription. It may miss changes while the storage fails. */
  readonly changes: Stream.Stream<Change>
}

/**
 * Makes a store on top of a backend, without a layer. It fails with `InvalidOptions` if an option cannot work, and with a
 * `ConfigError` if `encryption` is left out and `TOKEN_STORE_KEYS` is missing or unusable.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  backend: Backend,
  options: TokenStoreOptions = {}
): Effect.Effect<TokenStoreService, ConfigError.ConfigError | InvalidOptions> =>
  Effect.gen(function* () {
    const leaseTimeToLive = yield* checkLeaseTimeToLive(options.leaseTimeToLive ?? "10 seconds")
    const encryption = options.encryption ?? (yield* keysFromConfig)
    const cipher = encryption === "none" ? Encryption.none : yield* Encryption.make(encryption)
    const nameOf = KeyNames.make(encryption)
    const timeToLive = Math.ceil(Duration.toMillis(leaseTimeToLive))
    return {
      leaseTimeToLive,
      keyOf: ({ client, request }) => {
        const group = nameOf(client)
        return { group, id: nameOf([group, ...request]) }
      },
      read: (key) => read(backend, cipher, key),
      acquire: (group) => acquire(backend, cipher, group, timeToLive),
      remove: backend.remove,
      changes: backend.changes
    }
  })

const checkLeaseTimeToLive = (input: Duration.DurationInput): Either.Either<Duration.Duration, InvalidOptions> => {
  const invalid = invalidDuration("leaseTimeToLive", input)
  if (invalid !== undefined) {
    return Either.left(invalid)
  }
  const leaseTimeToLive = Duration.decode(input)
  return Duration.greaterThanOrEqualTo(leaseTimeToLive, "1 second")
    ? Either.right(leaseTimeToLive)
    : Either.left(
        new InvalidOptions({
          option: "leaseTimeToLive",
          message: `leaseTimeToLive must be at least 1 second, not ${Duration.format(leaseTimeToLive)}`
        })
      )
}

const read = (backend: Backend, cipher: Encryption.Cipher, key: Key): Effect.Effect<StoredToken.Stored, StoreError> =>
  Effect.gen(function* () {
    const before = yield* Clock.currentTimeMillis
    const found = Option.filter(yield* backend.read(key), ({ generation }) => isGeneration(generation))
    if (Option.isNone(found)) {
      return { generation: 0 }
    }
    const { generation, timeToLive, value } = found.value
    if (value === "") {
      return { generation }
    }
    const place = StoredToken.placeOf(backend.namespace ?? "", key, generation)
    const token = Option.flatMap(cipher.decrypt(value, place), StoredToken.decode)
    return Option.isNone(token)
      ? { generation, unreadable: true }
      : // The clock of the process that wrote it may be ahead of this one, and the store may have begun to count late.
        { generation, token: { ...token.value, expiresAt: Math.min(token.value.expiresAt, before + timeToLive) } }
  })

const acquire = (
  backend: Backend,
  cipher: Encryption.Cipher,
  group: string,
  timeToLive: number
): Effect.Effect<Option.Option<Lease.Lease>, StoreError> =>
  Effect.suspend(() => {
    const owner = crypto.randomUUID()
    const lease = Lease.make(backend, cipher, { group, owner, timeToLive })
    return backend.acquire(group, owner, timeToLive).pipe(
      // The backend may have given the lease without being able to say so.
      Effect.onError(() => Effect.ignore(lease.release)),
      Effect.map((acquired) => (acquired ? Option.some(lease) : Option.none()))
    )
  })
