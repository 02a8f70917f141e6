import * as Exit from "effect/Exit"
import type { IssueError, IssueErrorReason } from "../../TokenError.js"
import type { TokenStatus } from "../../TokenStatus.js"
import { issueErrorOf } from "../issueErrorOf.js"
import type { Counters, Entry, Trigger } from "./entry.js"
import type { SharingReport } from "./sharing.js"

/** The key under which a `TokenCacheService` holds its telemetry. */
export const key: unique symbol = Symbol.for("effect-token-cache/telemetry")

/** What metrics may see of a cache. */
export interface Telemetry {
  /** The tokens that are in the cache now, by their names. */
  readonly tokens: ReadonlyMap<string, Token>
  /** Gives the status of a token, or `undefined` if it is no longer in the cache. */
  readonly status: (token: Token) => TokenStatus | undefined
  /** Who is told what the cache does. Whoever wants to be told adds itself. */
  readonly listeners: Set<Listener>
}

/**
 * Gives a service its telemetry, in a property that is not enumerable: what lists, prints or copies a service has no
 * reason to go through all that the cache holds.
 */
export const attach = <S extends object>(
  service: S,
  telemetry: Telemetry | undefined
): S & { readonly [key]?: Telemetry } => Object.defineProperty(service, key, { value: telemetry })

/** A token as metrics see it. If a name is registered again, that is another token. */
export type Token = Readonly<Pick<Entry, "name" | "source" | "idle"> & Counters>

/** Somebody who is told what the cache does. */
export interface Listener {
  /** Is called at once, in the fiber that does what is reported. It must not throw. */
  readonly onReport: (report: Report) => void
}

/** What a cache tells its listeners. */
export type Report =
  | AttemptReport
  | { readonly _tag: "Unauthorized"; readonly token: Token; readonly action: UnauthorizedAction }
  | SharingReport
  | LeaseGivenUpReport

/** An attempt has waited for the lease of another process for too long, and goes on without it. */
export interface LeaseGivenUpReport {
  readonly _tag: "LeaseGivenUp"
  /** The token that the attempt is for. */
  readonly token: Token
}

/** An attempt has ended. */
export interface AttemptReport {
  readonly _tag: "Attempt"
  /** The token that the attempt was for. */
  readonly token: Token
  /** Why the attempt started. */
  readonly trigger: Trigger
  /** What the attempt ended with. */
  readonly outcome: Outcome
  /** How long the attempt took, in milliseconds of the monotonic clock. */
  readonly millis: number
}

/**
 * What the cache does after a report of a refused token. It issues a new one (`reissued`), keeps the token for others
 * (`kept`), does nothing because the current token is another (`stale`), or drops the token and waits before it issues
 * another (`backed_off`).
 */
export type UnauthorizedAction = "reissued" | "kept" | "stale" | "backed_off"

/** What an attempt ended with: `success`, or the reason of its `IssueError`. */
export type Outcome = "success" | "unreachable" | "rejected" | "throttled" | "invalid_response" | "timeout" | "defect"

/** Says in one word what an attempt ended with. */
export const outcomeOf = (exit: Exit.Exit<unknown, IssueError>): Outcome =>
  Exit.isSuccess(exit) ? "success" : outcomes[issueErrorOf(exit.cause).reason]

/** The words for the reasons of an `IssueError`. */
export const outcomes: Readonly<Record<IssueErrorReason, Outcome>> = {
  Unreachable: "unreachable",
  Rejected: "rejected",
  Throttled: "throttled",
  InvalidResponse: "invalid_response",
  Timeout: "timeout",
  Defect: "defect"
}

/** How often a token was read, by what the reads got. */
export interface Reads {
  /** How many reads found a usable token. */
  readonly hit: number
  /** How many reads got a token after a wait. */
  readonly waited: number
  /** How many reads got no token. */
  readonly unavailable: number
}

/** Counts the reads of a token by what they got. Those that still wait, or were interrupted, are left out. */
export const readsOf = ({ misses, reads, unavailable, waited }: Token): Reads => ({
  hit: reads - misses,
  waited,
  unavailable
})
