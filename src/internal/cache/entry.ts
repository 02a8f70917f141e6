import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import type * as Fiber from "effect/Fiber"
import type * as SubscriptionRef from "effect/SubscriptionRef"
import type * as Tracer from "effect/Tracer"
import type { AccessToken } from "../../IssuedToken.js"
import type { TokenUnavailable } from "../../TokenError.js"
import type { TokenSource } from "../../TokenSource.js"
import type { Timed } from "./deadlineQueue.js"
import * as TokenState from "./tokenState.js"
import type { Waiters } from "./waiters.js"

/**
 * All that the cache holds for one token. Fields that one file writes are an interface of their own. They lie in one
 * object all the same, because several objects for each of 100,000 tokens would be felt.
 */
export interface Entry extends Timed, ScheduleMemory, Counters {
  /** The name of the token in the cache. */
  readonly name: string
  /** How the token is issued. */
  readonly source: TokenSource<unknown, unknown>
  /** The services that the source needs, from where it was added to the cache. */
  readonly context: Context.Context<unknown>
  /**
   * What the cache knows of the token. Only `Cache.update` replaces it, with what a function of `tokenState.ts` gives.
   */
  state: TokenState.TokenState
  /** When the token stops being usable on the monotonic clock, which nobody sets back. Written by `conclusion.ts`. */
  usableUntilNanos: bigint
  /** Why the next attempt starts before it is due, if somebody asked for that. */
  demand: Demand | undefined
  /** When the token is dropped because nobody reads it. Only tenants have this. */
  readonly idle: Idle | undefined
  /** The attempt that is running, if one is. Written by `attempt.ts`, `conclusion.ts` and `membership.ts`. */
  attempt: Attempt | undefined
  /** The readers that wait for the outcome of the next attempt, if there are any. */
  waiters: Waiters<AccessToken, TokenUnavailable> | undefined
  /**
   * What `changes` follows: made when the token is first observed, and set at every change of the state from then on.
   */
  observed: SubscriptionRef.SubscriptionRef<TokenState.TokenState> | undefined
}

/** Why an attempt started. It is `shared` if the attempt takes over what another process has issued. */
export type Trigger = "startup" | "schedule" | "read" | "unauthorized" | "manual" | "shared"

/** The wish for an attempt before one is due. */
export interface Demand {
  /** Why the attempt is wanted. */
  readonly trigger: Trigger
  /** Whether a reader waits, so that the attempt starts even above the concurrency limit. */
  readonly urgent: boolean
}

/** What the schedule of a token remembers between two attempts. Written by `nextAttempt.ts`. */
export interface ScheduleMemory {
  /** The state of the schedule. `undefined` before its first step. */
  scheduleState: unknown
  /** Whether the default policy replaces the source's own schedule, because that one has ended or failed. */
  usesFallbackSchedule: boolean
}

/** How often a token was read, and with what result. Written by `reader.ts`. */
export interface Counters {
  /** How many reads there were in all. */
  reads: number
  /** How many reads found no usable token. */
  misses: number
  /** How many reads found no usable token and got one after a wait. */
  waited: number
  /** How many reads got no token. A miss that got none and is not counted here still waits, or was interrupted. */
  unavailable: number
}

/** When a tenant is dropped. */
export interface Idle {
  /** How long the token is kept after its last read, in milliseconds. */
  readonly timeToLive: number
  /** When the token was last read or refreshed, in epoch milliseconds. */
  readAt: number
  /** The same on the monotonic clock. */
  readAtNanos: bigint
  /** How many lookups, reads and refreshes wait for the token. While there are any, it is not dropped. */
  waiting: number
  /** Is called when nobody waits for the token any more. */
  readonly released: () => void
}

/** An attempt that is running. */
export interface Attempt {
  /** When the attempt started, in epoch milliseconds. It is moved when the wall clock is set back. */
  startedAt: number
  /** When the attempt started, on the monotonic clock. */
  readonly startedAtNanos: bigint
  /** The fiber of the attempt. `undefined` until it is forked. */
  fiber: Fiber.RuntimeFiber<void> | undefined
  /** Whether the attempt counts against the concurrency limit. Written by `permits.ts`. */
  holdsPermit: boolean
  /** Why the attempt started. It becomes `shared` if the attempt takes over a token. */
  trigger: Trigger
  /** Whether the attempt waits for another process to issue the token. */
  awaitingLease: boolean
  /** The span of the attempt. `undefined` until its fiber has begun. */
  span: Tracer.Span | undefined
  /** How far the cache had moved its instants when it accepted the token that the attempt gives. */
  acceptedSkew: number
}

const startup: Demand = { trigger: "startup", urgent: false }

/** Makes the entry of a token that is due at once. With an `idle`, the token is a tenant. */
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

/** Gives the instant at which a running attempt reaches its time limit. */
export const timeoutAt = (entry: Entry, attempt: Attempt): number =>
  Math.ceil(attempt.startedAt + Duration.toMillis(entry.source.issueTimeout ?? "30 seconds"))

/**
 * Gives the instant from which a running attempt does not count against the concurrency limit: who hangs starves
 * nobody.
 */
export const permitExpiresAt = (attempt: Attempt, readTimeout: number): number =>
  Math.ceil(attempt.startedAt + readTimeout)

/** Notes that a tenant is read now. */
export const noteRead = (idle: Idle, now: number, nanos: bigint): void => {
  idle.readAt = now
  idle.readAtNanos = nanos
}

/**
 * Moves the last read of a tenant after the wall clock was set back. A read that came after that, and before anybody
 * noticed it, is an instant of the new clock already: the monotonic clock tells.
 */
export const shiftIdle = (idle: Idle, now: number, nanos: bigint): void => {
  idle.readAt = Math.min(idle.readAt, now - Number((nanos - idle.readAtNanos) / 1_000_000n))
}

/** Gives the instant at which nobody has read a tenant for too long, or `never` while somebody waits for its token. */
export const idleAt = ({ idle, state, waiters }: Entry): number =>
  idle === undefined || waiters !== undefined || state.stopped
    ? TokenState.never
    : Math.ceil(idle.readAt + idle.timeToLive)

/** Gives the instant at which the refresh fiber has to look at the token next. */
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

/** Gives the token, if neither the wall clock nor the monotonic clock has reached the end of its use. */
export const usableToken = ({ state, usableUntilNanos }: Entry, now: number, nanos: bigint): AccessToken | undefined =>
  TokenState.isUsable(state, now) && nanos < usableUntilNanos ? state.token : undefined
