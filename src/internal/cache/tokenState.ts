import type * as Redacted from "effect/Redacted"
import type { AccessToken } from "../../IssuedToken.js"
import type { IssueError } from "../../TokenError.js"
import type { TokenStateName } from "../../TokenStatus.js"

/** What the cache knows of one token. Instants are epoch milliseconds. Every change is one of the functions below. */
export interface TokenState {
  readonly attempt: "none" | "queued" | "running"
  readonly token: AccessToken | undefined
  /** The token has expired. It is kept, so that a clock that is set back does not bring it to life again. */
  readonly expired: boolean
  /** When the next attempt is due; `never` while one is queued or running. */
  readonly nextAttemptAt: number
  /** The end of a Retry-After: nothing starts an attempt before it. `-Infinity` without one. */
  readonly notBefore: number
  readonly lastError: IssueError | undefined
  readonly consecutiveFailures: number
  readonly generation: number
  /** The token that was invalidated last, which must not come back. */
  readonly invalidatedToken: Redacted.Redacted<string> | undefined
  /** How many tokens in a row were reported as refused; see {@link onReport}. */
  readonly reportedInRow: number
  /** The current token was reported, and is kept for others until the next one is issued. */
  readonly kept: boolean
  readonly stopped: boolean
}

export const never = Number.POSITIVE_INFINITY

const always = Number.NEGATIVE_INFINITY

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

/** True if the token may be handed out, as far as the wall clock says. */
export const isUsable = ({ expired, token }: TokenState, now: number): boolean =>
  token !== undefined && !expired && now < token.usableUntil

/** True if the next attempt should have started already. */
export const isOverdue = ({ nextAttemptAt }: TokenState, now: number): boolean => now >= nextAttemptAt

/** True between a failed attempt and the next one. */
export const isBackingOff = (state: TokenState, now: number): boolean =>
  state.attempt === "none" && state.lastError !== undefined && !isOverdue(state, now)

/** True while no attempt is queued or running, and one may be. */
export const isAtRest = ({ attempt, stopped }: TokenState): boolean => attempt === "none" && !stopped

/** True if the current token has been in use for `maxRetryAfter` milliseconds, and nobody has reported it. */
const isAccepted = ({ kept, token }: TokenState, maxRetryAfter: number, now: number): boolean =>
  token !== undefined && !kept && now - token.issuedAt >= maxRetryAfter

/** When the token expires for its readers; `never` if there is none, or if it has expired already. */
export const expiry = ({ expired, token }: TokenState): number =>
  token === undefined || expired ? never : token.usableUntil

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

export const queued = (state: TokenState): TokenState => ({ ...state, attempt: "queued", nextAttemptAt: never })

export const running = (state: TokenState): TokenState => ({ ...state, attempt: "running", nextAttemptAt: never })

/** The next attempt is due at an instant, or at the end of a Retry-After if that is later. */
export const scheduledAt = (state: TokenState, nextAttemptAt: number): TokenState => ({
  ...state,
  nextAttemptAt: Math.ceil(Math.max(nextAttemptAt, state.notBefore))
})

export const expired = (state: TokenState): TokenState => ({ ...state, expired: true })

export const stopped = (state: TokenState): TokenState => ({
  ...state,
  attempt: "none",
  token: undefined,
  nextAttemptAt: never,
  stopped: true
})

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

export const failed = (state: TokenState, error: IssueError, nextAttemptAt: number, notBefore: number): TokenState => ({
  ...state,
  attempt: "none",
  nextAttemptAt,
  notBefore: Math.max(state.notBefore, notBefore),
  lastError: error,
  consecutiveFailures: state.consecutiveFailures + 1
})

/**
 * What follows from a report about the current token:
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
 * The first report of a token is answered with a new one at once. If that one is reported as well, a new token does not
 * help, and the next one has to wait: such reports are in a row until a token has been accepted. A token that must not be
 * used again (`invalidate`) is dropped in any case; a token that an API has refused (`unauthorized`) only if a new one can
 * be had for it, because others may well be able to use it.
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

/** Reports are no longer in a row once a token has been in use for `maxRetryAfter` milliseconds without one. */
export const afterAcceptance = (state: TokenState, maxRetryAfter: number, now: number): TokenState =>
  state.reportedInRow > 0 && isAccepted(state, maxRetryAfter, now) ? { ...state, reportedInRow: 0 } : state

/** The token must not be used again. */
export const invalidated = (state: TokenState): TokenState => ({
  ...state,
  token: undefined,
  expired: false,
  invalidatedToken: state.token?.accessToken,
  reportedInRow: Math.max(state.reportedInRow, 1),
  kept: false
})

/** One more report in a row counts as a failed attempt, whose back-off ends at `nextAttemptAt`. */
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

/** The token stays, and is replaced when it would have been if nobody had reported it, at the latest. */
export const kept = (state: TokenState, error: IssueError, nextAttemptAt: number): TokenState => ({
  ...reportedAgain(state, error, Math.min(nextAttemptAt, state.nextAttemptAt)),
  kept: true
})

/** Moves every instant by `skew`: the wall clock was set back, and the time that is left has not changed. */
export const shifted = (state: TokenState, skew: number): TokenState => ({
  ...state,
  token: state.token && shiftedToken(state.token, skew),
  nextAttemptAt: state.nextAttemptAt + skew,
  notBefore: state.notBefore + skew
})

export const shiftedToken = (token: AccessToken, skew: number): AccessToken => ({
  ...token,
  issuedAt: token.issuedAt + skew,
  expiresAt: token.expiresAt + skew,
  usableUntil: token.usableUntil + skew
})
