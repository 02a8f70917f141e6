/**
 * Tokens that several processes share, or that outlive a restart.
 *
 * @since 0.1.0
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import { hash } from "./internal/hash.js"
import { invalidDuration } from "./internal/options.js"
import { type Backend, type Change, type Key, StoreError } from "./internal/store/backend.js"
import * as Encryption from "./internal/store/encryption.js"
import * as File from "./internal/store/fileBackend.js"
import { InvalidOptions } from "./TokenError.js"

export { type Backend, type BackendValue, type Change, type Key, StoreError } from "./internal/store/backend.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface EncryptionKey {
  /** Stands before each value that the key encrypts: up to 32 letters, digits, `-` and `_`. */
  readonly id: string
  /** 32 bytes in base64, as `openssl rand -base64 32` makes them. */
  readonly key: Redacted.Redacted<string>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface TokenStoreOptions {
  /**
   * The keys that values are encrypted with, by AES-256-GCM: the first encrypts, all decrypt. `"none"` leaves the values
   * readable for whoever can read the store. Default: {@link keysFromConfig}.
   */
  readonly encryption?: ReadonlyArray<EncryptionKey> | "none" | undefined
  /**
   * How long a process that issues a token is waited for if nothing more is heard of it. It renews its lease three times
   * as often. At least a second; default: 10 seconds.
   */
  readonly leaseTimeToLive?: Duration.DurationInput | undefined
}

/**
 * A token in the store. Instants are epoch milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface StoredToken {
  readonly accessToken: Redacted.Redacted<string>
  readonly issuedAt: number
  readonly expiresAt: number
  readonly keyId?: string | undefined
  readonly scope?: string | undefined
}

/**
 * What is under a key: how many tokens have been written there, and the last one unless it was removed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Stored {
  readonly generation: number
  readonly token?: StoredToken | undefined
  /** There is a value, but none of the keys decrypts it, or it is no token. */
  readonly unreadable?: true | undefined
}

/**
 * The right to issue the tokens of a group, until it is released or has run out.
 *
 * @since 0.1.0
 * @category models
 */
export interface Lease {
  /** `false` if the lease is no longer held, or a token of this generation or a later one is there. */
  readonly write: (key: Key, generation: number, token: StoredToken) => Effect.Effect<boolean, StoreError>
  /** `false` if the lease is no longer held. */
  readonly renew: Effect.Effect<boolean, StoreError>
  readonly release: Effect.Effect<void, StoreError>
  /** One that cannot be decrypted is an error: whoever has its key goes on using it. */
  readonly readSecret: Effect.Effect<Option.Option<Redacted.Redacted<string>>, StoreError>
  /** `false` if the lease is no longer held. */
  readonly writeSecret: (secret: Redacted.Redacted<string>) => Effect.Effect<boolean, StoreError>
}

/**
 * What the `TokenStore` tag stands for: a {@link Backend} with tokens in place of opaque values.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenStoreService {
  readonly leaseTimeToLive: Duration.Duration
  /** The key of a token by what it depends on: those of the same `client` are issued under one lease. */
  readonly keyOf: (token: { readonly client: ReadonlyArray<string>; readonly request: ReadonlyArray<string> }) => Key
  readonly read: (key: Key) => Effect.Effect<Stored, StoreError>
  /** `none` if somebody else holds it. */
  readonly acquire: (group: string) => Effect.Effect<Option.Option<Lease>, StoreError>
  readonly remove: (key: Key, generation: number) => Effect.Effect<void, StoreError>
  readonly changes: Stream.Stream<Change>
}

/**
 * An optional service of `TokenCache`. With it in the context of the layer, an attempt takes over a newer token of
 * another process, or issues one under a lease and stores it for the others. Without it, and while it fails, each process
 * issues its own. Tokens are shared whose source has an `identity`, as all sources of this library have.
 *
 * @example
 * ```ts
 * import { NodeContext } from "@effect/platform-node"
 * import { Layer } from "effect"
 * import { LineChannel, TokenCache, TokenStore } from "effect-token-cache"
 *
 * // TOKEN_STORE_KEYS has the encryption keys.
 * const Store = TokenStore.layerFile({ directory: "./tokens" })
 *
 * const Tokens = TokenCache.layer({ line: LineChannel.v21FromConfig }).pipe(
 *   Layer.provide(Store),
 *   Layer.provide(NodeContext.layer)
 * )
 * ```
 *
 * @since 0.1.0
 * @category tags
 */
export class TokenStore extends /* @__PURE__ */ Context.Tag("effect-token-cache/TokenStore")<
  TokenStore,
  TokenStoreService
>() {}

/**
 * The lease that an attempt of a shared token issues under, or `none` while the store fails. An `issue` effect finds it in
 * its context, and can keep a secret there that each use replaces, such as a refresh token.
 *
 * @since 0.1.0
 * @category tags
 */
export class CurrentLease extends /* @__PURE__ */ Context.Tag("effect-token-cache/TokenStore/CurrentLease")<
  CurrentLease,
  Option.Option<Lease>
>() {}

