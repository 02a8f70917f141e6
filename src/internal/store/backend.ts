import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Stream from "effect/Stream"

/**
 * Where a store keeps a token. Both parts are hashes that only the encryption keys can make, so a key reveals no name, no
 * client and no secret. Without encryption they are plain hashes, which reveal what can be guessed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Key {
  /**
   * Stands for the client that tokens are issued to. All tokens of a group are issued under one lease and share one
   * secret. A backend that spreads keys over several nodes must keep a group on one node.
   */
  readonly group: string
  /** Tells the token apart from all others, also from those of other groups. */
  readonly id: string
}

/**
 * A store could not do what it was asked to do. `message` says why, as in `Redis answered READONLY`. It must not contain
 * an address, a key or a stored value, because it is logged.
 *
 * @since 0.1.0
 * @category errors
 */
export class StoreError extends /* @__PURE__ */ Data.TaggedError("StoreError")<{
  /** Why the store could not do it, without an address, a key or a value. */
  readonly message: string
}> {}

/**
 * Reports that a value was written to a store.
 *
 * @since 0.1.0
 * @category models
 */
export interface Change {
  /** The key that the value was written under. */
  readonly key: Key
  /** The generation of the value that was written. */
  readonly generation: number
}

/**
 * The storage below a `TokenStore`: it keeps opaque texts and hands out leases. Implement it to share tokens through
 * something other than files or Redis, and run `tokenStoreContract` from `effect-token-cache/testing` against it.
 *
 * Every operation must be atomic, also between processes, and must end in bounded time. All durations are milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Backend {
  /**
   * What tells this storage apart from that of another environment, such as the prefix of its keys. Each value is
   * encrypted for this storage, so a copy of it in another one cannot be read. Default: nothing.
   */
  readonly namespace?: string | undefined
  /**
   * Reads the value under a key, with the time that it has left. The result is `none` if nothing was written there or if
   * the value has expired.
   */
  readonly read: (key: Key) => Effect.Effect<Option.Option<BackendValue>, StoreError>
  /**
   * Stores a value until its `timeToLive` has passed, and reports it to everyone who follows `changes`. It does so only if
   * `owner` holds the lease of the key's group and no value of the same or a higher generation is stored. The result says
   * whether the value was stored.
   */
  readonly write: (key: Key, owner: string, value: BackendValue) => Effect.Effect<boolean, StoreError>
  /**
   * Replaces the stored value with an empty text if it is of this generation, and otherwise does nothing. The generation
   * and the expiry stay.
   */
  readonly remove: (key: Key, generation: number) => Effect.Effect<void, StoreError>
  /**
   * Gives `owner` the lease of a group for `timeToLive`, unless it is held, be it by the same owner. The result says
   * whether `owner` got it. A lease that never runs out, or not within `timeToLive`, is not held: no process of this
   * library makes one, and it would end all issues.
   */
  readonly acquire: (group: string, owner: string, timeToLive: number) => Effect.Effect<boolean, StoreError>
  /**
   * Lets the lease of a group run for `timeToLive` from now on, if `owner` holds it. The result says whether `owner` still
   * holds it.
   */
  readonly renew: (group: string, owner: string, timeToLive: number) => Effect.Effect<boolean, StoreError>
  /** Ends the lease of a group if `owner` holds it, and otherwise does nothing. */
  readonly release: (group: string, owner: string) => Effect.Effect<void, StoreError>
  /**
   * Reports what any process writes, from the moment of the subscription. The stream must survive failures of the storage;
   * it may miss changes, which costs time but is not an error.
   */
  readonly changes: Stream.Stream<Change>
  /** Reads the secret of a group, which never expires. The result is `none` if there is none. */
  readonly readSecret: (group: string) => Effect.Effect<Option.Option<string>, StoreError>
  /**
   * Stores the secret of a group in place of the one before, if `owner` holds the lease of the group. The result says
   * whether the secret was stored.
   */
  readonly writeSecret: (group: string, owner: string, value: string) => Effect.Effect<boolean, StoreError>
}

/**
 * A value that a {@link Backend} keeps under a key.
 *
 * @since 0.1.0
 * @category models
 */
export interface BackendValue {
  /** Counts the values under a key: each one has a higher number than all before it. */
  readonly generation: number
  /** The encrypted token, or an empty text if the token was removed. */
  readonly value: string
  /** The time until the value expires, in milliseconds. */
  readonly timeToLive: number
}

/** Whether a number can be that of a generation. What a store holds may be anything. */
export const isGeneration = (number: number): boolean => Number.isSafeInteger(number) && number >= 1
