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
  /** The end of a Retry-After: nothing starts an attempt before it. */
  readonly notBefore: number
  readonly lastError: IssueError | undefined
  readonly consecutiveFailures: number
  readonly generation: number
  /** The token that was invalidated last, which must not come back. */
  readonly invalidatedToken: Redacted.Redacted<string> | undefined
  /** Where counting failures goes on if the current token, which answered an invalidation, is invalidated as well. */
  readonly failuresBeforeInvalidation: number | undefined
  readonly stopped: boolean
}

export const never = Number.POSITIVE_INFINITY

export const initial = (now: number): TokenState => ({
  attempt: "none",
  token: undefined,
  expired: false,
  nextAttemptAt: now,
  notBefore: 0,
  lastError: undefined,
  consecutiveFailures: 0,
  generation: 0,
  invalidatedToken: undefined,
  failuresBeforeInvalidation: undefined,
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

/** True while the attempt that is due, queued or running answers an invalidation. */
export const answersInvalidation = ({ invalidatedToken, token }: TokenState): boolean =>
  token === undefined && invalidatedToken !== undefined

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
  notBefore: 0,
  lastError: undefined,
  consecutiveFailures: 0,
  generation: token.generation,
  invalidatedToken: state.invalidatedToken,
  failuresBeforeInvalidation: answersInvalidation(state) ? state.consecutiveFailures : undefined,
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
 * What follows from the invalidation of the current token: nothing, because an attempt is on its way; an attempt at once;
 * or a back-off, because an issue moments ago did not help, or the issuer is failing.
 */
export const onInvalidation = (state: TokenState, retryAfter: number, now: number): "wait" | "issue" | "backOff" =>
  state.attempt !== "none"
    ? "wait"
    : state.lastError !== undefined || answeredInvalidationWithin(state, retryAfter, now)
      ? "backOff"
      : "issue"

const answeredInvalidationWithin = (state: TokenState, millis: number, now: number): boolean =>
  state.failuresBeforeInvalidation !== undefined && now - (state.token?.issuedAt ?? 0) < millis

export const invalidated = (state: TokenState): TokenState => ({
  ...state,
  token: undefined,
  expired: false,
  invalidatedToken: state.token?.accessToken
})

/**
 * The invalidation counts as a failed attempt, on top of those before the invalidation that the token answered. The
 * schedule decides when the next attempt starts: see {@link scheduledAt}.
 */
export const invalidatedAsFailure = (state: TokenState, error: IssueError): TokenState => ({
  ...invalidated(state),
  nextAttemptAt: never,
  lastError: state.lastError ?? error,
  consecutiveFailures:
    (state.lastError === undefined ? (state.failuresBeforeInvalidation ?? 0) : state.consecutiveFailures) + 1,
  failuresBeforeInvalidation: undefined
})

/** Moves every instant by `skew`: the wall clock was set back, and the time that is left has not changed. */
export const shifted = (state: TokenState, skew: number): TokenState => ({
  ...state,
  token: state.token && {
    ...state.token,
    issuedAt: state.token.issuedAt + skew,
    expiresAt: state.token.expiresAt + skew,
    usableUntil: state.token.usableUntil + skew
  },
  nextAttemptAt: state.nextAttemptAt + skew,
  notBefore: state.notBefore + skew
})
