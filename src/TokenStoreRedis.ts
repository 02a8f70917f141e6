/**
 * Keeps a `TokenStore` in Redis, or in a server that speaks its protocol and runs Lua scripts. It needs the package
 * `ioredis`, version 5.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as RedisBackend from "./internal/store/redisBackend.js"
import type { InvalidOptions } from "./TokenError.js"
import { make, TokenStore, type TokenStoreOptions } from "./TokenStore.js"

/**
 * The options of {@link layer}: those of every store, and those of Redis.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenStoreRedisOptions extends TokenStoreOptions, RedisBackend.RedisBackendOptions {}

/**
 * Provides a store in Redis. The layer is there at once and connects in the background, again and again if it has to. A
 * token that has to be issued waits for the connection for at most 2 seconds. While Redis cannot be reached, each process
 * issues its own tokens.
 *
 * The layer fails with `InvalidOptions` if an option cannot work, and with a `ConfigError` if `encryption` is left out and
 * the variable `TOKEN_STORE_KEYS` is missing or unusable.
 *
 * @example
 * ```ts
 * import { NodeHttpClient } from "@effect/platform-node"
 * import { Layer } from "effect"
 * import { LineChannel, TokenCache } from "effect-token-cache"
 * import * as TokenStoreRedis from "effect-token-cache/TokenStoreRedis"
 *
 * // The encryption keys are in the variable TOKEN_STORE_KEYS.
 * const Store = TokenStoreRedis.layer({ connection: "redis://localhost:6379" })
 *
 * const Tokens = TokenCache.layer({ line: LineChannel.v21FromConfig }).pipe(
 *   Layer.provide(Store),
 *   Layer.provide(NodeHttpClient.layer)
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: TokenStoreRedisOptions
): Layer.Layer<TokenStore, ConfigError.ConfigError | InvalidOptions> =>
  Layer.scoped(
    TokenStore,
    Effect.flatMap(RedisBackend.make(options), (backend) => make(backend, options))
  )

/**
 * Provides a store in Redis like {@link layer}, with options that are read from the configuration. It also fails with a
 * `ConfigError` if one of them is missing.
 *
 * @example
 * ```ts
 * import { Config } from "effect"
 * import * as TokenStoreRedis from "effect-token-cache/TokenStoreRedis"
 *
 * const Store = TokenStoreRedis.layerConfig({ connection: Config.redacted("REDIS_URL") })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  options: Config.Config.Wrap<Omit<TokenStoreRedisOptions, "connection">> & {
    /** The `redis://` or `rediss://` URL of the server, with the user and the password. */
    readonly connection: Config.Config<string | Redacted.Redacted<string>>
  }
): Layer.Layer<TokenStore, ConfigError.ConfigError | InvalidOptions> =>
  Layer.unwrapEffect(Effect.map(Config.unwrap<TokenStoreRedisOptions>(options), layer))
