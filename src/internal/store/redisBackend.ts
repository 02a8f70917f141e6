import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Cluster, Redis, type RedisOptions } from "ioredis"
import { InvalidOptions } from "../../TokenError.js"
import { invalidDuration } from "../options.js"
import { type Backend, type Change, type Key, StoreError } from "./backend.js"

/**
 * Where Redis is, and how a store uses it.
 *
 * @since 0.1.0
 * @category models
 */
export interface RedisBackendOptions {
  /**
   * A `redis://` or `rediss://` URL with the user and the password, or a function that makes a client, for Sentinel, a
   * cluster or TLS with a CA of your own. The function is called twice, for commands and for the subscription, and must
   * pass the given options on to the client. Both clients are closed with the layer.
   */
  readonly connection: string | Redacted.Redacted<string> | ((options: RedisOptions) => Redis | Cluster)
  /** What all keys in Redis begin with: a text without white space or braces. Default: `"token-cache"`. */
  readonly prefix?: string | undefined
  /** How long Redis may take to answer a command before the command fails. Default: 1 second. */
  readonly commandTimeout?: Duration.DurationInput | undefined
}

/** Makes a backend in Redis. It is there at once and connects in the background. */
export const make = (options: RedisBackendOptions): Effect.Effect<Backend, InvalidOptions, Scope.Scope> =>
  Effect.gen(function* () {
    const { commandTimeout = "1 second", connection, prefix = "token-cache" } = options
    const invalid = invalidDuration("commandTimeout", commandTimeout) ?? invalidPrefix(prefix)
    if (invalid !== undefined) {
      return yield* invalid
    }
    const open = openConnection(connection, Duration.decode(commandTimeout))
    const redis = yield* open
    const subscriber = yield* open
    return makeBackend(redis, subscriber, prefix)
  })

const openConnection = (
  connection: RedisBackendOptions["connection"],
  commandTimeout: Duration.Duration
): Effect.Effect<Redis | Cluster, InvalidOptions, Scope.Scope> => {
  const options: RedisOptions = {
    commandTimeout: Math.ceil(Duration.toMillis(commandTimeout)),
    connectTimeout: Duration.toMillis(connectTimeout),
    // Without a connection a command is not kept for later: whenConnected says how long it waits.
    maxRetriesPerRequest: 1,
    enableOfflineQueue: false,
    retryStrategy: (times) => Math.min(times * 100, 2000)
  }
  return Effect.acquireRelease(
    Effect.try({
      try: () =>
        typeof connection === "function"
          ? connection(options)
          : new Redis(Redacted.isRedacted(connection) ? Redacted.value(connection) : connection, options),
      // The message of the error may contain the address, and with it the password.
      catch: () => new InvalidOptions({ option: "connection", message: "connection must be the URL of a Redis server" })
    }).pipe(
      // Without a listener ioredis prints the errors that it cannot report otherwise.
      Effect.tap((redis) => redis.on("error", () => {}))
    ),
    (redis) => Effect.sync(() => redis.disconnect())
  )
}

const connectTimeout = Duration.seconds(2)

