import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Redacted from "effect/Redacted"
import { IssueError } from "../../TokenError.js"
import * as AccessToken from "./accessToken.js"
import { annotated, type Cache } from "./cache.js"
import type { Entry } from "./entry.js"
import * as NextAttempt from "./nextAttempt.js"
import type { UnauthorizedAction } from "./telemetry.js"
import * as TokenState from "./tokenState.js"

/** Reports that a token must not be used again: see `TokenCache.invalidate`. */
export const invalidate = (cache: Cache, entry: Entry, token: Redacted.Redacted<string>): Effect.Effect<void> =>
  report(cache, entry, token, "invalidate")

/** Reports that an API answered 401 to a token: see `TokenCache.unauthorized`. */
export const unauthorized = (cache: Cache, entry: Entry, token: Redacted.Redacted<string>): Effect.Effect<void> =>
  report(cache, entry, token, "unauthorized")

/** Which of the two effects of `TokenCache` reports the token. */
type Verb = "invalidate" | "unauthorized"

/** Does what follows from a report, if it is about the current token. */
const report = (cache: Cache, entry: Entry, token: Redacted.Redacted<string>, verb: Verb): Effect.Effect<void> =>
  Effect.sync(() => {
    // Otherwise a back-off that begins now would be moved, once somebody notices that the clock was set back before.
    cache.adjustForClockSetBack()
    const action =
      entry.state.token !== undefined && AccessToken.isSame(entry.state.token.accessToken, token)
        ? react(cache, entry, token, verb)
        : "stale"
    cache.report({ _tag: "Unauthorized", token: entry, action })
  })

/** Does what follows from a report about the current token, and says what that was. */
const react = (cache: Cache, entry: Entry, token: Redacted.Redacted<string>, verb: Verb): UnauthorizedAction => {
  const now = cache.now()
  const state = TokenState.afterAcceptance(entry.state, NextAttempt.maxRetryAfter(entry), now)
  const reaction = TokenState.onReport(state, verb)
  if (reaction === "ignore") {
    return "kept"
  }
  if (reaction === "keep") {
    backOff(cache, entry, state, now, true)
    return "kept"
  }
  cache.sharing.withdraw(entry, token)
  cache.publish({ _tag: "Invalidated", name: entry.name, at: now })
  switch (reaction) {
    case "wait":
      cache.update(entry, TokenState.invalidated(state))
      return "reissued"
    case "issue":
      NextAttempt.restart(entry)
      entry.demand = { trigger: "unauthorized", urgent: true }
      cache.update(entry, TokenState.scheduledAt(TokenState.invalidated(state), now))
      cache.wake()
      return "reissued"
    case "backOff":
      backOff(cache, entry, state, now, false)
      return "backed_off"
    case "drop":
      cache.update(entry, TokenState.invalidated(state))
      return "backed_off"
  }
}

/**
 * Counts a report as a failed attempt. The schedule decides when the next one starts. It may take its time, and until
 * it has decided, the next attempt is due after `retryAfter`.
 */
const backOff = (cache: Cache, entry: Entry, before: TokenState.TokenState, now: number, keepsToken: boolean): void => {
  const error = keepsToken ? refused : invalidatedAgain
  const next = NextAttempt.afterReport(entry, Exit.fail(error), now, keepsToken)
  const reported = (nextAttemptAt: number) =>
    keepsToken
      ? TokenState.kept(before, error, nextAttemptAt)
      : TokenState.invalidated(TokenState.reportedAgain(before, error, nextAttemptAt))
  const state = reported(now + NextAttempt.retryAfter(entry))
  cache.update(entry, state)
  const skew = cache.skew()
  cache.fibers.fork(
    Effect.flatMap(next, (nextAttemptAt) => {
      NextAttempt.shift(entry, cache.skew() - skew)
      if (entry.state === state) {
        cache.update(entry, reported(nextAttemptAt))
        cache.wake()
      }
      return keepsToken
        ? annotated(entry, Effect.logWarning(`The access token is kept: ${error.message}`))
        : Effect.void
    })
  )
}

const advice = "Check that the API accepts tokens of this issuer, and what they may be used for."

const refused = new IssueError({
  reason: "Rejected",
  message: "an API refused a token that was issued because the one before was refused",
  advice
})

const invalidatedAgain = new IssueError({
  reason: "Rejected",
  message: "a token was invalidated that was issued because the one before was invalidated",
  advice
})
