import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import type { AccessToken, IssuedToken } from "../IssuedToken.js"
import type { IssueOutcome } from "../RefreshPolicy.js"
import { IssueError } from "../TokenError.js"
import type { Attempt, Entry } from "./entry.js"
import { atMost } from "./time.js"
import * as TokenState from "./tokenState.js"

/** One run of the issuer, in a scope and a trace of its own. */
export const issue = (entry: Entry): Effect.Effect<IssuedToken, unknown> =>
  Effect.suspend(() => entry.source.issue).pipe(
    Effect.scoped,
    // Within the context, which holds the span that built the layer.
    Effect.withSpan("TokenCache.refresh", {
      root: true,
      captureStackTrace: false,
      attributes: { "token_cache.token": entry.name }
    }),
    Effect.provide(entry.context)
  )

/** When an attempt is given up. */
export const timeoutAt = (entry: Entry, attempt: Attempt): number =>
  attempt.startedAt + Duration.toMillis(entry.source.issueTimeout ?? "30 seconds")

/** What an attempt that ended at `now` comes to. */
export const outcome = (
  entry: Entry,
  attempt: Attempt,
  exit: Exit.Exit<IssuedToken, unknown>,
  leeway: number,
  now: number
): Effect.Effect<IssueOutcome> =>
  Effect.flatMap(exit, (issued) =>
    TokenState.accept(entry.state, issued, {
      startedAt: attempt.startedAt,
      now,
      leeway,
      defaultLifetime: entry.source.defaultLifetime
    })
  ).pipe(
    Effect.mapErrorCause((cause) => Cause.fail(toIssueError(cause))),
    Effect.exit
  )

/** Why an attempt failed, with nothing of the original error but its tag or name: it may hold a request or a secret. */
export const toIssueError = (cause: Cause.Cause<unknown>): IssueError => {
  const failure = Cause.failureOption(cause)
  if (failure._tag === "Some") {
    return isIssueError(failure.value)
      ? failure.value
      : new IssueError({ reason: "Unreachable", message: `issue failed with ${nameOf(failure.value)}` })
  }
  const defect = Cause.dieOption(cause)
  return new IssueError({
    reason: "Defect",
    message: defect._tag === "Some" ? `issue died with ${nameOf(defect.value)}` : "issue interrupted itself"
  })
}

const isIssueError = (error: unknown): error is IssueError => Predicate.isTagged(error, "IssueError")

const nameOf = (error: unknown): string =>
  Predicate.hasProperty(error, "_tag") && typeof error._tag === "string"
    ? error._tag
    : error instanceof Error
      ? error.name
      : `a ${typeof error}`

const revokeTimeout = Duration.seconds(5)

/** Gives the last token back to its issuer, where the source says how. */
export const revoke = (entry: Entry, token: AccessToken): Effect.Effect<void> =>
  entry.source.revoke === undefined
    ? Effect.void
    : entry.source.revoke(token).pipe(
        Effect.scoped,
        Effect.provide(entry.context),
        Effect.exit,
        atMost(revokeTimeout),
        Effect.flatMap((exit) =>
          exit !== undefined && Exit.isSuccess(exit)
            ? Effect.void
            : Effect.logWarning(
                `Could not revoke the token: ${exit === undefined ? "it took too long" : toIssueError(exit.cause).message}`
              )
        ),
        Effect.annotateLogs("token", entry.name)
      )
