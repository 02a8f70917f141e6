import * as Cause from "effect/Cause"
import * as Predicate from "effect/Predicate"
import { IssueError } from "../TokenError.js"

/**
 * Turns a cause into an `IssueError` that keeps nothing of a foreign error but its tag or name: the error may hold a
 * request or a secret. `what` begins the message, as in `issue failed with TimeoutException`.
 */
export const issueErrorOf = (cause: Cause.Cause<unknown>, what = "issue"): IssueError => {
  const failure = Cause.failureOption(cause)
  if (failure._tag === "Some") {
    return isIssueError(failure.value)
      ? IssueError.copy(failure.value)
      : new IssueError({ reason: "Unreachable", message: `${what} failed with ${nameOf(failure.value)}` })
  }
  const defect = Cause.dieOption(cause)
  return new IssueError({
    reason: "Defect",
    message: defect._tag === "Some" ? `${what} died with ${nameOf(defect.value)}` : `${what} interrupted itself`
  })
}

const isIssueError = (error: unknown): error is IssueError => Predicate.isTagged(error, "IssueError")

/** The tag of an error, or its name, or its type. */
export const nameOf = (error: unknown): string =>
  Predicate.hasProperty(error, "_tag") && typeof error._tag === "string"
    ? error._tag
    : error instanceof Error
      ? error.name
      : `a ${typeof error}`
