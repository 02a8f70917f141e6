/**
 * What can be seen of a token without its value: its status, and what happens to it.
 *
 * @since 0.1.0
 */
import type { IssueError } from "./TokenError.js"

/**
 * The state of a token, in one word:
 *
 * - `starting`: nothing has been issued yet, and no attempt has failed
 * - `ready`: there is a usable token
 * - `degraded`: there is a usable token, but the last attempt to replace it failed
 * - `down`: there is no usable token
 * - `stopped`: the layer is closed, or the token is no longer in the cache
 *
 * @since 0.1.0
 * @category models
 */
export type TokenStateName = "starting" | "ready" | "degraded" | "down" | "stopped"

/**
 * The state of one token at the moment when it was asked for. It holds nothing that is derived from the token itself.
 * All instants are epoch milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenStatus {
  /** The name of the token in the cache. */
  readonly name: string
  /** What issues the token: the `issuer` of its source. Absent if the source does not say. */
  readonly issuer?: string | undefined
  /** `true` if the token was made by a lookup of `TokenCache.layerLookup`. */
  readonly tenant?: true | undefined
  /** Whether there is a usable token, and whether the last attempt failed, in one word. */
  readonly state: TokenStateName
  /** Whether an attempt to issue the next token runs, or waits for its turn. */
  readonly refreshing: boolean
  /** When the current token was requested from its issuer, in epoch milliseconds. Absent if there is no token. */
  readonly issuedAt?: number | undefined
  /** When the current token expires, in epoch milliseconds. Absent if there is no token. */
  readonly expiresAt?: number | undefined
  /** When the next attempt starts, in epoch milliseconds. Absent while an attempt runs, and if there will be none. */
  readonly nextAttemptAt?: number | undefined
  /** How many tokens of this name the cache has had, the current one included. */
  readonly generation: number
  /** How many attempts have failed since the last success. */
  readonly consecutiveFailures: number
  /** Why the last attempt failed. Absent if it succeeded. */
  readonly lastError?: IssueError | undefined
  /**
   * Whether the current token is the one that all processes share through a `TokenStore` (`shared`), or one that this
   * process has issued for itself because the store fails (`local`). Absent if the token is not meant to be shared.
   */
  readonly sharing?: "shared" | "local" | undefined
  /** How often the token has been read since it was added to the cache, whether or not the read got a token. */
  readonly reads: number
}

/**
 * Something that happened to a token, told apart by `_tag`. It does not hold the token itself.
 *
 * - `Issued`: an attempt gave a token
 * - `IssueFailed`: an attempt failed
 * - `Invalidated`: somebody who used the token reported that it is refused
 * - `Expired`: the token expired before a new one was issued
 * - `Dropped`: the token is no longer in the cache
 *
 * @since 0.1.0
 * @category models
 */
export type TokenEvent =
  | {
      readonly _tag: "Issued"
      /** The name of the token that was issued. */
      readonly name: string
      /** When the attempt ended, in epoch milliseconds. */
      readonly at: number
      /** How many tokens of this name the cache has had, the new one included. */
      readonly generation: number
      /** When the new token expires, in epoch milliseconds. */
      readonly expiresAt: number
    }
  | {
      readonly _tag: "IssueFailed"
      /** The name of the token that could not be issued. */
      readonly name: string
      /** When the attempt ended, in epoch milliseconds. */
      readonly at: number
      /** Why the attempt failed. */
      readonly error: IssueError
    }
  | {
      readonly _tag: "Invalidated"
      /** The name of the token that was refused. */
      readonly name: string
      /** When it was reported, in epoch milliseconds. */
      readonly at: number
    }
  | {
      readonly _tag: "Expired"
      /** The name of the token that expired. */
      readonly name: string
      /** When the cache noticed that readers no longer get the token, in epoch milliseconds. */
      readonly at: number
    }
  | {
      readonly _tag: "Dropped"
      /** The name of the token that was dropped. */
      readonly name: string
      /** When the token was taken out of the cache, in epoch milliseconds. */
      readonly at: number
    }
