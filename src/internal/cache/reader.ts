import * as Effect from "effect/Effect"
import type { AccessToken } from "../../IssuedToken.js"
import type { TokenUnavailable } from "../../TokenError.js"
import type { Cache } from "./cache.js"
import * as Entry from "./entry.js"
import { minimumGap } from "./nextAttempt.js"
import { monotonicMillis } from "./time.js"
import * as TokenState from "./tokenState.js"
import * as Unavailable from "./tokenUnavailable.js"
import * as Waiters from "./waiters.js"

/** Gives the usable token at once; else waits for an attempt, fails, or asks for an attempt, as the state demands. */
export const read = <A>(
  cache: Cache,
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
    const token = Entry.usableToken(entry, now, clock.unsafeCurrentTimeNanos())
    if (token === undefined) {
      entry.misses++
      const token = nextToken(cache, entry, until ?? monotonicMillis(clock) + cache.options.readTimeout)
      return Effect.mapBoth(whileWaiting(entry.idle, token), {
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
    if (TokenState.isOverdue(entry.state, now)) {
      // The timer did not count the time that the machine slept.
      cache.wake()
    }
    return Effect.succeed(select(token))
  })

/**
 * Lives through attempts until a token is usable when the reader itself gets its turn: the token may have been
 * invalidated since the attempt ended.
 */
const nextToken = (cache: Cache, entry: Entry.Entry, until: number): Effect.Effect<AccessToken, TokenUnavailable> =>
  Effect.clockWith((clock) => {
    const now = clock.unsafeCurrentTimeMillis()
    const token = Entry.usableToken(entry, now, clock.unsafeCurrentTimeNanos())
    if (token !== undefined) {
      return Effect.succeed(token)
    }
    if (entry.state.stopped) {
      return Effect.fail(Unavailable.closed(entry))
    }
    // Readers do not undo a back-off.
    if (TokenState.isBackingOff(entry.state, now)) {
      return Effect.fail(Unavailable.issueFailed(entry, now))
    }
    const at = Math.max(now, (entry.state.token?.issuedAt ?? Number.NEGATIVE_INFINITY) + minimumGap)
    return Effect.zipRight(demand(cache, entry, at, until, "read"), nextToken(cache, entry, until))
  })

/** Issues now: overrides a back-off, but never a Retry-After. */
export const refresh = (cache: Cache, entry: Entry.Entry): Effect.Effect<AccessToken, TokenUnavailable> =>
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
    return whileWaiting(
      entry.idle,
      Effect.zipRight(
        demand(cache, entry, now, Waiters.noTimeout, "manual"),
        nextToken(cache, entry, Waiters.noTimeout)
      )
    )
  })

/** Keeps a tenant in the cache while somebody waits for its token. */
export const whileWaiting = <A, E, R>(
  idle: Entry.Idle | undefined,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  if (idle === undefined) {
    return effect
  }
  idle.waiting++
  const release = Effect.sync(() => {
    idle.waiting--
    if (idle.waiting === 0) idle.released()
  })
  return Effect.ensuring(effect, release)
}

/** Waits for the outcome of the first attempt, which may be there already. */
export const first = (cache: Cache, entry: Entry.Entry): Effect.Effect<unknown, TokenUnavailable> =>
  Effect.clockWith((clock) =>
    entry.state.generation > 0
      ? Effect.void
      : entry.state.lastError !== undefined
        ? Effect.fail(Unavailable.issueFailed(entry, clock.unsafeCurrentTimeMillis()))
        : outcome(cache, entry, Waiters.noTimeout)
  )

/**
 * Asks for an attempt no later than `at`, above the concurrency limit, unless one is running; gives the effect that waits
 * for its outcome.
 */
const demand = (
  cache: Cache,
  entry: Entry.Entry,
  at: number,
  until: number,
  trigger: Entry.Trigger
): Effect.Effect<AccessToken, TokenUnavailable> => {
  const { attempt, nextAttemptAt } = entry.state
  if (attempt !== "running") {
    const before = entry.demand
    entry.demand = { trigger: before?.trigger ?? trigger, urgent: true }
    if (attempt === "none") {
      cache.update(entry, TokenState.scheduledAt(entry.state, Math.min(at, nextAttemptAt)))
    } else if (before?.urgent !== true) {
      cache.permits.enqueue(entry)
    }
    cache.wake()
  }
  return outcome(cache, entry, until)
}

/** Waits for the next attempt to end. */
const outcome = (
  { clock, fibers, options }: Cache,
  entry: Entry.Entry,
  until: number
): Effect.Effect<AccessToken, TokenUnavailable> => {
  entry.waiters ??= Waiters.make(clock, fibers, () => Unavailable.timedOut(entry, options.readTimeout))
  return entry.waiters.await(until)
}
