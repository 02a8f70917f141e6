import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Tracer from "effect/Tracer"
import type { AccessToken, IssuedToken } from "../../IssuedToken.js"
import type * as RefreshPolicy from "../../RefreshPolicy.js"
import { IssueError } from "../../TokenError.js"
import { issueErrorOf } from "../issueErrorOf.js"
import * as Accepted from "./accessToken.js"
import { annotated, type Cache } from "./cache.js"
import * as Conclusion from "./conclusion.js"
import type { Attempt, Entry, Trigger } from "./entry.js"
import * as Telemetry from "./telemetry.js"
import * as TokenState from "./tokenState.js"

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
  cache.fibers.fork(
    Conclusion.conclude(cache, entry, attempt, Exit.fail(new IssueError({ reason: "Timeout", message })))
  )
  fiber?.unsafeInterruptAsFork(FiberId.none)
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
  const fiber = cache.fibers.fork(
    Effect.flatMap(inSpan(cache, entry, attempt, obtain(attempt)), (outcome) =>
      Conclusion.conclude(cache, entry, attempt, outcome)
    )
  )
  attempt.fiber = fiber
  fiber.addObserver((exit) => {
    // The fiber was interrupted, by the cache or by the issue effect itself.
    if (Exit.isFailure(exit)) cache.fibers.fork(Conclusion.conclude(cache, entry, attempt, Exit.failCause(exit.cause)))
  })
  if (entry.state.stopped) {
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
