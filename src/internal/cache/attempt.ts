import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Tracer from "effect/Tracer"
import type { AccessToken } from "../../IssuedToken.js"
import type { IssueOutcome } from "../../RefreshPolicy.js"
import type { IssueError, IssueErrorReason } from "../../TokenError.js"
import { issueErrorOf } from "../issueErrorOf.js"
import type { Outcome } from "./cache.js"
import type { Attempt, Entry } from "./entry.js"
import { atMost } from "./time.js"

/**
 * One attempt to obtain a token, in a trace of its own, and what it comes to. It ends in an outcome, not in the
 * issuer's own error or answer: those may hold a secret, and spans and the log of failed fibers print them.
 */
export const run = (
  entry: Entry,
  attempt: Attempt,
  obtain: Effect.Effect<AccessToken, unknown, unknown>
): Effect.Effect<IssueOutcome> =>
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
      // By functions that run anyway: a step more per attempt is felt when many tokens start.
      const note = (outcome: Outcome) => {
        if (entry.attempt === attempt) noteOutcome(attempt, outcome)
      }
      return obtain.pipe(
        Effect.map((token) => {
          note("success")
          return token
        }),
        Effect.mapErrorCause((cause) => {
          const error = issueErrorOf(cause)
          note(outcomes[error.reason])
          return Cause.fail(error)
        }),
        // In place of the span that built the layer, which the context holds.
        Effect.provide(Context.add(entry.context, Tracer.ParentSpan, span))
      )
    }
  ).pipe(Effect.exit)

export const noteOutcome = ({ span }: Attempt, outcome: Outcome): void =>
  span?.attribute("token_cache.outcome", outcome)

/** What an attempt came to, in one word. */
export const outcome = (exit: Exit.Exit<unknown, IssueError>): Outcome =>
  Exit.isSuccess(exit) ? "success" : outcomes[issueErrorOf(exit.cause).reason]

const outcomes: Record<IssueErrorReason, Outcome> = {
  Unreachable: "unreachable",
  Rejected: "rejected",
  Throttled: "throttled",
  InvalidResponse: "invalid_response",
  Timeout: "timeout",
  Defect: "defect"
}

const revokeTimeout = Duration.seconds(5)

/** Gives the last token back to its issuer, where the source says how. */
export const revoke = (entry: Entry, token: AccessToken): Effect.Effect<void> =>
  entry.source.revoke === undefined
    ? Effect.void
    : revoking(entry.source.revoke, token).pipe(
        Effect.scoped,
        Effect.provide(entry.context),
        Effect.exit,
        atMost(revokeTimeout),
        Effect.flatMap((exit) =>
          exit !== undefined && Exit.isSuccess(exit)
            ? Effect.void
            : Effect.logWarning(
                `Could not revoke the token: ${exit === undefined ? "it took too long" : issueErrorOf(exit.cause, "revoke").message}`
              )
        ),
        Effect.annotateLogs("token", entry.name)
      )

// What throws before there is an effect is a failure to revoke as well.
const revoking = <R>(
  revoke: (token: AccessToken) => Effect.Effect<unknown, unknown, R>,
  token: AccessToken
): Effect.Effect<unknown, unknown, R> => Effect.suspend(() => revoke(token))
