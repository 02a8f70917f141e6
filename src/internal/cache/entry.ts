import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import type * as Fiber from "effect/Fiber"
import type * as SubscriptionRef from "effect/SubscriptionRef"
import type * as Tracer from "effect/Tracer"
import type { AccessToken } from "../../IssuedToken.js"
import type { IssueOutcome } from "../../RefreshPolicy.js"
import type { TokenUnavailable } from "../../TokenError.js"
import type { TokenSource } from "../../TokenSource.js"
import type { Timed } from "./deadlineQueue.js"
import * as TokenState from "./tokenState.js"
import type { Waiters } from "./waiters.js"

/**
 * All that the cache holds for one token. What has an owner of its own is an interface of its own; the fields lie in one
 * object all the same, because an object each would be felt at 100,000 tokens.
 */
export interface Entry extends Timed, ScheduleMemory, Counters {
  readonly name: string
  readonly source: TokenSource<unknown, unknown>
  /** What the source needs, from where it was added to the cache. */
  readonly context: Context.Context<unknown>
  /** Replaced by `Cache.update` alone, with what a function of `tokenState.ts` gives. */
  state: TokenState.TokenState
  /** When the token stops being usable on the monotonic clock, which nobody sets back. Written by `attempt.ts`. */
  usableUntilNanos: bigint
  /** Why the next attempt starts before it is due, if anybody asked for that. */
  demand: Demand | undefined
  /** Of a token that is dropped when nobody reads it. */
  readonly idle: Idle | undefined
  /** The attempt that is running. Written by `attempt.ts`. */
  attempt: Attempt | undefined
  /** The readers that wait for the outcome of the next attempt. */
  waiters: Waiters<AccessToken, TokenUnavailable> | undefined
  /** Made when the token is observed for the first time, and set at every change of the state from then on. */
  observed: SubscriptionRef.SubscriptionRef<TokenState.TokenState> | undefined
}

/** Why an attempt starts; `shared` if it takes over what another process has issued. */
export type Trigger = "startup" | "schedule" | "read" | "unauthorized" | "manual" | "shared"

export interface Demand {
  readonly trigger: Trigger
  /** A reader waits, so the attempt starts above the concurrency limit. */
  readonly urgent: boolean
}

/** What the schedule remembers. Written by `nextAttempt.ts`. */
export interface ScheduleMemory {
  /** The state of the schedule; `undefined` before its first step. */
  scheduleState: unknown
  /** True if the source's own schedule has ended or failed, and the default policy replaces it. */
  usesFallbackSchedule: boolean
}

/** Counted by `reader.ts`. */
export interface Counters {
  reads: number
  /** Reads that found no usable token. */
  misses: number
  /** Misses that got a token in the end. */
  waited: number
  /** Misses that got none. A miss that is neither is still waiting, or was interrupted. */
  unavailable: number
}

export interface Idle {
  /** How long the token is kept after its last read, in milliseconds. */
  readonly timeToLive: number
  readAt: number
  /** How many lookups, reads and refreshes wait for the token. */
  waiting: number
  /** Called when the last of them has ended. */
  readonly released: () => void
}

export interface Attempt {
  /** Moved when the wall clock is set back. */
  startedAt: number
  readonly startedAtNanos: bigint
  fiber: Fiber.RuntimeFiber<IssueOutcome> | undefined
  /** True while the attempt counts against the concurrency limit. Written by `permits.ts`. */
  holdsPermit: boolean
  trigger: Trigger
  /** True while the attempt waits for another process to issue the token. */
  awaitingLease: boolean
  /** There once the fiber has begun. */
  span: Tracer.Span | undefined
}

const startup: Demand = { trigger: "startup", urgent: false }

export const make = (
  name: string,
  source: TokenSource<unknown, unknown>,
  context: Context.Context<unknown>,
  now: number,
  idle?: Idle
): Entry => ({
  wakeAt: TokenState.never,
  queuedAt: TokenState.never,
  name,
  source,
  context,
  state: TokenState.initial(now),
  usableUntilNanos: 0n,
  demand: startup,
  scheduleState: undefined,
  usesFallbackSchedule: false,
  reads: 0,
  misses: 0,
  waited: 0,
  unavailable: 0,
  idle,
  attempt: undefined,
  waiters: undefined,
  observed: undefined
})

/** When a running attempt has reached its time limit. */
export const timeoutAt = (entry: Entry, attempt: Attempt): number =>
  Math.ceil(attempt.startedAt + Duration.toMillis(entry.source.issueTimeout ?? "30 seconds"))

/** When a running attempt stops counting against the concurrency limit, so that issuers that hang starve nobody. */
export const permitExpiresAt = (attempt: Attempt, readTimeout: number): number =>
  Math.ceil(attempt.startedAt + readTimeout)

/** When nobody has read the token for too long, and nobody waits for one. */
export const idleAt = ({ idle, state, waiters }: Entry): number =>
  idle === undefined || waiters !== undefined || state.stopped
    ? TokenState.never
    : Math.ceil(idle.readAt + idle.timeToLive)

/** When the refresh fiber has to look at the token next. */
export const nextDeadline = (entry: Entry, readTimeout: number): number => {
  const { attempt, state } = entry
  const due = Math.min(state.nextAttemptAt, TokenState.expiry(state), idleAt(entry))
  return attempt === undefined
    ? due
    : Math.min(
        due,
        timeoutAt(entry, attempt),
        attempt.holdsPermit ? permitExpiresAt(attempt, readTimeout) : TokenState.never
      )
}

/** The token, if neither the wall clock nor the monotonic clock has passed the end of its use. */
export const usableToken = ({ state, usableUntilNanos }: Entry, now: number, nanos: bigint): AccessToken | undefined =>
  TokenState.isUsable(state, now) && nanos < usableUntilNanos ? state.token : undefined
