import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Tracer from "effect/Tracer"
import type { AccessToken, IssuedToken } from "../../IssuedToken.js"
import * as RefreshPolicy from "../../RefreshPolicy.js"
import { IssueError, type TokenUnavailable } from "../../TokenError.js"
import { issueErrorOf } from "../issueErrorOf.js"
import * as Accepted from "./accessToken.js"
import { annotated, type Cache } from "./cache.js"
import type { Attempt, Entry, Trigger } from "./entry.js"
import * as NextAttempt from "./nextAttempt.js"
import * as Telemetry from "./telemetry.js"
import * as TokenState from "./tokenState.js"
import * as Unavailable from "./tokenUnavailable.js"

/** Starts an attempt to issue a token, or to take over one that another process has issued. */
export const start = (cache: Cache, entry: Entry): void =>
  run(cache, entry, entry.demand?.trigger ?? "schedule", (attempt) =>
    cache.sharing.obtain(entry, attempt, {
      issue: Effect.scoped(Effect.suspend(() => entry.source.issue)),
      accept: (issued) => accept(cache, entry, attempt, issued)
    })
  )

/** Makes a token that another process has issued the current one, as an attempt that succeeds at once. */
export const adopt = (cache: Cache, entry: Entry, issued: IssuedToken): void =>
  run(cache, entry, "shared", (attempt) => Effect.suspend(() => accept(cache, entry, attempt, issued)))

/** Ends an attempt that has reached its time limit, as one that failed. What it gives later is discarded. */
export const timeOut = (cache: Cache, entry: Entry, attempt: Attempt): void => {
  const { fiber } = attempt
  annotateOutcome(attempt, "timeout")
  const message = attempt.awaitingLease
    ? "another process held the lease for this token, and issued none in time"
    : undefined
  conclude(cache, entry, attempt, Exit.fail(new IssueError({ reason: "Timeout", message })))
  fiber?.unsafeInterruptAsFork(FiberId.none)
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

/** Runs an attempt in a fiber of its own. Its outcome becomes the next state of the token. */
const run = (
  cache: Cache,
  entry: Entry,
  trigger: Trigger,
  obtain: (attempt: Attempt) => Effect.Effect<AccessToken, unknown, unknown>
): void => {
  // Otherwise the start would be moved, once somebody notices that the clock was set back before.
  cache.adjustForClockSetBack()
  const attempt: Attempt = {
    startedAt: cache.now(),
    startedAtNanos: cache.clock.unsafeCurrentTimeNanos(),
    fiber: undefined,
    holdsPermit: false,
    trigger,
    awaitingLease: false,
    span: undefined,
    acceptedSkew: 0
  }
  entry.demand = undefined
  entry.attempt = attempt
  cache.permits.take(attempt)
  cache.update(entry, TokenState.running(entry.state))
  const fiber = cache.fibers.fork(inSpan(cache, entry, attempt, obtain(attempt)))
  attempt.fiber = fiber
  fiber.addObserver((exit) => conclude(cache, entry, attempt, Exit.flatten(exit)))
  if (entry.attempt !== attempt) {
    // The issue effect has removed its own token from the cache, before there was a fiber to interrupt.
    fiber.unsafeInterruptAsFork(FiberId.none)
  }
}

/**
 * Runs an attempt in a trace of its own, and gives its outcome. The issuer's own error or answer goes no further,
 * because it may hold a secret, which spans and the log of failed fibers would print.
 */
const inSpan = (
  cache: Cache,
  entry: Entry,
  attempt: Attempt,
  obtain: Effect.Effect<AccessToken, unknown, unknown>
): Effect.Effect<RefreshPolicy.IssueOutcome> =>
  Effect.useSpan(
    "TokenCache.refresh",
    {
      root: true,
      captureStackTrace: false,
      attributes: {
        "token_cache.token": entry.name,
        "token_cache.trigger": attempt.trigger,
        ...(entry.source.issuer === undefined ? undefined : { "token_cache.issuer": entry.source.issuer })
      }
    },
    (span) => {
      attempt.span = span
      // Called by functions that run anyway: one more step per attempt is felt when many tokens start.
      const note = (outcome: Telemetry.Outcome) => {
        if (entry.attempt === attempt) annotateOutcome(attempt, outcome)
      }
      return (cache.logsDebug ? Effect.zipRight(logStart(entry, attempt), obtain) : obtain).pipe(
        Effect.map((token) => {
          note("success")
          return token
        }),
        Effect.mapErrorCause((cause) => {
          const error = issueErrorOf(cause)
          note(Telemetry.outcomes[error.reason])
          return Cause.fail(error)
        }),
        // It replaces the span that built the layer, which is in the context of the entry.
        Effect.provide(Context.add(entry.context, Tracer.ParentSpan, span))
      )
    }
  ).pipe(Effect.exit)

const logStart = (entry: Entry, { trigger }: Attempt): Effect.Effect<void> =>
  annotated(entry, Effect.annotateLogs(Effect.logDebug("Requesting an access token"), "trigger", trigger))

const annotateOutcome = ({ span }: Attempt, outcome: Telemetry.Outcome): void =>
  span?.attribute("token_cache.outcome", outcome)

const accept = (cache: Cache, entry: Entry, attempt: Attempt, issued: IssuedToken) => {
  // Otherwise the token would get the instants of a clock that has been set back since.
  cache.adjustForClockSetBack()
  attempt.acceptedSkew = cache.skew()
  return Accepted.fromIssued(issued, {
    startedAt: attempt.startedAt,
    now: cache.now(),
    leeway: cache.options.leeway,
    defaultLifetime: entry.source.defaultLifetime,
    generation: entry.state.generation + 1,
    invalidated: entry.state.invalidatedToken
  })
}

const conclude = (cache: Cache, entry: Entry, attempt: Attempt, exit: Exit.Exit<AccessToken, IssueError>): void => {
  cache.permits.release(attempt)
  cache.wake()
  if (entry.attempt !== attempt) {
    return
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
  cache.fibers.fork(
    schedule(cache, entry, attempt, outcome, endedAt).pipe(
      Effect.catchAllCause((cause) => giveUp(cache, entry, endedAt, cause))
    )
  )
}

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
const giveUp = (cache: Cache, entry: Entry, endedAt: number, cause: Cause.Cause<never>): Effect.Effect<void> => {
  if (entry.state.attempt === "running") {
    const error = new IssueError({ reason: "Defect" })
    const nextAttemptAt = endedAt + NextAttempt.retryAfter(entry)
    cache.update(entry, TokenState.failed(entry.state, error, nextAttemptAt, endedAt))
    complete(cache, entry, () => Exit.fail(Unavailable.issueFailed(entry, endedAt)))
    cache.wake()
  }
  return annotated(entry, Effect.logError("The outcome of an attempt could not be dealt with", cause))
}
