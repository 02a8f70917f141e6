import type * as Redacted from "effect/Redacted"
import type { AccessToken } from "../../IssuedToken.js"
import type { IssueError } from "../../TokenError.js"
import type { TokenStateName } from "../../TokenStatus.js"

/** What the cache knows of one token. Each function of this file that gives a `TokenState` is one kind of change. */
export interface TokenState {
  /** Whether an attempt runs, or waits for a permit. */
  readonly attempt: "none" | "queued" | "running"
  /** The current token, which may have expired. `undefined` if there is none. */
  readonly token: AccessToken | undefined
  /** Whether the token has expired. A clock that is set back does not make it valid again. */
  readonly expired: boolean
  /** When the next attempt is due, in epoch milliseconds. `never` while one is queued or running. */
  readonly nextAttemptAt: number
  /** The end of a Retry-After, in epoch milliseconds. Nothing starts an attempt before it. `-Infinity` without one. */
  readonly notBefore: number
  /** Why the last attempt failed, or the token was refused. `undefined` after a success. */
  readonly lastError: IssueError | undefined
  /** How many attempts have failed since the last success. */
  readonly consecutiveFailures: number
  /** How many tokens of this name the cache has had. */
  readonly generation: number
  /** The token that was invalidated last, which must not become the current one again. */
  readonly invalidatedToken: Redacted.Redacted<string> | undefined
  /** How many tokens in a row were reported as refused: see {@link onReport}. */
  readonly reportedInRow: number
  /** Whether the current token was reported, and is kept for others until the next one is issued. */
  readonly kept: boolean
  /** Whether the token is no longer in the cache, or the layer is closed. */
  readonly stopped: boolean
}

/** The instant that never comes. */
export const never = Number.POSITIVE_INFINITY

/** An instant before all others. */
const always = Number.NEGATIVE_INFINITY

/** Gives the state of a token that was just added, whose first attempt is due now. */
export const initial = (now: number): TokenState => ({
  attempt: "none",
  token: undefined,
  expired: false,
  nextAttemptAt: now,
  notBefore: always,
  lastError: undefined,
  consecutiveFailures: 0,
  generation: 0,
  invalidatedToken: undefined,
  reportedInRow: 0,
  kept: false,
  stopped: false
})

/** Whether the token may be given out, as far as the wall clock says. */
export const isUsable = ({ expired, token }: TokenState, now: number): boolean =>
  token !== undefined && !expired && now < token.usableUntil

/** Whether the next attempt should have started already. */
export const isOverdue = ({ nextAttemptAt }: TokenState, now: number): boolean => now >= nextAttemptAt

/** Whether the last attempt failed and the next one is not due yet. */
export const isBackingOff = (state: TokenState, now: number): boolean =>
  state.attempt === "none" && state.lastError !== undefined && !isOverdue(state, now)

/** Whether no attempt is queued or running, although one could be. */
export const isAtRest = ({ attempt, stopped }: TokenState): boolean => attempt === "none" && !stopped

/** Whether the current token has been in use for `maxRetryAfter` milliseconds, and nobody has reported it. */
const isAccepted = ({ kept, token }: TokenState, maxRetryAfter: number, now: number): boolean =>
  token !== undefined && !kept && now - token.issuedAt >= maxRetryAfter

/**
 * Gives the instant at which readers no longer get the token. `never` if there is no token, or if it has expired
 * already.
 */
export const expiry = ({ expired, token }: TokenState): number =>
  token === undefined || expired ? never : token.usableUntil

/** Gives the state in one word. `usable` says whether readers get the token, on either clock. */
export const name = (state: TokenState, usable: boolean): TokenStateName =>
  state.stopped
    ? "stopped"
    : usable
      ? state.lastError === undefined
        ? "ready"
        : "degraded"
      : state.generation === 0 && state.lastError === undefined
        ? "starting"
        : "down"

/** Gives the state in which an attempt waits for a permit. */
export const queued = (state: TokenState): TokenState => ({ ...state, attempt: "queued", nextAttemptAt: never })

/** Gives the state in which an attempt runs. */
export const running = (state: TokenState): TokenState => ({ ...state, attempt: "running", nextAttemptAt: never })

/** Gives the state in which the next attempt is due at an instant, or at the end of a Retry-After if that is later. */
export const scheduledAt = (state: TokenState, nextAttemptAt: number): TokenState => ({
  ...state,
  nextAttemptAt: Math.ceil(Math.max(nextAttemptAt, state.notBefore))
})

/** Gives the state in which the token has expired. */
export const expired = (state: TokenState): TokenState => ({ ...state, expired: true })

