import * as Exit from "effect/Exit"
import type { IssueError, IssueErrorReason } from "../../TokenError.js"
import type { TokenStatus } from "../../TokenStatus.js"
import { issueErrorOf } from "../issueErrorOf.js"
import type { Counters, Entry, Trigger } from "./entry.js"
import type { SharingReport } from "./sharing.js"

/** Finds the telemetry of a `TokenCacheService`. */
export const key: unique symbol = Symbol.for("effect-token-cache/telemetry")

/** What metrics may see of a cache. */
export interface Telemetry {
  /** The tokens that are in the cache now, by their names. */
  readonly tokens: ReadonlyMap<string, Token>
  /** The status of a token; `undefined` once it is no longer in the cache. */
  readonly status: (token: Token) => TokenStatus | undefined
  readonly listeners: Set<Listener>
}

/** A token as metrics see it; each registration of a name is one of its own. */
export type Token = Readonly<Pick<Entry, "name" | "source" | "idle"> & Counters>

export interface Listener {
  /** Called at once, in the fiber that does what is reported. */
  readonly onReport: (report: Report) => void
}

export type Report =
  | AttemptReport
  | { readonly _tag: "Unauthorized"; readonly token: Token; readonly action: UnauthorizedAction }
  | SharingReport

export interface AttemptReport {
  readonly _tag: "Attempt"
  readonly token: Token
  readonly trigger: Trigger
  readonly outcome: Outcome
  readonly millis: number
}

/**
 * What a report of a refused token leads to: a new token; a token that is kept for others; nothing, because it is not the
 * current token; or a back-off without a token.
 */
export type UnauthorizedAction = "reissued" | "kept" | "stale" | "backed_off"

export type Outcome = "success" | "unreachable" | "rejected" | "throttled" | "invalid_response" | "timeout" | "defect"

/** What an attempt came to, in one word. */
export const outcomeOf = (exit: Exit.Exit<unknown, IssueError>): Outcome =>
  Exit.isSuccess(exit) ? "success" : outcomes[issueErrorOf(exit.cause).reason]

export const outcomes: Readonly<Record<IssueErrorReason, Outcome>> = {
  Unreachable: "unreachable",
  Rejected: "rejected",
  Throttled: "throttled",
  InvalidResponse: "invalid_response",
  Timeout: "timeout",
  Defect: "defect"
}

/** Reads that found a usable token, those that had to wait for one, and those that got none. */
export interface Reads {
  readonly hit: number
  readonly waited: number
  readonly unavailable: number
}

export const readsOf = ({ misses, reads, unavailable, waited }: Token): Reads => ({
  hit: reads - misses,
  waited,
  unavailable
})
