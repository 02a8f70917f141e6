import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as Redacted from "effect/Redacted"
import type { AccessToken, IssuedToken } from "../../IssuedToken.js"
import { IssueError } from "../../TokenError.js"
import type { TokenStateName } from "../../TokenStatus.js"

/**
 * What the cache knows of one token. Instants are epoch milliseconds. Every change is one of the functions below.
 */
export interface TokenState {
  readonly attempt: "none" | "queued" | "running"
  readonly token: AccessToken | undefined
  /** The token ran out; kept, so that a clock set back does not bring it to life again. */
  readonly expired: boolean
  /** The next attempt is due; `never` while one is queued or running. */
  readonly nextAttemptAt: number
  /** A Retry-After: nothing starts an attempt before. */
  readonly notBefore: number
  readonly lastError: IssueError | undefined
  readonly consecutiveFailures: number
  readonly generation: number
  /** The token that was invalidated last; it may not come back. */
  readonly refused: Redacted.Redacted<string> | undefined
  /** Failures to go on counting from if the current token, issued after an invalidation, is refused as well. */
  readonly failuresBefore: number | undefined
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
  refused: undefined,
  failuresBefore: undefined,
  stopped: false
})

/** When the token runs out, unless it already has. */
export const expiry = (state: TokenState): number =>
  state.token === undefined || state.expired ? never : state.token.usableUntil

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

export const postponed = (state: TokenState, nextAttemptAt: number): TokenState => ({
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
  refused: state.refused,
  failuresBefore: replacesRefused(state) ? state.consecutiveFailures : undefined,
  stopped: false
})

/** True while the attempt that is due, queued or running answers an invalidation. */
export const replacesRefused = (state: TokenState): boolean => state.token === undefined && state.refused !== undefined

export const failed = (state: TokenState, error: IssueError, nextAttemptAt: number, notBefore: number): TokenState => ({
  ...state,
  attempt: "none",
  nextAttemptAt,
  notBefore: Math.max(state.notBefore, notBefore),
  lastError: error,
  consecutiveFailures: state.consecutiveFailures + 1
})

/**
 * What follows from the invalidation of the current token: nothing, since an attempt is on its way; an attempt at once;
 * or a back-off, since an issue moments ago did not help, or the issuer is failing.
 */
export const onInvalidation = (state: TokenState, retryAfter: number, now: number): "wait" | "issue" | "backOff" =>
  state.attempt !== "none"
    ? "wait"
    : state.lastError !== undefined || (state.failuresBefore !== undefined && now - issuedAt(state) < retryAfter)
      ? "backOff"
      : "issue"

const issuedAt = (state: TokenState): number => state.token?.issuedAt ?? 0

export const invalidated = (state: TokenState): TokenState => ({
  ...state,
  token: undefined,
  expired: false,
  refused: state.token?.accessToken
})

/**
 * The invalidation counts as a failed attempt, on top of those before the token that was refused. When the next attempt
 * starts is for the schedule to say: see `postponed`.
 */
export const refusedAgain = (state: TokenState, error: IssueError): TokenState => ({
  ...invalidated(state),
  nextAttemptAt: never,
  lastError: state.lastError ?? error,
  consecutiveFailures: (state.lastError === undefined ? (state.failuresBefore ?? 0) : state.consecutiveFailures) + 1,
  failuresBefore: undefined
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

const tenYears = Duration.toMillis("3650 days")

/**
 * Checks what an issuer returned, at `now`, for a request that started at `startedAt`.
 */
export const accept = (
  state: TokenState,
  issued: IssuedToken,
  options: {
    readonly startedAt: number
    readonly now: number
    readonly leeway: number
    readonly defaultLifetime: Duration.DurationInput | undefined
  }
): Either.Either<AccessToken, IssueError> => {
  if (!isIssuedToken(issued)) {
    return invalid("the issuer did not return an IssuedToken")
  }
  if (state.refused !== undefined && sameToken(state.refused, issued.accessToken)) {
    return invalid("the issuer returned the token that was just invalidated")
  }
  const from = issuedAtOf(issued, options)
  const lifetime = lifetimeOf(issued, from, options.defaultLifetime)
  if (lifetime === undefined) {
    return invalid("the token has no lifetime: give the source a defaultLifetime")
  }
  if (!(lifetime > 0)) {
    return invalid("the token's lifetime is not a positive duration")
  }
  const capped = Math.min(lifetime, tenYears)
  const expiresAt = Math.ceil(from + capped)
  const usableUntil = Math.ceil(from + capped - Math.min(options.leeway, capped / 10))
  if (usableUntil <= options.now) {
    return invalid("the token had already expired when it arrived")
  }
  return Either.right({
    accessToken: issued.accessToken,
    issuedAt: from,
    expiresAt,
    usableUntil,
    generation: state.generation + 1,
    ...(typeof issued.keyId === "string" ? { keyId: issued.keyId } : undefined),
    ...(typeof issued.scope === "string" ? { scope: issued.scope } : undefined)
  })
}

export const sameToken = (a: Redacted.Redacted<string>, b: Redacted.Redacted<string>): boolean => Equal.equals(a, b)

const invalid = (message: string) => Either.left(new IssueError({ reason: "InvalidResponse", message }))

// An issuer written in JavaScript, or behind a cast, can return anything.
const isIssuedToken = (issued: unknown): issued is IssuedToken =>
  typeof issued === "object" &&
  issued !== null &&
  "accessToken" in issued &&
  Redacted.isRedacted(issued.accessToken) &&
  isFilled(Redacted.value(issued.accessToken))

const isFilled = (value: unknown): boolean => typeof value === "string" && value !== ""

/** Not in the future: the clock of who issued it may be ahead. */
const issuedAtOf = (
  { issuedAt }: IssuedToken,
  { now, startedAt }: { readonly now: number; readonly startedAt: number }
): number => (Number.isFinite(issuedAt) ? Math.min(Math.floor(Number(issuedAt)), now) : startedAt)

const lifetimeOf = (
  { expiresAt, expiresIn }: IssuedToken,
  from: number,
  defaultLifetime: Duration.DurationInput | undefined
): number | undefined =>
  expiresIn !== undefined
    ? millis(expiresIn)
    : expiresAt !== undefined
      ? expiresAt - from
      : defaultLifetime === undefined
        ? undefined
        : millis(defaultLifetime)

const millis = (duration: unknown): number => {
  const decoded = Duration.decodeUnknown(duration)
  return decoded._tag === "Some" ? Duration.toMillis(decoded.value) : Number.NaN
}
