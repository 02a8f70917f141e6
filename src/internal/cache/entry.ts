import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import type * as Fiber from "effect/Fiber"
import type * as SubscriptionRef from "effect/SubscriptionRef"
import type * as Tracer from "effect/Tracer"
import type { AccessToken } from "../../IssuedToken.js"
import type { IssueOutcome } from "../../RefreshPolicy.js"
import type { TokenSource } from "../../TokenSource.js"
import type { TokenStatus } from "../../TokenStatus.js"
import type { Shared } from "../sharing/sharing.js"
import type { Timed } from "./deadlineQueue.js"
import * as TokenState from "./tokenState.js"
import type { Waiting } from "./waiters.js"

/** All that the cache holds for one token. `state` changes by the functions of `tokenState.ts` only. */
export interface Entry extends Timed {
  readonly name: string
  readonly source: TokenSource<unknown, unknown>
  readonly context: Context.Context<unknown>
  /** Of a token that other processes share. */
  readonly shared: Shared | undefined
  state: TokenState.TokenState
  /** The end of the token's use on the monotonic clock, which nobody sets back. */
  usableUntilNanos: bigint
  reads: number
  /** Reads that found no usable token, */
  misses: number
  /** those of them that got one in the end, */
  waited: number
  /** and those that got none. The rest still waits, or was interrupted. */
  unavailable: number
  readonly idle: Idle | undefined
  /** A reader waits, so the next attempt starts above the concurrency limit. */
  wanted: boolean
  /** Why the next attempt starts before it is due. */
  trigger: Trigger | undefined
  /** All who wait for the outcome of the next attempt. */
  waiting: Waiting<AccessToken> | undefined
  attempt: Attempt | undefined
  /** Of the schedule; `undefined` before its first step. */
  scheduleState: unknown
  /** The same before the current token was issued: where a back-off goes on if that token is refused. */
  scheduleStateBefore: unknown
  /** The source's own schedule ended or failed, and the default policy replaces it. */
  fallback: boolean
  /** Made when somebody observes the token, and set at every change from then on. */
  observed: SubscriptionRef.SubscriptionRef<TokenState.TokenState> | undefined
}

/** Why an attempt starts; `shared` if it takes over what another process has issued. */
export type Trigger = "startup" | "schedule" | "read" | "unauthorized" | "manual" | "shared"

/** Of a token that is dropped when nobody reads it for `timeToLive`. */
export interface Idle {
  readonly timeToLive: number
  readAt: number
}

export interface Attempt {
  /** Moved when the wall clock is set back. */
  startedAt: number
  readonly startedAtNanos: bigint
  fiber: Fiber.RuntimeFiber<IssueOutcome> | undefined
  /** It takes one of the concurrent places; given up after `readTimeout`, so that issuers that hang starve nobody. */
  counted: boolean
  trigger: Trigger
  /** It waits for another process to issue the token. */
  waits: boolean
  /** There once the fiber has begun. */
  span: Tracer.Span | undefined
}

export const make = (
  name: string,
  source: TokenSource<unknown, unknown>,
  context: Context.Context<unknown>,
  now: number,
  options: { readonly timeToLive?: number | undefined; readonly shared?: Shared | undefined } = {}
): Entry => ({
  wakeAt: TokenState.never,
  queuedAt: TokenState.never,
  name,
  source,
  context,
  shared: options.shared,
  state: TokenState.initial(now),
  usableUntilNanos: 0n,
  reads: 0,
  misses: 0,
  waited: 0,
  unavailable: 0,
  idle: options.timeToLive === undefined ? undefined : { timeToLive: options.timeToLive, readAt: now },
  wanted: false,
  trigger: "startup",
  waiting: undefined,
  attempt: undefined,
  scheduleState: undefined,
  scheduleStateBefore: undefined,
  fallback: false,
  observed: undefined
})

/** When an attempt is given up. */
export const timeoutAt = (entry: Entry, attempt: Attempt): number =>
  Math.ceil(attempt.startedAt + Duration.toMillis(entry.source.issueTimeout ?? "30 seconds"))

export const placeLostAt = (attempt: Attempt, readTimeout: number): number => Math.ceil(attempt.startedAt + readTimeout)

/** When nobody has read the token for too long, and nobody waits for one. */
export const idleAt = ({ idle, state, waiting }: Entry): number =>
  idle === undefined || waiting !== undefined || state.stopped
    ? TokenState.never
    : Math.ceil(idle.readAt + idle.timeToLive)

/** When something has to be done for the token. */
export const nextDeadline = (entry: Entry, readTimeout: number): number => {
  const { attempt, state } = entry
  const due = Math.min(state.nextAttemptAt, TokenState.expiry(state), idleAt(entry))
  return attempt === undefined
    ? due
    : Math.min(due, timeoutAt(entry, attempt), attempt.counted ? placeLostAt(attempt, readTimeout) : TokenState.never)
}

/** The token, if neither the wall clock nor the monotonic clock has passed the end of its use. */
export const usable = ({ state, usableUntilNanos }: Entry, now: number, nanos: bigint): AccessToken | undefined =>
  state.token !== undefined && now < state.token.usableUntil && !state.expired && nanos < usableUntilNanos
    ? state.token
    : undefined

export const status = (entry: Entry, now: number, nanos: bigint): TokenStatus => {
  const { state } = entry
  const { token } = state
  return {
    name: entry.name,
    ...(entry.source.issuer === undefined ? undefined : { issuer: entry.source.issuer }),
    ...(entry.idle === undefined ? undefined : { tenant: true }),
    state: TokenState.name(state, usable(entry, now, nanos) !== undefined),
    refreshing: state.attempt !== "none",
    ...(token === undefined ? undefined : { issuedAt: token.issuedAt, expiresAt: token.expiresAt }),
    ...(state.nextAttemptAt === TokenState.never ? undefined : { nextAttemptAt: state.nextAttemptAt }),
    generation: state.generation,
    consecutiveFailures: state.consecutiveFailures,
    ...(state.lastError === undefined ? undefined : { lastError: state.lastError }),
    ...(token === undefined || entry.shared?.state === undefined ? undefined : { sharing: entry.shared.state }),
    reads: entry.reads
  }
}