/**
 * A store with a backend of one's own making.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  backend: Backend,
  options: TokenStoreOptions = {}
): Layer.Layer<TokenStore, ConfigError.ConfigError | InvalidOptions> => Layer.effect(TokenStore, make(backend, options))

/**
 * Keeps tokens in files, readable for their owner alone: for a process that is started anew, and for several on one
 * machine. The directory is made where it does not exist; it has to be on a local disk. A write replaces a file as a
 * whole.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFile = (
  options: TokenStoreOptions & { readonly directory: string }
): Layer.Layer<TokenStore, ConfigError.ConfigError | InvalidOptions | StoreError, FileSystem.FileSystem | Path.Path> =>
  Layer.scoped(
    TokenStore,
    Effect.flatMap(File.make(options.directory), (backend) => make(backend, options))
  )

/**
 * The encryption keys in `TOKEN_STORE_KEYS`, such as `2026b:<base64>,2026a:<base64>`: the id and the 32 bytes of each, the
 * one that encrypts first.
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
    const invalid = Encryption.invalidKeys(keys)
    return invalid === undefined
      ? Either.right(keys)
      : Either.left(ConfigError.InvalidData(["TOKEN_STORE_KEYS"], `${invalid}, as in id:key,id:key`))
  })
)

/**
 * The store on top of a backend.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  backend: Backend,
  options: TokenStoreOptions = {}
): Effect.Effect<TokenStoreService, ConfigError.ConfigError | InvalidOptions> =>
  Effect.gen(function* () {
    const invalid = invalidDuration("leaseTimeToLive", options.leaseTimeToLive)
    if (invalid !== undefined) {
      return yield* invalid
    }
    const leaseTimeToLive = Duration.decode(options.leaseTimeToLive ?? "10 seconds")
    if (Duration.lessThan(leaseTimeToLive, "1 second")) {
      return yield* new InvalidOptions({
        option: "leaseTimeToLive",
        message: `leaseTimeToLive is at least a second, not ${Duration.format(leaseTimeToLive)}`
      })
    }
    const encryption = options.encryption ?? (yield* keysFromConfig)
    const cipher = encryption === "none" ? Encryption.none : yield* Encryption.make(encryption)
    return {
      leaseTimeToLive,
      keyOf: ({ client, request }) => {
        const group = hash(client)
        return { group, id: hash([group, ...request]) }
      },
      read: (key) => read(backend, cipher, key),
      acquire: (group) =>
        Effect.suspend(() => {
          // Of this lease alone: one that its process gave up must not be taken for the next.
          const owner = crypto.randomUUID()
          const timeToLive = Math.ceil(Duration.toMillis(leaseTimeToLive))
          const release = backend.release(group, owner)
          return backend.acquire(group, owner, timeToLive).pipe(
            // It may have been taken all the same, without an answer.
            Effect.onError(() => Effect.ignore(release)),
            Effect.map((acquired) =>
              acquired
                ? Option.some<Lease>({
                    write: (key, generation, token) => write(backend, cipher, { key, owner, generation, token }),
                    renew: backend.renew(group, owner, timeToLive),
                    release,
                    readSecret: Effect.flatMap(backend.readSecret(group), (value) =>
                      Effect.transposeMapOption(value, (value) =>
                        Effect.mapBoth(cipher.decrypt(value, secretPlace(group)), {
                          onFailure: () =>
                            new StoreError({ message: "the secret cannot be decrypted: check TOKEN_STORE_KEYS" }),
                          onSuccess: Redacted.make
                        })
                      )
                    ),
                    writeSecret: (secret) =>
                      Effect.suspend(() =>
                        backend.writeSecret(group, owner, cipher.encrypt(Redacted.value(secret), secretPlace(group)))
                      )
                  })
                : Option.none()
            )
          )
        }),
      remove: backend.remove,
      changes: backend.changes
    }
  })

const read = (backend: Backend, cipher: Encryption.Cipher, key: Key): Effect.Effect<Stored, StoreError> =>
  Effect.gen(function* () {
    const before = yield* Clock.currentTimeMillis
    const found = yield* backend.read(key)
    if (Option.isNone(found)) {
      return { generation: 0 }
    }
    const { generation, timeToLive, value } = found.value
    if (value === "") {
      return { generation }
    }
    const token = Option.flatMap(cipher.decrypt(value, tokenPlace(key)), decodeToken)
    return Option.isNone(token)
      ? { generation, unreadable: true }
      : // The clock of who wrote it may be ahead of this one, and what the store counts may have begun late.
        { generation, token: { ...token.value, expiresAt: Math.min(token.value.expiresAt, before + timeToLive) } }
  })

const write = (
  backend: Backend,
  cipher: Encryption.Cipher,
  written: { readonly key: Key; readonly owner: string; readonly generation: number; readonly token: StoredToken }
): Effect.Effect<boolean, StoreError> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const { generation, key, owner, token } = written
    const value = cipher.encrypt(encodeToken(token), tokenPlace(key))
    const timeToLive = Math.max(1, Math.ceil(token.expiresAt - now))
    return backend.write(key, owner, { generation, value, timeToLive })
  })

// What a value is tied to: it cannot be moved to another place.
const tokenPlace = ({ group, id }: Key): string => `token:${group}:${id}`

const secretPlace = (group: string): string => `secret:${group}`

const TokenJson = Schema.parseJson(
  Schema.Struct({
    accessToken: Schema.Redacted(Schema.NonEmptyString),
    issuedAt: Schema.Finite,
    expiresAt: Schema.Finite,
    keyId: Schema.optionalWith(Schema.String, { exact: true }),
    scope: Schema.optionalWith(Schema.String, { exact: true })
  })
)

// The error of a decoder shows the value.
const decodeToken = (text: string): Option.Option<StoredToken> => Schema.decodeOption(TokenJson)(text)

const encodeToken = ({ accessToken, expiresAt, issuedAt, keyId, scope }: StoredToken): string =>
  JSON.stringify({ accessToken: Redacted.value(accessToken), issuedAt, expiresAt, keyId, scope })
