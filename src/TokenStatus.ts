/**
 * What a token's state looks like from outside. Nothing here is derived from a token's value.
 *
 * @since 0.1.0
 */
import type { IssueError } from "./TokenError.js"

/**
 * - `starting`: nothing has been issued yet, and nothing has failed
 * - `ready`: there is a usable token
 * - `degraded`: there is a usable token, but the last attempt failed
 * - `down`: there is no usable token
 * - `stopped`: the layer is closed, or the token was dropped
 *
 * @since 0.1.0
 * @category models
 */
export type TokenStateName = "starting" | "ready" | "degraded" | "down" | "stopped"

/**
 * Instants are epoch milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenStatus {
  readonly name: string
  /** The source's `issuer`. */
  readonly issuer?: string | undefined
  /** Made by `TokenCache.layerLookup`. */
  readonly tenant?: true | undefined
  readonly state: TokenStateName
  /** True while an attempt runs or waits for its turn. */
  readonly refreshing: boolean
  readonly issuedAt?: number | undefined
  readonly expiresAt?: number | undefined
  /** When the next attempt starts; absent while one runs. */
  readonly nextAttemptAt?: number | undefined
  /** How many tokens have been issued. */
  readonly generation: number
  readonly consecutiveFailures: number
  /** Why the last attempt failed; absent after a success. */
  readonly lastError?: IssueError | undefined
  /**
   * With a `TokenStore`: whether the token is the one that is there for all processes, or, since the store fails, one of
   * this process alone.
   */
  readonly sharing?: "shared" | "local" | undefined
  /** How often the token has been read. */
  readonly reads: number
}

/**
 * Something that happened to a token; `at` is in epoch milliseconds.
 *
 * - `Issued`: an attempt gave a token
 * - `IssueFailed`: an attempt failed
 * - `Invalidated`: a user of the token reported that it is refused
 * - `Expired`: the token ran out before a new one was issued
 * - `Dropped`: the name is no longer in the cache
 *
 * @since 0.1.0
 * @category models
 */
export type TokenEvent =
  | {
      readonly _tag: "Issued"
      readonly name: string
      readonly at: number
      readonly generation: number
      readonly expiresAt: number
    }
  | { readonly _tag: "IssueFailed"; readonly name: string; readonly at: number; readonly error: IssueError }
  | { readonly _tag: "Invalidated"; readonly name: string; readonly at: number }
  | { readonly _tag: "Expired"; readonly name: string; readonly at: number }
  | { readonly _tag: "Dropped"; readonly name: string; readonly at: number }
