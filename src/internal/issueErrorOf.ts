import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { IssueError, type IssueErrorReason } from "../TokenError.js"

/**
 * Turns a cause into an `IssueError` that keeps nothing of a foreign error but its tag or name: the error may hold a
 * request or a secret. `what` begins the message, as in `issue failed with TimeoutException`. It never throws, whatever
 * the error does when it is looked at.
 */
export const issueErrorOf = (cause: Cause.Cause<unknown>, what = "issue"): IssueError => {
  const failure = Cause.failureOption(cause)
  if (failure._tag === "Some") {
    return isTagged(failure.value)
      ? Option.getOrElse(copy(failure.value), () =>
          defect(`${what} failed with something that looks like an IssueError`)
        )
      : new IssueError({ reason: "Unreachable", message: `${what} failed with ${nameOf(failure.value)}` })
  }
  const died = Cause.dieOption(cause)
  return defect(died._tag === "Some" ? `${what} died with ${nameOf(died.value)}` : `${what} interrupted itself`)
}

/** The tag of an error, or its name, or its type: nothing that may be more than a name. */
export const nameOf = (error: unknown): string =>
  Option.getOrElse(
    attempt(() =>
      Predicate.hasProperty(error, "_tag") && isName(error._tag)
        ? error._tag
        : error instanceof Error && isName(error.name)
          ? error.name
          : `a ${typeof error}`
    ),
    () => "an error that cannot be read"
  )

const isName = (text: unknown): text is string => typeof text === "string" && /^[\w$@/.:-]{1,80}$/.test(text)

const defect = (message: string) => new IssueError({ reason: "Defect", message })

const isTagged = (error: unknown): boolean =>
  Option.getOrElse(
    attempt(() => Predicate.isTagged(error, "IssueError")),
    () => false
  )

/** The known fields alone, within their bounds: an error of this tag may come from elsewhere, and hold anything. */
const copy = (error: unknown): Option.Option<IssueError> =>
  Option.flatten(
    attempt(() => {
      const { advice, code, message, permanent, reason, requestId, retryAfter, status } = Object(error)
      return isReason(reason) && typeof message === "string"
        ? Option.some(
            new IssueError({
              reason,
              message,
              permanent: permanent === true,
              status: Number.isInteger(status) ? status : undefined,
              code: optionalString(code),
              requestId: optionalString(requestId),
              advice: optionalString(advice),
              retryAfter: Duration.isDuration(retryAfter) ? retryAfter : undefined
            })
          )
        : Option.none()
    })
  )

const optionalString = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined)

const reasons: ReadonlySet<unknown> = new Set<IssueErrorReason>([
  "Unreachable",
  "Rejected",
  "Throttled",
  "InvalidResponse",
  "Timeout",
  "Defect"
])

const isReason = (reason: unknown): reason is IssueErrorReason => reasons.has(reason)

/** A getter may throw, and so may a proxy. */
const attempt = <A>(read: () => A): Option.Option<A> => Either.getRight(Either.try(read))
