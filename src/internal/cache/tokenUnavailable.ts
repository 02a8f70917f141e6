import * as Duration from "effect/Duration"
import type { IssueError, TokenUnavailableReason } from "../../TokenError.js"
import { TokenUnavailable } from "../../TokenError.js"
import { clean } from "../text.js"
import type { Entry } from "./entry.js"
import * as TokenState from "./tokenState.js"

/** Makes the error for a name that is not in the cache. Its message lists at most 20 of the names that are. */
export const unknownName = (name: string, names: ReadonlyArray<string>): TokenUnavailable =>
  new TokenUnavailable({
    token: clean(name),
    reason: "UnknownName",
    message: clean(`no token is named "${name}"; ${listNames(names)}`)
  })

const listNames = (names: ReadonlyArray<string>): string =>
  names.length === 0
    ? "none is registered yet. Add it to TokenCache.layer, or register it."
    : `registered: ${names
        .slice(0, 20)
        .map((name) => `"${name}"`)
        .join(", ")}${names.length > 20 ? ` and ${names.length - 20} more` : ""}`

/** Makes the error for a token whose layer is closed, or that is no longer in the cache. */
export const closed = (entry: Named): TokenUnavailable =>
  unavailable(entry, "Closed", "its TokenCache layer is closed. Read it only while the layer's scope is open.")

/** Makes the error for a reader that has waited for `readTimeout` milliseconds. The attempt goes on. */
export const timedOut = (entry: Named, readTimeout: number): TokenUnavailable =>
  unavailable(
    entry,
    "TimedOut",
    `the issuer has not answered within ${Duration.format(readTimeout)}; the attempt goes on. Try again, or raise readTimeout.`
  )

/** Makes the error for a tenant whose lookup failed, so that it has no entry. */
export const lookupFailed = (name: string, lastError: IssueError): TokenUnavailable =>
  new TokenUnavailable({
    token: clean(name),
    reason: "IssueFailed",
    message: clean(
      `no usable token for "${name}": ${withoutStop(lastError.message)}. The next read looks it up again.`
    ),
    lastError
  })

/**
 * Makes the error for a token whose last attempt failed. Its message says why, when the next one starts, and what to
 * do.
 */
export const issueFailed = (entry: Entry, now: number): TokenUnavailable => {
  const { consecutiveFailures, lastError, nextAttemptAt } = entry.state
  const next = nextAttemptAt === TokenState.never ? "" : `, next in ${wholeSeconds(nextAttemptAt - now)}`
  const advice = lastError?.advice === undefined ? "" : ` ${lastError.advice}`
  return unavailable(
    entry,
    "IssueFailed",
    `${withoutStop(lastError?.message ?? "the last attempt failed")} (attempt ${consecutiveFailures}${next}).${advice}`,
    TokenState.isUsable(entry.state, now) ? "new" : "usable"
  )
}

const wholeSeconds = (millis: number): string =>
  Duration.format(Duration.seconds(Math.max(0, Math.ceil(millis / 1000))))

const withoutStop = (message: string): string => message.replace(/\.$/, "")

/** An entry, or a name that has no entry yet. */
interface Named {
  readonly name: string
  readonly state?: TokenState.TokenState
}

const unavailable = (
  { name, state }: Named,
  reason: TokenUnavailableReason,
  detail: string,
  kind = "usable"
): TokenUnavailable => {
  const { lastError, nextAttemptAt = TokenState.never } = state ?? {}
  return new TokenUnavailable({
    token: clean(name),
    reason,
    message: clean(`no ${kind} token for "${name}": ${detail}`),
    ...(lastError === undefined ? undefined : { lastError }),
    ...(nextAttemptAt === TokenState.never ? undefined : { nextAttemptAt })
  })
}
