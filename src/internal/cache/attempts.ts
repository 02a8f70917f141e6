import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import * as LogLevel from "effect/LogLevel"
import type { AccessToken, IssuedToken } from "../../IssuedToken.js"
import * as RefreshPolicy from "../../RefreshPolicy.js"
import { IssueError, type TokenUnavailable } from "../../TokenError.js"
import { issueErrorOf } from "../issueErrorOf.js"
import * as Obtaining from "../sharing/sharedIssue.js"
import * as Sharing from "../sharing/sharing.js"
import * as Attempt from "./attempt.js"
import type { Registry } from "./cache.js"
import type * as Entry from "./entry.js"
import * as Scheduling from "./nextAttempt.js"
import * as TokenState from "./tokenState.js"
import * as Unavailable from "./tokenUnavailable.js"

/** Starts an attempt to issue a token. */
export const start = (registry: Registry, entry: Entry.Entry): void =>
  run(registry, entry, (attempt) => obtain(registry, entry, attempt))

/** Makes the token of another process the current one, as an attempt that succeeds at once. */
export const adopt = (registry: Registry, entry: Entry.Entry, issued: IssuedToken): void => {
  entry.trigger = "shared"
  run(registry, entry, (attempt) => Effect.suspend(() => accept(registry, entry, attempt, issued)))
}

/** Runs an attempt, whose outcome becomes the token's next state. */
const run = (
  registry: Registry,
  entry: Entry.Entry,
  obtain: (attempt: Entry.Attempt) => Effect.Effect<AccessToken, unknown, unknown>
): void => {
  const { clock, fibers, now, places, update } = registry
  const attempt: Entry.Attempt = {
    startedAt: now(),
    startedAtNanos: clock.unsafeCurrentTimeNanos(),
    fiber: undefined,
    counted: false,
    trigger: entry.trigger ?? "schedule",
    waits: false,
    span: undefined
  }
  entry.wanted = false
  entry.trigger = undefined
  entry.attempt = attempt
  places.take(attempt)
  update(entry, TokenState.running(entry.state))
  const fiber = fibers.fork(Attempt.run(entry, attempt, obtain(attempt)))
  attempt.fiber = fiber
  fiber.addObserver((exit) => conclude(registry, entry, attempt, Exit.flatten(exit)))
  if (entry.attempt !== attempt) {
    // The issuer has removed its own token, before there was a fiber to interrupt.
    fiber.unsafeInterruptAsFork(FiberId.none)
  }
}

/** Gives up an attempt that has reached its time limit. */
export const timeOut = (registry: Registry, entry: Entry.Entry, attempt: Entry.Attempt): void => {
  const { fiber } = attempt
  Attempt.noteOutcome(attempt, "timeout")
  const message = attempt.waits ? "another process had the lease of this token, and issued none in time" : undefined
  conclude(registry, entry, attempt, Exit.fail(new IssueError({ reason: "Timeout", message })))
  fiber?.unsafeInterruptAsFork(FiberId.none)
}

/** Tells all who wait for the outcome of an attempt. */
export const complete = (
  { reschedule }: Registry,
  entry: Entry.Entry,
  exit: () => Exit.Exit<AccessToken, TokenUnavailable>
): void => {
  const { waiting } = entry
  if (waiting !== undefined) {
    entry.waiting = undefined
    reschedule(entry)
    waiting.complete(exit())
  }
}

const obtain = (
  registry: Registry,
  entry: Entry.Entry,
  attempt: Entry.Attempt
): Effect.Effect<AccessToken, unknown, unknown> => {
  const { sharing } = registry
  const issue = Effect.scoped(Effect.suspend(() => entry.source.issue))
  const acceptIssued = (issued: IssuedToken) => accept(registry, entry, attempt, issued)
  return sharing !== undefined && Sharing.isShared(entry)
    ? Obtaining.obtain({ registry, sharing, entry }, attempt, issue, acceptIssued)
    : Effect.flatMap(issue, acceptIssued)
}

