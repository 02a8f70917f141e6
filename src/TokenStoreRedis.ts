/**
 * A `TokenStore` on Redis, or what speaks its protocol and runs Lua scripts. Needs `ioredis` 5.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Cluster, Redis, type RedisOptions } from "ioredis"
import { invalidDuration } from "./internal/options.js"
import { InvalidOptions } from "./TokenError.js"
import {
  type Backend,
  type Change,
  type Key,
  make,
  StoreError,
  TokenStore,
  type TokenStoreOptions
} from "./TokenStore.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface TokenStoreRedisOptions extends TokenStoreOptions {
  /**
   * `redis://` or `rediss://` with user and password, or a function that makes a client: for TLS with a CA of one's own,
   * Sentinel or a cluster. It is called twice, is to pass the given options on, and both clients are closed with the
   * layer.
   */
  readonly connection: string | Redacted.Redacted<string> | ((options: RedisOptions) => Redis | Cluster)
  /** What all keys begin with. Default: `"token-cache"`. */
  readonly prefix?: string | undefined
  /** How long a command may take. Default: 1 second. */
  readonly commandTimeout?: Duration.DurationInput | undefined
}

/**
 * Connects in the background: the layer is there at once. A token that has to be issued waits for the connection, for at
 * most 2 seconds; while Redis cannot be reached each process issues its own.
 *
 * @example
 * ```ts
 * import { NodeHttpClient } from "@effect/platform-node"
 * import { Layer } from "effect"
 * import { LineChannel, TokenCache } from "effect-token-cache"
 * import * as TokenStoreRedis from "effect-token-cache/TokenStoreRedis"
 *
 * // TOKEN_STORE_KEYS has the encryption keys.
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
    Effect.flatMap(connect(options), (backend) => make(backend, options))
  )

/**
 * The same with its options out of the configuration.
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
    readonly connection: Config.Config<string | Redacted.Redacted<string>>
  }
): Layer.Layer<TokenStore, ConfigError.ConfigError | InvalidOptions> =>
  Layer.unwrapEffect(Effect.map(Config.unwrap<TokenStoreRedisOptions>(options), layer))

/** @internal */
export const connect = (options: TokenStoreRedisOptions): Effect.Effect<Backend, InvalidOptions, Scope.Scope> =>
  Effect.gen(function* () {
    const { commandTimeout = "1 second", connection, prefix = "token-cache" } = options
    const invalid = invalidDuration("commandTimeout", commandTimeout) ?? invalidPrefix(prefix)
    if (invalid !== undefined) {
      return yield* invalid
    }
    const settings: RedisOptions = {
      commandTimeout: Math.ceil(Duration.toMillis(commandTimeout)),
      connectTimeout: Duration.toMillis(connectTimeout),
      // Without a connection a command is not kept for later: see whenConnected for how long it waits.
      maxRetriesPerRequest: 1,
      enableOfflineQueue: false,
      retryStrategy: (times) => Math.min(times * 100, 2000)
    }
    const open = Effect.acquireRelease(
      Effect.try({
        try: () =>
          typeof connection === "function"
            ? connection(settings)
            : new Redis(Redacted.isRedacted(connection) ? Redacted.value(connection) : connection, settings),
        // Its message may have the address, and with it the password.
        catch: () => new InvalidOptions({ option: "connection", message: "connection is not the address of a Redis" })
      }).pipe(
        // Without a listener ioredis prints what it cannot report otherwise.
        Effect.tap((redis) => redis.on("error", () => {}))
      ),
      (redis) => Effect.sync(() => redis.disconnect())
    )
    const redis = yield* open
    const subscriber = yield* open
    return makeBackend(redis, subscriber, prefix)
  })

const connectTimeout = Duration.seconds(2)