const makeBackend = (redis: Redis | Cluster, subscriber: Redis | Cluster, prefix: string): Backend => {
  // The braces make a cluster keep a group on one node.
  const tokenKey = ({ group, id }: Key) => `${prefix}:{${group}}:token:${id}`
  const leaseKey = (group: string) => `${prefix}:{${group}}:lease`
  const secretKey = (group: string) => `${prefix}:{${group}}:secret`
  const channel = `${prefix}:changes`

  const connected = whenConnected(redis)
  const call = <A>(command: () => Promise<A>) =>
    Effect.zipRight(connected, Effect.tryPromise({ try: command, catch: toStoreError }))
  const run = (script: string, keys: ReadonlyArray<string>, ...args: ReadonlyArray<string | number>) =>
    call(() => redis.eval(script, keys.length, ...keys, ...args))
  const runAsHolder = (script: string, keys: ReadonlyArray<string>, ...args: ReadonlyArray<string | number>) =>
    Effect.map(run(`${ifHeld}\n${script}`, keys, ...args), (done) => done === 1)

  return {
    namespace: prefix,
    read: (key) =>
      Effect.map(run(scripts.read, [tokenKey(key)]), (answer) => {
        const [generation, value, timeToLive] = Array.isArray(answer) ? answer : []
        return typeof value === "string"
          ? Option.some({ generation: toGeneration(generation), value, timeToLive: Number(timeToLive) })
          : Option.none()
      }),
    write: (key, owner, { generation, timeToLive, value }) => {
      const message = encodeChange({ key, generation })
      const keys = [leaseKey(key.group), tokenKey(key)]
      return runAsHolder(scripts.write, keys, owner, generation, value, timeToLive, channel, message)
    },
    remove: (key, generation) => Effect.asVoid(run(scripts.remove, [tokenKey(key)], generation)),
    acquire: (group, owner, timeToLive) =>
      Effect.map(run(scripts.acquire, [leaseKey(group)], owner, timeToLive), (acquired) => acquired === 1),
    renew: (group, owner, timeToLive) => runAsHolder(scripts.renew, [leaseKey(group)], owner, timeToLive),
    release: (group, owner) => Effect.asVoid(runAsHolder(scripts.release, [leaseKey(group)], owner)),
    changes: changesOf(subscriber, channel),
    readSecret: (group) =>
      Effect.map(
        call(() => redis.get(secretKey(group))),
        Option.fromNullable
      ),
    writeSecret: (group, owner, value) =>
      runAsHolder(scripts.writeSecret, [leaseKey(group), secretKey(group)], owner, value)
  }
}

/** Ends a script unless the lease at its first key is held by its first argument. */
const ifHeld = `if redis.call("GET", KEYS[1]) ~= ARGV[1] then return 0 end`

const scripts = {
  read: `
local value = redis.call("HMGET", KEYS[1], "generation", "value")
return { value[1], value[2], redis.call("PTTL", KEYS[1]) }`,
  write: `
local stored = redis.call("HGET", KEYS[2], "generation")
-- Up to 2^53 - 1, and in decimal digits alone: whatever else somebody has put there does not count.
local counts = stored and string.find(stored, "^[1-9]%d*$") and tonumber(stored) <= 9007199254740991
if counts and tonumber(stored) >= tonumber(ARGV[2]) then return 0 end
redis.call("HSET", KEYS[2], "generation", ARGV[2], "value", ARGV[3])
redis.call("PEXPIRE", KEYS[2], ARGV[4])
redis.call("PUBLISH", ARGV[5], ARGV[6])
return 1`,
  remove: `
if redis.call("HGET", KEYS[1], "generation") == ARGV[1] then redis.call("HSET", KEYS[1], "value", "") end
return 1`,
  acquire: `
local left = redis.call("PTTL", KEYS[1])
if left >= 0 and left <= tonumber(ARGV[2]) then return 0 end
redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[2])
return 1`,
  renew: `return redis.call("PEXPIRE", KEYS[1], ARGV[2])`,
  release: `return redis.call("DEL", KEYS[1])`,
  writeSecret: `
redis.call("SET", KEYS[2], ARGV[2])
return 1`
}

/** Takes a number as the script that writes takes it: "0x7f" is none. */
const toGeneration = (text: unknown): number => (/^[1-9]\d*$/.test(String(text)) ? Number(text) : Number.NaN)

/** Waits for a connection: a process that has just started would otherwise issue a token of its own. */
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

/** Keeps the first word of what Redis says, such as READONLY or NOAUTH: the rest may contain keys. */
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
        // After each connection: ioredis subscribes again by itself only once it has succeeded.
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
    : new InvalidOptions({
        option: "prefix",
        message: "prefix must be a text that is not empty and contains no white space or braces"
      })
