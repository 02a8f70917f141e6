import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { AccessToken } from "../../IssuedToken.js"
import * as RefreshPolicy from "../../RefreshPolicy.js"
import { IssueError, type TokenUnavailable } from "../../TokenError.js"
import { issueErrorOf } from "../issueErrorOf.js"
import * as Accepted from "./accessToken.js"
import { annotated, type Cache } from "./cache.js"
import type { Attempt, Entry } from "./entry.js"
import * as NextAttempt from "./nextAttempt.js"
import * as Telemetry from "./telemetry.js"
import * as TokenState from "./tokenState.js"
import * as Unavailable from "./tokenUnavailable.js"

/** Ends an attempt, unless it has ended already: steps the schedule with its outcome, and settles the token. */
export const conclude = (
  cache: Cache,
  entry: Entry,
  attempt: Attempt,
  exit: Exit.Exit<AccessToken, IssueError>
): Effect.Effect<void> =>
  Effect.suspend(() => {
    cache.permits.release(attempt)
    cache.wake()
    if (entry.attempt !== attempt) {
      return Effect.void
    }
    cache.adjustForClockSetBack()
    entry.attempt = undefined
    const endedAt = cache.now()
    const skew = cache.skew()
    const outcome = Exit.isFailure(exit)
      ? // A fiber that was interrupted from inside has no IssueError yet; all other causes have one by now.
        Exit.fail(issueErrorOf(exit.cause))
      : skew === attempt.acceptedSkew
        ? exit
        : // The clock was set back while the token was written to a store.
          Exit.map(exit, (token) => TokenState.shiftedToken(token, skew - attempt.acceptedSkew))
    if (cache.listeners.size > 0) {
      report(cache, entry, attempt, outcome)
    }
    return schedule(cache, entry, attempt, outcome, endedAt)
  }).pipe(Effect.catchAllCause((cause) => giveUp(cache, entry, cause)))

/** Steps the schedule with the outcome of an attempt that has ended, and makes it the next state of the token. */
const schedule = (
  cache: Cache,
  entry: Entry,
  attempt: Attempt,
  outcome: RefreshPolicy.IssueOutcome,
  endedAt: number
): Effect.Effect<void> => {
  const skew = cache.skew()
  return Effect.flatMap(NextAttempt.afterAttempt(entry, outcome, attempt.startedAt, endedAt), (nextAttemptAt) =>
    settle(cache, entry, { attempt, outcome, endedAt, nextAttemptAt, skew })
  )
}

const report = (cache: Cache, entry: Entry, attempt: Attempt, outcome: RefreshPolicy.IssueOutcome): void =>
  cache.report({
    _tag: "Attempt",
    token: entry,
    trigger: attempt.trigger,
    outcome: Telemetry.outcomeOf(outcome),
    millis: Number(cache.clock.unsafeCurrentTimeNanos() - attempt.startedAtNanos) / 1e6
  })

/** An attempt that has ended. */
interface Ended {
  readonly attempt: Attempt
  readonly outcome: RefreshPolicy.IssueOutcome
  /** When it ended, in epoch milliseconds. */
  readonly endedAt: number
  /** When the next attempt is due, in epoch milliseconds. */
  readonly nextAttemptAt: number
  /** How far the cache had moved its instants by then. What it moves them further, these instants have to follow. */
  readonly skew: number
}

const settle = (cache: Cache, entry: Entry, ended: Ended): Effect.Effect<void> => {
  if (entry.state.stopped) {
    return Effect.void
  }
  // A schedule may take its time, and the clock may have been set back meanwhile.
  NextAttempt.shift(entry, cache.skew() - ended.skew)
  cache.adjustForClockSetBack()
  const skew = cache.skew() - ended.skew
  const endedAt = ended.endedAt + skew
  const nextAttemptAt = ended.nextAttemptAt + skew
  cache.wake()
  if (Exit.isFailure(ended.outcome)) {
    return fail(cache, entry, issueErrorOf(ended.outcome.cause), endedAt, nextAttemptAt)
  }
  const { attempt, outcome } = ended
  if (Accepted.isInvalidated(outcome.value.accessToken, entry.state.invalidatedToken)) {
    // It was the current token until now, too, and somebody has reported it since it was accepted.
    return schedule(cache, entry, attempt, Exit.fail(Accepted.returnedInvalidated), endedAt)
  }
  entry.usableUntilNanos = attempt.startedAtNanos + BigInt(outcome.value.usableUntil - attempt.startedAt) * 1_000_000n
  const token = skew === 0 ? outcome.value : TokenState.shiftedToken(outcome.value, skew)
  return succeed(cache, entry, token, endedAt, nextAttemptAt)
}

const succeed = (
  cache: Cache,
  entry: Entry,
  token: AccessToken,
  endedAt: number,
  nextAttemptAt: number
): Effect.Effect<void> => {
  const before = TokenState.afterAcceptance(entry.state, NextAttempt.maxRetryAfter(entry), endedAt)
  cache.update(entry, TokenState.issued(before, token, nextAttemptAt))
  const { expiresAt, generation } = token
  cache.publish({ _tag: "Issued", name: entry.name, at: endedAt, generation, expiresAt })
  complete(cache, entry, () => Exit.succeed(token))
  return cache.logsDebug ? annotated(entry, Effect.logDebug("Issued an access token")) : Effect.void
}

const fail = (
  cache: Cache,
  entry: Entry,
  error: IssueError,
  endedAt: number,
  nextAttemptAt: number
): Effect.Effect<void> => {
  const notBefore = endedAt + RefreshPolicy.retryAfterMillis(error)
  cache.update(entry, TokenState.failed(entry.state, error, nextAttemptAt, notBefore))
  cache.publish({ _tag: "IssueFailed", name: entry.name, at: endedAt, error })
  complete(cache, entry, () => Exit.fail(Unavailable.issueFailed(entry, endedAt)))
  return annotated(entry, Effect.logWarning(`Could not issue an access token: ${error.message}`))
}

/**
 * Ends an attempt whose outcome caused a defect, for example in a logger, as one that failed, so that another one
 * follows.
 */
const giveUp = (cache: Cache, entry: Entry, cause: Cause.Cause<never>): Effect.Effect<void> => {
  if (entry.state.attempt === "running" && !Cause.isInterruptedOnly(cause)) {
    const endedAt = cache.now()
    const error = new IssueError({ reason: "Defect" })
    const nextAttemptAt = endedAt + NextAttempt.retryAfter(entry)
    cache.update(entry, TokenState.failed(entry.state, error, nextAttemptAt, endedAt))
    complete(cache, entry, () => Exit.fail(Unavailable.issueFailed(entry, endedAt)))
    cache.wake()
  }
  return annotated(entry, Effect.logError("The outcome of an attempt could not be dealt with", cause))
}

/** Gives the outcome of an attempt to all readers that wait for it. */
export const complete = (cache: Cache, entry: Entry, exit: () => Exit.Exit<AccessToken, TokenUnavailable>): void => {
  const { waiters } = entry
  if (waiters !== undefined) {
    entry.waiters = undefined
    cache.reschedule(entry)
    waiters.complete(exit())
  }
}
