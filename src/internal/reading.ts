import * as Effect from "effect/Effect"
import type { AccessToken } from "../IssuedToken.js"
import type { TokenUnavailable } from "../TokenError.js"
import * as Entry from "./entry.js"
import type { Supervisor } from "./supervisor.js"
import * as Unavailable from "./unavailable.js"

/** At least this long lies between two attempts that readers ask for. */
const minimumGap = 1000

/** Gives the usable token at once; else waits for an attempt, fails, or asks for an attempt, as the state demands. */
export const read = <A>(
  supervisor: Supervisor,
  entry: Entry.Entry,
  select: (token: AccessToken) => A
): Effect.Effect<A, TokenUnavailable> =>
  Effect.clockWith((clock) => {
    entry.reads++
    const now = clock.unsafeCurrentTimeMillis()
    const token = Entry.usable(entry, now, clock.unsafeCurrentTimeNanos())
    if (token === undefined) {
      return Effect.map(nextToken(supervisor, entry, now + supervisor.options.readTimeout), select)
    }
    if (now >= entry.state.nextAttemptAt) {
      // Overdue: the timer did not count the time that the machine slept.
      supervisor.wake()
    }
    return Effect.succeed(select(token))
  })

/**
 * Lives through attempts until a token is usable when the reader itself gets its turn: it may have been invalidated since
 * the attempt ended.
 */
const nextToken = (
  supervisor: Supervisor,
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
    const outcome = supervisor.demand(entry, Math.max(now, (entry.state.token?.issuedAt ?? 0) + minimumGap))
    const inTime = Effect.timeoutFail(outcome, {
      duration: until - now,
      onTimeout: () => Unavailable.timedOut(entry, supervisor.options.readTimeout)
    })
    return Effect.zipRight(until === forEver ? outcome : inTime, nextToken(supervisor, entry, until))
  })

const forEver = Number.POSITIVE_INFINITY

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
export const refresh = (supervisor: Supervisor, entry: Entry.Entry): Effect.Effect<AccessToken, TokenUnavailable> =>
  Effect.clockWith((clock) => {
    const now = clock.unsafeCurrentTimeMillis()
    if (entry.state.stopped) {
      return Effect.fail(Unavailable.closed(entry))
    }
    if (now < entry.state.notBefore) {
      return Effect.fail(Unavailable.issueFailed(entry, now))
    }
    return Effect.zipRight(supervisor.demand(entry, now), nextToken(supervisor, entry, forEver))
  })

/** Waits for the outcome of the first attempt, which may be there already. */
export const first = (supervisor: Supervisor, entry: Entry.Entry): Effect.Effect<unknown, TokenUnavailable> =>
  Effect.clockWith((clock) =>
    entry.state.generation > 0
      ? Effect.void
      : entry.state.lastError !== undefined
        ? Effect.fail(Unavailable.issueFailed(entry, clock.unsafeCurrentTimeMillis()))
        : supervisor.outcome(entry)
  )
