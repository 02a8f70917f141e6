import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Redacted from "effect/Redacted"
import { IssueError } from "../../TokenError.js"
import * as AccessToken from "./accessToken.js"
import type { Cache } from "./cache.js"
import type { Entry } from "./entry.js"
import * as NextAttempt from "./nextAttempt.js"
import type { UnauthorizedAction } from "./telemetry.js"
import * as TokenState from "./tokenState.js"

/** Drops the token if it is still the current one: see `TokenCache.invalidate`. */
export const invalidate = (cache: Cache, entry: Entry, token: Redacted.Redacted<string>): Effect.Effect<void> =>
  Effect.sync(() => {
    const action =
      entry.state.token !== undefined && AccessToken.isSame(entry.state.token.accessToken, token)
        ? drop(cache, entry, token)
        : "stale"
    cache.report({ _tag: "Unauthorized", token: entry, action })
  })

const drop = (cache: Cache, entry: Entry, token: Redacted.Redacted<string>): UnauthorizedAction => {
  const now = cache.now()
  cache.sharing.withdraw(entry, token)
  cache.publish({ _tag: "Invalidated", name: entry.name, at: now })
  switch (TokenState.onInvalidation(entry.state, NextAttempt.retryAfter(entry), now)) {
    case "wait":
      cache.update(entry, TokenState.invalidated(entry.state))
      return "reissued"
    case "issue":
      NextAttempt.restart(entry)
      entry.demand = { trigger: "unauthorized", urgent: true }
      cache.update(entry, TokenState.scheduledAt(TokenState.invalidated(entry.state), now))
      cache.wake()
      return "reissued"
    case "backOff":
      backOff(cache, entry, now)
      return "backed_off"
  }
}

const backOff = (cache: Cache, entry: Entry, now: number): void => {
  const error = invalidatedAgain(entry)
  const next = NextAttempt.afterInvalidation(entry, Exit.fail(error), now)
  const failed = TokenState.invalidatedAsFailure(entry.state, error)
  const state = TokenState.scheduledAt(failed, now + NextAttempt.retryAfter(entry))
  cache.update(entry, state)
  cache.fibers.fork(
    Effect.map(next, (nextAttemptAt) => {
      if (entry.state === state) {
        cache.update(entry, TokenState.scheduledAt(state, nextAttemptAt))
        cache.wake()
      }
    })
  )
}

const invalidatedAgain = (entry: Entry) =>
  new IssueError({
    reason: "Rejected",
    message: `a new token was invalidated within ${Duration.format(NextAttempt.retryAfter(entry))} of its issue`,
    advice: "Check that the API accepts tokens of this issuer."
  })