const makeBackend = (redis: Redis | Cluster, subscriber: Redis | Cluster, prefix: string): Backend => {
  // The braces make a cluster keep a group on one node.
  const tokenKey = ({ group, id }: Key) => `${prefix}:{${group}}:token:${id}`
  const leaseKey = (group: string) => `${prefix}:{${group}}:lease`
  const secretKey = (group: string) => `${prefix}:{${group}}:secret`
  const channel = `${prefix}:changes`

  const connected = whenConnected(redis)
  const ask = <A>(command: () => Promise<A>) =>
    Effect.zipRight(connected, Effect.tryPromise({ try: command, catch: toStoreError }))
  const run = (script: string, keys: ReadonlyArray<string>, ...args: ReadonlyArray<string | number>) =>
    ask(() => redis.eval(script, keys.length, ...keys, ...args))
  const runAsHolder = (script: string, keys: ReadonlyArray<string>, ...args: ReadonlyArray<string | number>) =>
    Effect.map(run(`${ifHeld}\n${script}`, keys, ...args), (done) => done === 1)

  return {
    read: (key) =>
      Effect.map(run(scripts.read, [tokenKey(key)]), (answer) => {
        const [generation, value, timeToLive] = Array.isArray(answer) ? answer : []
        return typeof value === "string"
          ? Option.some({ generation: Number(generation), value, timeToLive: Number(timeToLive) })
          : Option.none()
      }),
    write: (key, owner, { generation, timeToLive, value }) =>
      runAsHolder(
        scripts.write,
        [leaseKey(key.group), tokenKey(key)],
        owner,
        generation,
        value,
        timeToLive,
        channel,
        encodeChange({ key, generation })
      ),
    remove: (key, generation) => Effect.asVoid(run(scripts.remove, [tokenKey(key)], generation)),
    acquire: (group, owner, timeToLive) =>
      Effect.map(
        ask(() => redis.set(leaseKey(group), owner, "PX", timeToLive, "NX")),
        (answer) => answer === "OK"
      ),
    renew: (group, owner, timeToLive) => runAsHolder(scripts.renew, [leaseKey(group)], owner, timeToLive),
    release: (group, owner) => Effect.asVoid(runAsHolder(scripts.release, [leaseKey(group)], owner)),
    changes: changesOf(subscriber, channel),
    readSecret: (group) =>
      Effect.map(
        ask(() => redis.get(secretKey(group))),
        Option.fromNullable
      ),
    writeSecret: (group, owner, value) =>
      runAsHolder(scripts.writeSecret, [leaseKey(group), secretKey(group)], owner, value)
  }
}

/** What follows is done for the owner of the lease alone. */
const ifHeld = `if redis.call("GET", KEYS[1]) ~= ARGV[1] then return 0 end`

const scripts = {
  read: `
local value = redis.call("HMGET", KEYS[1], "generation", "value")
return { value[1], value[2], redis.call("PTTL", KEYS[1]) }`,
  write: `
local stored = redis.call("HGET", KEYS[2], "generation")
if stored and tonumber(stored) >= tonumber(ARGV[2]) then return 0 end
redis.call("HSET", KEYS[2], "generation", ARGV[2], "value", ARGV[3])
redis.call("PEXPIRE", KEYS[2], ARGV[4])
redis.call("PUBLISH", ARGV[5], ARGV[6])
return 1`,
  remove: `
if redis.call("HGET", KEYS[1], "generation") == ARGV[1] then redis.call("HSET", KEYS[1], "value", "") end
return 1`,
  renew: `return redis.call("PEXPIRE", KEYS[1], ARGV[2])`,
  release: `return redis.call("DEL", KEYS[1])`,
  writeSecret: `
redis.call("SET", KEYS[2], ARGV[2])
return 1`
}

/** Ends when there is a connection: a process that has just started would issue a token of its own without one. */
const whenConnected = (redis: Redis | Cluster): Effect.Effect<void, StoreError> => {
  const ready = Effect.unsafeMakeLatch(redis.status === "ready")
  redis
    .on("ready", () => ready.unsafeOpen())
    .on("close", () => ready.unsafeClose())
    // From then on a command fails at once.
    .on("end", () => ready.unsafeOpen())
  return Effect.timeoutFail(ready.await, {
    duration: connectTimeout,
    onTimeout: () => new StoreError({ message: "Redis cannot be reached" })
  })
}

/** The first word of what Redis says, such as READONLY or NOAUTH: the rest may have keys. */
const toStoreError = (error: unknown): StoreError => {
  const [, code] = error instanceof Error ? (/^([A-Z]{2,})\b/.exec(error.message) ?? []) : []
  return new StoreError({ message: code === undefined ? "Redis did not answer" : `Redis answered ${code}` })
}

const changesOf = (subscriber: Redis | Cluster, channel: string): Stream.Stream<Change> =>
  Stream.asyncPush<Change>((emit) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const onMessage = (_channel: string, message: string) => {
          const change = decodeChange(message)
          if (change !== undefined) emit.single(change)
        }
        // Anew after each connection; ioredis does it by itself only after a first success.
        const onReady = () => void subscriber.subscribe(channel).catch(() => {})
        subscriber.on("message", onMessage).on("ready", onReady)
        if (subscriber.status === "ready") onReady()
        return () => subscriber.off("message", onMessage).off("ready", onReady)
      }),
      (stop) => Effect.sync(stop)
    )
  )

const encodeChange = ({ generation, key }: Change): string => [key.group, key.id, generation].join(" ")

const decodeChange = (message: string): Change | undefined => {
  const [, group, id, generation] = /^(\S+) (\S+) (\d+)$/.exec(message) ?? []
  return group === undefined || id === undefined ? undefined : { key: { group, id }, generation: Number(generation) }
}

const invalidPrefix = (prefix: string): InvalidOptions | undefined =>
  /^[^\s{}]+$/.test(prefix)
    ? undefined
    : new InvalidOptions({ option: "prefix", message: "prefix is a text without spaces and braces that is not empty" })
