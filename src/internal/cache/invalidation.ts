import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Redacted from "effect/Redacted"
import { IssueError } from "../../TokenError.js"
import * as Sharing from "../sharing/sharing.js"
import { withdraw } from "../sharing/storeClient.js"
import type { Registry, UnauthorizedAction } from "./cache.js"
import type * as Entry from "./entry.js"
import * as Scheduling from "./nextAttempt.js"
import * as TokenState from "./tokenState.js"

/** Drops the token if it is still the current one: see `TokenCache.invalidate`. */
export const invalidate = (
  registry: Registry,
  entry: Entry.Entry,
  token: Redacted.Redacted<string>
): Effect.Effect<void> =>
  Effect.sync(() => {
    const { now, publish, update, wake } = registry
    const report = (action: UnauthorizedAction) => {
      for (const listener of registry.listeners) {
        listener({ _tag: "Unauthorized", entry, action })
      }
    }
    if (entry.state.token === undefined || !TokenState.sameToken(entry.state.token.accessToken, token)) {
      return report("already_fresh")
    }
    const at = now()
    if (registry.sharing !== undefined && Sharing.isShared(entry)) {
      registry.fibers.fork(withdraw({ registry, sharing: registry.sharing, entry }, token))
    }
    publish({ _tag: "Invalidated", name: entry.name, at })
    switch (TokenState.onInvalidation(entry.state, Scheduling.retryAfter(entry), at)) {
      case "wait":
        update(entry, TokenState.invalidated(entry.state))
        return report("reminted")
      case "issue":
        entry.scheduleState = undefined
        entry.wanted = true
        entry.trigger = "unauthorized"
        update(entry, TokenState.postponed(TokenState.invalidated(entry.state), at))
        wake()
        return report("reminted")
      case "backOff":
        backOff(registry, entry, at)
        return report("gave_up")
    }
  })

const backOff = ({ fibers, update, wake }: Registry, entry: Entry.Entry, at: number): void => {
  const error = refusedAgain(entry)
  const state = TokenState.postponed(TokenState.refusedAgain(entry.state, error), at + Scheduling.retryAfter(entry))
  const next = Scheduling.afterRefusal(entry, Exit.fail(error), at)
  update(entry, state)
  fibers.fork(
    Effect.map(next, (nextAttemptAt) => {
      if (entry.state === state) {
        update(entry, TokenState.postponed(state, nextAttemptAt))
        wake()
      }
    })
  )
}

const refusedAgain = (entry: Entry.Entry) =>
  new IssueError({
    reason: "Rejected",
    message: `a new token was invalidated within ${Duration.format(Scheduling.retryAfter(entry))} of its issue`,
    advice: "Check that the API accepts tokens of this issuer."
  })