const accept = (registry: Registry, entry: Entry.Entry, attempt: Entry.Attempt, issued: IssuedToken) => {
  // Or the token would get the instants of a clock that is gone.
  registry.noticeSetBack()
  return TokenState.accept(entry.state, issued, {
    startedAt: attempt.startedAt,
    now: registry.now(),
    leeway: registry.options.leeway,
    defaultLifetime: entry.source.defaultLifetime
  })
}

const conclude = (
  registry: Registry,
  entry: Entry.Entry,
  attempt: Entry.Attempt,
  exit: Exit.Exit<AccessToken, IssueError>
): void => {
  registry.places.giveBack(attempt)
  registry.wake()
  if (entry.attempt !== attempt || registry.isClosed()) {
    return
  }
  if (Exit.isFailure(exit)) {
    registry.noticeSetBack()
  }
  entry.attempt = undefined
  const endedAt = registry.now()
  // Its own fiber was interrupted from inside: all other causes are an IssueError by now.
  const outcome = Exit.mapErrorCause(exit, (cause) => Cause.fail(issueErrorOf(cause)))
  const { trigger } = attempt
  for (const listener of registry.listeners) {
    listener({
      _tag: "Attempt",
      entry,
      trigger,
      outcome: Attempt.outcome(outcome),
      millis: Number(registry.clock.unsafeCurrentTimeNanos() - attempt.startedAtNanos) / 1e6
    })
  }
  registry.fibers.fork(
    Scheduling.afterAttempt(entry, outcome, attempt.startedAt, endedAt).pipe(
      Effect.flatMap((nextAttemptAt) => settle(registry, entry, attempt, outcome, endedAt, nextAttemptAt)),
      Effect.catchAllCause((cause) => giveUp(registry, entry, endedAt, cause))
    )
  )
}

const settle = (
  registry: Registry,
  entry: Entry.Entry,
  attempt: Entry.Attempt,
  outcome: RefreshPolicy.IssueOutcome,
  endedAt: number,
  nextAttemptAt: number
): Effect.Effect<void> => {
  if (entry.state.stopped) {
    return Effect.void
  }
  const { publish, update } = registry
  registry.wake()
  if (Exit.isSuccess(outcome)) {
    const token = outcome.value
    const usableFor = BigInt(token.usableUntil - attempt.startedAt)
    entry.usableUntilNanos = attempt.startedAtNanos + usableFor * 1_000_000n
    update(entry, TokenState.issued(entry.state, token, nextAttemptAt))
    publish({
      _tag: "Issued",
      name: entry.name,
      at: endedAt,
      generation: token.generation,
      expiresAt: token.expiresAt
    })
    complete(registry, entry, () => Exit.succeed(token))
    return Effect.flatMap(FiberRef.get(FiberRef.currentMinimumLogLevel), (least) =>
      // An annotation costs more than the rest of this.
      LogLevel.lessThanEqual(least, LogLevel.Debug)
        ? named(entry, Effect.logDebug("Issued an access token"))
        : Effect.void
    )
  }
  const error = issueErrorOf(outcome.cause)
  const notBefore = endedAt + RefreshPolicy.retryAfterMillis(error)
  update(entry, TokenState.failed(entry.state, error, nextAttemptAt, notBefore))
  publish({ _tag: "IssueFailed", name: entry.name, at: endedAt, error })
  complete(registry, entry, () => Exit.fail(Unavailable.issueFailed(entry, endedAt)))
  return named(entry, Effect.logWarning(`Could not issue an access token: ${error.message}`))
}

/** A defect of a logger, say: the attempt counts as failed, so that there is a next one. */
const giveUp = (
  registry: Registry,
  entry: Entry.Entry,
  endedAt: number,
  cause: Cause.Cause<never>
): Effect.Effect<void> => {
  if (entry.state.attempt === "running") {
    const error = new IssueError({ reason: "Defect" })
    registry.update(entry, TokenState.failed(entry.state, error, endedAt + Scheduling.retryAfter(entry), endedAt))
    complete(registry, entry, () => Exit.fail(Unavailable.issueFailed(entry, endedAt)))
    registry.wake()
  }
  return named(entry, Effect.logError("The outcome of an attempt could not be dealt with", cause))
}

const named = (entry: Entry.Entry, log: Effect.Effect<void>): Effect.Effect<void> =>
  Effect.annotateLogs(log, "token", entry.name)
