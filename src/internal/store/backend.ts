import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Stream from "effect/Stream"

/**
 * Where a token is stored: hashes that tell nothing of a name, a client or a secret. What has the same `group` is issued
 * under one lease and shares one secret; a backend keeps it together.
 *
 * @since 0.1.0
 * @category models
 */
export interface Key {
  readonly group: string
  readonly id: string
}

/**
 * The store did not do what it was asked for. It holds no address, key or value.
 *
 * @since 0.1.0
 * @category errors
 */
export class StoreError extends /* @__PURE__ */ Data.TaggedError("StoreError")<{
  readonly message: string
}> {}

/**
 * A value was written under this key.
 *
 * @since 0.1.0
 * @category models
 */
export interface Change {
  readonly key: Key
  readonly generation: number
}

/**
 * Keeps opaque values: implement it to share tokens by another medium than those that come along, and run
 * `tokenStoreContract` of `effect-token-cache/testing` against it. Every operation is atomic, also between processes, and
 * ends in bounded time. Times are milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Backend {
  /** What is stored, and for how long it still is; `none` if nothing was written, or it has run out. */
  readonly read: (key: Key) => Effect.Effect<Option.Option<BackendValue>, StoreError>
  /**
   * Writes, for `timeToLive`, if `owner` holds the lease of the group and the generation is above the one that is stored;
   * `false` if not. Who follows `changes` is told.
   */
  readonly write: (key: Key, owner: string, value: BackendValue) => Effect.Effect<boolean, StoreError>
  /** Empties the value, and keeps the generation, if it is still of this generation. */
  readonly remove: (key: Key, generation: number) => Effect.Effect<void, StoreError>
  /** Takes the lease of a group, unless somebody holds it. */
  readonly acquire: (group: string, owner: string, timeToLive: number) => Effect.Effect<boolean, StoreError>
  /** Makes the lease last for `timeToLive` from now on, if `owner` holds it; `false` if not. */
  readonly renew: (group: string, owner: string, timeToLive: number) => Effect.Effect<boolean, StoreError>
  /** Gives the lease back, if `owner` holds it. */
  readonly release: (group: string, owner: string) => Effect.Effect<void, StoreError>
  /** What is written, by whomever, from the subscription on. It lives through failures of the store, and may miss some. */
  readonly changes: Stream.Stream<Change>
  /** The secret of a group, which does not run out. */
  readonly readSecret: (group: string) => Effect.Effect<Option.Option<string>, StoreError>
  /** Writes it if `owner` holds the lease; `false` if not. */
  readonly writeSecret: (group: string, owner: string, value: string) => Effect.Effect<boolean, StoreError>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface BackendValue {
  /** Higher than all before it under this key. */
  readonly generation: number
  /** Empty once it is removed. */
  readonly value: string
  readonly timeToLive: number
}
