import type * as Cause from "effect/Cause"
import * as CauseModule from "effect/Cause"
import * as Predicate from "effect/Predicate"
import { IssueError } from "../TokenError.js"

/** Why an attempt failed, with nothing of the original error but its tag or name: it may hold a request or a secret. */
export const toIssueError = (cause: Cause.Cause<unknown>): IssueError => {
  const failure = CauseModule.failureOption(cause)
  if (failure._tag === "Some") {
    return isIssueError(failure.value)
      ? failure.value
      : new IssueError({ reason: "Unreachable", message: `issue failed with ${nameOf(failure.value)}` })
  }
  const defect = CauseModule.dieOption(cause)
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
