/**
 * Keeps tokens where several processes can share them, and where they outlive a restart.
 *
 * @since 0.1.0
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type { Backend, StoreError } from "./internal/store/backend.js"
import { make, type TokenStoreOptions, type TokenStoreService } from "./internal/store/encryptedStore.js"
import * as FileBackend from "./internal/store/fileBackend.js"
import type { Lease } from "./internal/store/lease.js"
import type { InvalidOptions } from "./TokenError.js"

export { type Backend, type BackendValue, type Change, type Key, StoreError } from "./internal/store/backend.js"
export { make, type TokenStoreOptions, type TokenStoreService } from "./internal/store/encryptedStore.js"
export { type EncryptionKey, keysFromConfig } from "./internal/store/encryptionKey.js"
export type { Lease } from "./internal/store/lease.js"
export type { Stored, StoredToken } from "./internal/store/storedToken.js"

/**
 * An optional service of `TokenCache`: with a `TokenStore` in the context of its layer, a cache shares its tokens with
 * other processes. When a token is due, the cache first takes over a newer one from the store, and otherwise issues one
 * under a lease and stores it for the others. Without a store, and while the store fails, each process issues its own.
 *
 * A token is shared if its source has an `identity`. The sources of this library have one wherever they can tell whose
 * token they issue: docs/fleet.md names the exceptions, and says what happens when a store fails.
 *
 * @example
 * ```ts
 * import { NodeContext } from "@effect/platform-node"
 * import { Layer } from "effect"
 * import { LineChannel, TokenCache, TokenStore } from "effect-token-cache"
 *
 * // The encryption keys are in the variable TOKEN_STORE_KEYS.
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
 * The lease under which a shared token is being issued, or `none` if the token is issued without it, because the store
 * fails or this process has waited for the lease for too long.
 * The cache puts it into the context of a source's `issue` effect, which can keep a secret there that each use replaces,
 * such as a refresh token.
 *
 * @since 0.1.0
 * @category tags
 */
export class CurrentLease extends /* @__PURE__ */ Context.Tag("effect-token-cache/TokenStore/CurrentLease")<
  CurrentLease,
  Option.Option<Lease>
>() {}

/**
 * Provides a store on a {@link Backend} of your own. The layer fails with `InvalidOptions` if an option cannot work, and
 * with a `ConfigError` if `encryption` is left out and the variable `TOKEN_STORE_KEYS` is missing or unusable.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  backend: Backend,
  options: TokenStoreOptions = {}
): Layer.Layer<TokenStore, ConfigError.ConfigError | InvalidOptions> => Layer.effect(TokenStore, make(backend, options))

/**
 * Provides a store in files, for a process that is started again and again and for several processes on one machine.
 *
 * `directory` is created with mode 0700 if it does not exist, and its files are readable by their owner alone. It must be
 * on a local disk, because network file systems do not keep leases safe. A write replaces a file as a whole, so nobody
 * reads half of one. The layer fails as {@link layer} does, and with a `StoreError` if the directory cannot be created
 * or if group or others can write to it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFile = (
  options: TokenStoreOptions & {
    /** The path of the directory that the files are in. It must be on a local disk. */
    readonly directory: string
  }
): Layer.Layer<TokenStore, ConfigError.ConfigError | InvalidOptions | StoreError, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(
    TokenStore,
    Effect.flatMap(FileBackend.make(options.directory), (backend) => make(backend, options))
  )