/** Gives the state of a token that is no longer in the cache, or whose layer is closed. */
export const stopped = (state: TokenState): TokenState => ({
  ...state,
  attempt: "none",
  token: undefined,
  nextAttemptAt: never,
  stopped: true
})

/** Gives the state after an attempt that gave a token. */
export const issued = (state: TokenState, token: AccessToken, nextAttemptAt: number): TokenState => ({
  attempt: "none",
  token,
  expired: false,
  nextAttemptAt,
  notBefore: always,
  lastError: undefined,
  consecutiveFailures: 0,
  generation: token.generation,
  invalidatedToken: state.invalidatedToken,
  reportedInRow: state.reportedInRow,
  kept: false,
  stopped: false
})

/** Gives the state after an attempt that failed. Nothing starts another one before `notBefore`. */
export const failed = (state: TokenState, error: IssueError, nextAttemptAt: number, notBefore: number): TokenState => ({
  ...state,
  attempt: "none",
  nextAttemptAt,
  notBefore: Math.max(state.notBefore, notBefore),
  lastError: error,
  consecutiveFailures: state.consecutiveFailures + 1
})

/**
 * What follows from a report about the current token, in one word:
 *
 * - `issue`: it is dropped, and a new one is issued at once
 * - `wait`: it is dropped, and an attempt is on its way already
 * - `backOff`: it is dropped, and the next attempt backs off
 * - `drop`: it is dropped, and the back-off goes on
 * - `keep`: it stays for others, and the next attempt backs off
 * - `ignore`: it stays as it is
 */
export type Reaction = "issue" | "wait" | "backOff" | "drop" | "keep" | "ignore"

/**
 * Says what follows from a report about the current token. The first report is answered with a new token at once. If
 * that one is reported as well, a new token does not help, and the next one has to wait. Such reports are in a row
 * until a token has been accepted. A token that must not be used again (`invalidate`) is dropped in any case. A token
 * that an API has refused (`unauthorized`) is dropped only if a new one can be had for it, because others may well be
 * able to use it.
 */
export const onReport = (state: TokenState, verb: "invalidate" | "unauthorized"): Reaction => {
  const drops = verb === "invalidate"
  if (state.attempt !== "none") {
    return drops || (!state.kept && state.reportedInRow === 0) ? "wait" : "ignore"
  }
  if (state.kept) {
    return drops ? "drop" : "ignore"
  }
  if (state.lastError !== undefined) {
    return drops ? "backOff" : "ignore"
  }
  return state.reportedInRow === 0 ? "issue" : drops ? "backOff" : "keep"
}

/**
 * Gives the state in which reports are no longer in a row, if a token was in use for `maxRetryAfter` ms without one.
 */
export const afterAcceptance = (state: TokenState, maxRetryAfter: number, now: number): TokenState =>
  state.reportedInRow > 0 && isAccepted(state, maxRetryAfter, now) ? { ...state, reportedInRow: 0 } : state

/**
 * Gives the state after the current token was dropped because of a report. It must not become the current one again.
 */
export const invalidated = (state: TokenState): TokenState => ({
  ...state,
  token: undefined,
  expired: false,
  invalidatedToken: state.token?.accessToken,
  reportedInRow: Math.max(state.reportedInRow, 1),
  kept: false
})

/**
 * Gives the state after one more report in a row, which counts as a failed attempt. Its back-off ends at
 * `nextAttemptAt`.
 */
export const reportedAgain = (state: TokenState, error: IssueError, nextAttemptAt: number): TokenState =>
  scheduledAt(
    {
      ...state,
      lastError: state.lastError ?? error,
      consecutiveFailures: Math.max(state.consecutiveFailures + 1, state.reportedInRow),
      reportedInRow: state.reportedInRow + 1
    },
    nextAttemptAt
  )

/** Gives the state in which a reported token stays. It is replaced no later than if nobody had reported it. */
export const kept = (state: TokenState, error: IssueError, nextAttemptAt: number): TokenState => ({
  ...reportedAgain(state, error, Math.min(nextAttemptAt, state.nextAttemptAt)),
  kept: true
})

/**
 * Gives the state after the wall clock was set back. Every instant moves by `skew` milliseconds, so that no time is
 * gained.
 */
export const shifted = (state: TokenState, skew: number): TokenState => ({
  ...state,
  token: state.token && shiftedToken(state.token, skew),
  nextAttemptAt: state.nextAttemptAt + skew,
  notBefore: state.notBefore + skew
})

/** Gives a token whose instants are moved by `skew` milliseconds. */
export const shiftedToken = (token: AccessToken, skew: number): AccessToken => ({
  ...token,
  issuedAt: token.issuedAt + skew,
  expiresAt: token.expiresAt + skew,
  usableUntil: token.usableUntil + skew
})
