import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as ScheduleIntervals from "effect/ScheduleIntervals"
import * as RefreshPolicy from "../RefreshPolicy.js"
import type { Entry, Scheduling } from "./entry.js"
import * as TokenState from "./tokenState.js"

export interface Next {
  readonly at: number
  readonly scheduling: Scheduling
}

const minimumGap = 1000

/** When the next attempt of a token starts, after `outcome` of one that started at `startedAt` and ended at `now`. */
export const next = (
  entry: Entry,
  outcome: RefreshPolicy.IssueOutcome,
  startedAt: number,
  now: number
): Effect.Effect<Next> =>
  Effect.map(step(entry, outcome, startedAt, entry.schedule?.state), ({ at, fallback, state }) => ({
    at: Math.ceil(Math.max(at, earliest(entry, outcome, startedAt, now))),
    scheduling: {
      state,
      before: Exit.isSuccess(outcome) && TokenState.replacesRefused(entry.state) ? entry.schedule?.state : undefined,
      fallback
    }
  }))

/** The back-off after an invalidation that counts as a failure. */
export const afterRefusal = (entry: Entry, outcome: RefreshPolicy.IssueOutcome, now: number): Effect.Effect<Next> => {
  const from = entry.state.lastError === undefined ? entry.schedule?.before : entry.schedule?.state
  return Effect.map(step(entry, outcome, now, from), ({ at, fallback, state }) => ({
    at: Math.ceil(Math.max(at, now + minimumGap)),
    scheduling: { state, before: undefined, fallback }
  }))
}

/** What holds whatever the schedule says. */
const earliest = (entry: Entry, outcome: RefreshPolicy.IssueOutcome, startedAt: number, now: number): number => {
  if (Exit.isSuccess(outcome)) {
    const { token } = entry.state
    const again = token !== undefined && TokenState.sameToken(token.accessToken, outcome.value.accessToken)
    return startedAt + (again ? retryAfter(entry) : minimumGap)
  }
  const error = outcome.cause._tag === "Fail" ? outcome.cause.error : undefined
  return now + Math.max(minimumGap, RefreshPolicy.retryAfterMillis(error))
}

export const retryAfter = (entry: Entry): number =>
  Duration.toMillis(entry.source.retryAfter ?? RefreshPolicy.defaultRetryAfter)

const step = (entry: Entry, outcome: RefreshPolicy.IssueOutcome, now: number, state: unknown) => {
  const { schedule } = entry.source
  if (schedule === undefined || entry.schedule?.fallback) {
    return stepOnce(
      RefreshPolicy.make(schedule === undefined ? entry.source : {}),
      outcome,
      now,
      state,
      schedule !== undefined
    )
  }
  return stepOnce(schedule, outcome, now, state, false).pipe(
    Effect.provide(entry.context),
    Effect.disconnect,
    Effect.timeoutFail({ duration: "1 second", onTimeout: () => "it took longer than a second" }),
    Effect.filterOrFail(
      ({ at }) => Number.isFinite(at),
      () => "it ended"
    ),
    Effect.catchAllCause((cause) =>
      Effect.zipRight(
        Effect.logError(
          `The schedule of this token is out of order (${
            cause._tag === "Fail" ? cause.error : "it died"
          }); the default policy replaces it.`
        ),
        stepOnce(RefreshPolicy.make(), outcome, now, undefined, true)
      )
    )
  )
}

const stepOnce = <R>(
  schedule: Schedule.Schedule<unknown, RefreshPolicy.IssueOutcome, R>,
  outcome: RefreshPolicy.IssueOutcome,
  now: number,
  state: unknown,
  fallback: boolean
) =>
  Effect.map(
    Effect.suspend(() => schedule.step(now, outcome, state ?? schedule.initial)),
    ([next, , decision]) => ({
      at: ScheduleDecision.isDone(decision) ? Number.NaN : ScheduleIntervals.start(decision.intervals),
      state: next as unknown,
      fallback
    })
  )
