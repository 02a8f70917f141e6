import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as ScheduleIntervals from "effect/ScheduleIntervals"
import * as RefreshPolicy from "../../RefreshPolicy.js"
import * as AccessToken from "./accessToken.js"
import type { Entry } from "./entry.js"

/** How long, at least, lies between two attempts, whatever the schedule says and readers ask for, in milliseconds. */
export const minimumGap = 1000

/** The longest pause between two issues while an API refuses every token, in milliseconds. */
const longestPause = 3_600_000

/**
 * Steps the schedule of a token after an attempt that started at `startedAt` and ended at `endedAt`, and gives the
 * instant of the next attempt. After a success the time counts from the start, as the lifetime of the token does. After
 * a failure it counts from the end, because an issuer that hangs would otherwise be asked again at once.
 */
export const afterAttempt = (
  entry: Entry,
  outcome: RefreshPolicy.IssueOutcome,
  startedAt: number,
  endedAt: number
): Effect.Effect<number> => {
  const earliest = earliestAfter(entry, outcome, startedAt, endedAt)
  const from = Exit.isSuccess(outcome) ? startedAt : endedAt
  return Effect.map(step(entry, outcome, from, entry.scheduleState), (at) => Math.ceil(Math.max(at, earliest)))
}

/**
 * Steps the schedule of a token after a report that counts as a failed attempt, and gives the instant of the next
 * attempt. Each report in a row doubles the pause. While the issuer fails, its own back-off goes on instead.
 */
export const afterReport = (
  entry: Entry,
  outcome: RefreshPolicy.IssueOutcome,
  now: number,
  keepsToken: boolean
): Effect.Effect<number> => {
  const { lastError, reportedInRow } = entry.state
  const doublings = lastError === undefined ? Math.max(reportedInRow - 1, 0) : 0
  const state = keepsToken || lastError !== undefined ? entry.scheduleState : undefined
  return Effect.map(step(entry, outcome, now, state), (at) => {
    const delay = Math.max(at - now, minimumGap)
    return Math.ceil(now + Math.max(delay, Math.min(delay * 2 ** doublings, longestPause)))
  })
}

/** Moves what the default policy remembers by `skew` milliseconds. What another schedule remembers stays as it is. */
export const shift = (entry: Entry, skew: number): void => {
  if (skew !== 0) {
    entry.scheduleState = RefreshPolicy.shifted(entry.scheduleState, skew)
  }
}

/** Makes the schedule forget all outcomes, so that a back-off begins anew. */
export const restart = (entry: Entry): void => {
  entry.scheduleState = undefined
}

/** Gives the instant before which no attempt starts after this outcome, whatever the schedule says. */
const earliestAfter = (
  entry: Entry,
  outcome: RefreshPolicy.IssueOutcome,
  startedAt: number,
  endedAt: number
): number => {
  if (Exit.isSuccess(outcome)) {
    const { token } = entry.state
    const again = token !== undefined && AccessToken.isSame(token.accessToken, outcome.value.accessToken)
    return startedAt + (again ? retryAfter(entry) : minimumGap)
  }
  const error = outcome.cause._tag === "Fail" ? outcome.cause.error : undefined
  return endedAt + Math.max(minimumGap, RefreshPolicy.retryAfterMillis(error))
}

/** Gives the `maxRetryAfter` of a token's source in milliseconds, or the default. */
export const maxRetryAfter = (entry: Entry): number =>
  Duration.toMillis(entry.source.maxRetryAfter ?? RefreshPolicy.defaultMaxRetryAfter)

/** Gives the `retryAfter` of a token's source in milliseconds, or the default. */
export const retryAfter = (entry: Entry): number =>
  Duration.toMillis(entry.source.retryAfter ?? RefreshPolicy.defaultRetryAfter)

/** Steps the source's own schedule, or the default policy if there is none or if that one has ended or failed. */
const step = (
  entry: Entry,
  outcome: RefreshPolicy.IssueOutcome,
  now: number,
  state: unknown
): Effect.Effect<number> => {
  const { context, source, usesFallbackSchedule } = entry
  if (source.schedule === undefined || usesFallbackSchedule) {
    return stepOnce(entry, RefreshPolicy.make(usesFallbackSchedule ? {} : source), outcome, now, state)
  }
  return stepOnce(entry, source.schedule, outcome, now, state).pipe(
    Effect.provide(context),
    Effect.disconnect,
    Effect.timeoutFail({ duration: "1 second", onTimeout: () => "took longer than a second" }),
    Effect.filterOrFail(Number.isFinite, () => "ended"),
    Effect.catchAllCause((cause) => {
      entry.usesFallbackSchedule = true
      return Effect.zipRight(
        Effect.logError(
          `The schedule of this token ${cause._tag === "Fail" ? cause.error : "died"}; the default policy replaces it`
        ),
        stepOnce(entry, RefreshPolicy.make(), outcome, now, undefined)
      )
    }),
    Effect.annotateLogs("token", entry.name)
  )
}

/**
 * Steps a schedule, remembers its state, and gives the instant of the next attempt, or `NaN` if the schedule has ended.
 */
const stepOnce = <R>(
  entry: Entry,
  schedule: Schedule.Schedule<unknown, RefreshPolicy.IssueOutcome, R>,
  outcome: RefreshPolicy.IssueOutcome,
  now: number,
  state: unknown
): Effect.Effect<number, never, R> =>
  Effect.map(
    Effect.suspend(() => schedule.step(now, outcome, state === undefined ? schedule.initial : state)),
    ([next, , decision]) => {
      entry.scheduleState = next
      return ScheduleDecision.isDone(decision) ? Number.NaN : ScheduleIntervals.start(decision.intervals)
    }
  )
