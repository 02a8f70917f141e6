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

/**
 * Reads a token: gives a usable one at once, and otherwise waits for an attempt or fails, as the state demands. It
 * waits until `until`, an instant of the monotonic clock in milliseconds. Default: until the read timeout has passed.
 */
export const read = <A>(
  cache: Cache,
  entry: Entry.Entry,
  select: (token: AccessToken) => A,
  until?: number
): Effect.Effect<A, TokenUnavailable> =>
  Effect.clockWith((clock) => {
    entry.reads++
    const now = clock.unsafeCurrentTimeMillis()
    const nanos = clock.unsafeCurrentTimeNanos()
    if (entry.idle !== undefined) {
      Entry.noteRead(entry.idle, now, nanos)
    }
    const token = Entry.usableToken(entry, now, nanos)
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
      // A timer does not count the time that the machine was asleep.
      cache.wake()
    }
    return Effect.succeed(select(token))
  })

/**
 * Waits for one attempt after the other, until a token is usable when the reader itself gets its turn. The token of an
 * attempt may have been invalidated by then.
 */
const nextToken = (cache: Cache, entry: Entry.Entry, until: number): Effect.Effect<AccessToken, TokenUnavailable> =>
  Effect.clockWith((clock) => {
    // Otherwise the end of a back-off may be an instant of a clock that has been set back since.
    cache.adjustForClockSetBack()
    const now = clock.unsafeCurrentTimeMillis()
    const token = Entry.usableToken(entry, now, clock.unsafeCurrentTimeNanos())
    if (token !== undefined) {
      return Effect.succeed(token)
    }
    if (entry.state.stopped) {
      return Effect.fail(Unavailable.closed(entry))
    }
    // If readers started an attempt now, a hundred of them would undo the back-off.
    if (TokenState.isBackingOff(entry.state, now)) {
      return Effect.fail(Unavailable.issueFailed(entry, now))
    }
    const at = Math.max(now, (entry.state.token?.issuedAt ?? Number.NEGATIVE_INFINITY) + minimumGap)
    return Effect.zipRight(demand(cache, entry, at, until, "read"), nextToken(cache, entry, until))
  })

/** Issues a token now. It overrides a back-off, but never a Retry-After. */
export const refresh = (cache: Cache, entry: Entry.Entry): Effect.Effect<AccessToken, TokenUnavailable> =>
  Effect.clockWith((clock) => {
    cache.adjustForClockSetBack()
    const now = clock.unsafeCurrentTimeMillis()
    if (entry.state.stopped) {
      return Effect.fail(Unavailable.closed(entry))
    }
    if (entry.idle !== undefined) {
      Entry.noteRead(entry.idle, now, clock.unsafeCurrentTimeNanos())
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

/** Keeps a tenant in the cache while an effect waits for its token. Without an `idle`, the token is no tenant. */
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

/** Waits for the outcome of a token's first attempt, which may have ended already. */
export const first = (cache: Cache, entry: Entry.Entry): Effect.Effect<unknown, TokenUnavailable> =>
  Effect.clockWith((clock) =>
    entry.state.generation > 0
      ? Effect.void
      : entry.state.lastError !== undefined
        ? Effect.fail(Unavailable.issueFailed(entry, clock.unsafeCurrentTimeMillis()))
        : outcome(cache, entry, Waiters.noTimeout)
  )

/**
 * Asks for an attempt no later than `at`, even above the concurrency limit, unless one is running. It gives the effect
 * that waits for the outcome of the attempt.
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

/** Waits for the outcome of the next attempt to end, until `until`. */
const outcome = (
  { clock, fibers, options }: Cache,
  entry: Entry.Entry,
  until: number
): Effect.Effect<AccessToken, TokenUnavailable> => {
  entry.waiters ??= Waiters.make(clock, fibers, () => Unavailable.timedOut(entry, options.readTimeout))
  return entry.waiters.await(until)
}
