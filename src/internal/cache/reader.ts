import * as Effect from "effect/Effect"
import type { AccessToken } from "../../IssuedToken.js"
import type { TokenUnavailable } from "../../TokenError.js"
import type { Registry } from "./cache.js"
import * as Entry from "./entry.js"
import { minimumGap } from "./nextAttempt.js"
import * as TokenState from "./tokenState.js"
import * as Unavailable from "./tokenUnavailable.js"
import * as Waiting from "./waiters.js"

/** Gives the usable token at once; else waits for an attempt, fails, or asks for an attempt, as the state demands. */
export const read = <A>(
  registry: Registry,
  entry: Entry.Entry,
  select: (token: AccessToken) => A,
  until?: number
): Effect.Effect<A, TokenUnavailable> =>
  Effect.clockWith((clock) => {
    entry.reads++
    const now = clock.unsafeCurrentTimeMillis()
    if (entry.idle !== undefined) {
      entry.idle.readAt = now
    }
    const token = Entry.usable(entry, now, clock.unsafeCurrentTimeNanos())
    if (token === undefined) {
      entry.misses++
      return Effect.mapBoth(nextToken(registry, entry, until ?? now + registry.options.readTimeout), {
        onSuccess: (token) => {
          entry.waited++
          return select(token)
        },
        onFailure: (error) => {
          entry.unavailable++
          return error
        }
      })
    }
    if (now >= entry.state.nextAttemptAt) {
      // Overdue: the timer did not count the time that the machine slept.
      registry.wake()
    }
    return Effect.succeed(select(token))
  })

/**
 * Lives through attempts until a token is usable when the reader itself gets its turn: it may have been invalidated since
 * the attempt ended.
 */
const nextToken = (
  registry: Registry,
  entry: Entry.Entry,
  until: number
): Effect.Effect<AccessToken, TokenUnavailable> =>
  Effect.clockWith((clock) => {
    const now = clock.unsafeCurrentTimeMillis()
    const token = Entry.usable(entry, now, clock.unsafeCurrentTimeNanos())
    if (token !== undefined) {
      return Effect.succeed(token)
    }
    const rejected = rejection(entry, now)
    if (rejected !== undefined) {
      return Effect.fail(rejected)
    }
    const at = Math.max(now, (entry.state.token?.issuedAt ?? 0) + minimumGap)
    return Effect.zipRight(demand(registry, entry, at, until, "read"), nextToken(registry, entry, until))
  })

/** A back-off is not undone by readers. */
const rejection = (entry: Entry.Entry, now: number): TokenUnavailable | undefined => {
  const { attempt, lastError, nextAttemptAt, stopped } = entry.state
  return stopped
    ? Unavailable.closed(entry)
    : attempt === "none" && lastError !== undefined && now < nextAttemptAt
      ? Unavailable.issueFailed(entry, now)
      : undefined
}

/** Issues now: overrides a back-off, but never a Retry-After. */
export const refresh = (registry: Registry, entry: Entry.Entry): Effect.Effect<AccessToken, TokenUnavailable> =>
  Effect.clockWith((clock) => {
    const now = clock.unsafeCurrentTimeMillis()
    if (entry.state.stopped) {
      return Effect.fail(Unavailable.closed(entry))
    }
    if (entry.idle !== undefined) {
      entry.idle.readAt = now
    }
    if (now < entry.state.notBefore) {
      return Effect.fail(Unavailable.issueFailed(entry, now))
    }
    return Effect.zipRight(
      demand(registry, entry, now, Waiting.forEver, "manual"),
      nextToken(registry, entry, Waiting.forEver)
    )
  })

/** Waits for the outcome of the first attempt, which may be there already. */
export const first = (registry: Registry, entry: Entry.Entry): Effect.Effect<unknown, TokenUnavailable> =>
  Effect.clockWith((clock) =>
    entry.state.generation > 0
      ? Effect.void
      : entry.state.lastError !== undefined
        ? Effect.fail(Unavailable.issueFailed(entry, clock.unsafeCurrentTimeMillis()))
        : outcome(registry, entry, Waiting.forEver)
  )

/**
 * Wants an attempt no later than `at`, above the concurrency limit, unless one is running; gives the effect that waits for
 * its outcome.
 */
const demand = (
  registry: Registry,
  entry: Entry.Entry,
  at: number,
  until: number,
  trigger: Entry.Trigger
): Effect.Effect<AccessToken, TokenUnavailable> => {
  const { attempt, nextAttemptAt } = entry.state
  if (attempt !== "running") {
    const wanted = entry.wanted
    entry.wanted = true
    entry.trigger ??= trigger
    if (attempt === "none") {
      registry.update(entry, TokenState.postponed(entry.state, Math.min(at, nextAttemptAt)))
    } else if (!wanted) {
      registry.places.lineUp(entry)
    }
    registry.wake()
  }
  return outcome(registry, entry, until)
}

/** Waits for the next attempt to end. */
const outcome = (
  { clock, fibers, options }: Registry,
  entry: Entry.Entry,
  until: number
): Effect.Effect<AccessToken, TokenUnavailable> => {
  entry.waiting ??= Waiting.make(clock, fibers, () => Unavailable.timedOut(entry, options.readTimeout))
  return entry.waiting.join(until)
}
