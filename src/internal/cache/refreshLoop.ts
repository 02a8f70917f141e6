import * as Effect from "effect/Effect"
import * as Alarm from "./alarm.js"
import * as Attempt from "./attempt.js"
import { annotated, type Cache } from "./cache.js"
import * as DeadlineQueue from "./deadlineQueue.js"
import * as Entry from "./entry.js"
import * as Membership from "./membership.js"
import { yieldToEventLoop } from "./time.js"
import * as TokenState from "./tokenState.js"

/**
 * The refresh fiber. It starts the attempts that are due, and then sleeps until the next deadline or until it is woken.
 */
export const run = (cache: Cache): Effect.Effect<never> => {
  const alarm = Alarm.make(cache.clock, cache.fibers, cache.wake)
  return Effect.suspend(() => {
    cache.woken.unsafeClose()
    cache.adjustForClockSetBack()
    if (startDue(cache)) {
      return yieldToEventLoop
    }
    alarm.set(DeadlineQueue.earliest(cache.deadlines))
    return cache.woken.await
  }).pipe(
    Effect.catchAllCause((cause) =>
      Effect.zipRight(Effect.logError("The refresh fiber hit a defect and goes on", cause), Effect.sleep("1 second"))
    ),
    Effect.forever
  )
}

/** How many attempts may start before the event loop gets a turn. */
const batch = 512

/** Does what is due, and says whether attempts are left to be started. */
const startDue = (cache: Cache): boolean => {
  const { deadlines, permits } = cache
  const now = cache.now()
  const takeDue = () => DeadlineQueue.takeDue(deadlines, now)
  for (let entry = takeDue(); entry !== undefined; entry = takeDue()) {
    onDeadline(cache, entry, now)
  }
  for (let started = 0; started < batch; started++) {
    const entry = permits.next()
    if (entry === undefined) {
      return false
    }
    Attempt.start(cache, entry)
  }
  return true
}

/**
 * Does what a token's deadline was for: it may be dropped, expire, be queued for an attempt, or run into a time limit.
 */
const onDeadline = (cache: Cache, entry: Entry.Entry, now: number): void => {
  if (now >= Entry.idleAt(entry)) {
    Membership.drop(cache, entry)
    return
  }
  const { attempt } = entry
  if (now >= TokenState.expiry(entry.state)) {
    expire(cache, entry, now)
  }
  if (TokenState.isOverdue(entry.state, now)) {
    cache.update(entry, TokenState.queued(entry.state))
    cache.permits.enqueue(entry)
  }
  if (attempt !== undefined && now >= Entry.timeoutAt(entry, attempt)) {
    Attempt.timeOut(cache, entry, attempt)
  } else if (attempt !== undefined && now >= Entry.permitExpiresAt(attempt, cache.options.readTimeout)) {
    cache.permits.release(attempt)
  }
  cache.reschedule(entry)
}

/** Marks a token as expired, and says so. */
const expire = (cache: Cache, entry: Entry.Entry, now: number): void => {
  cache.update(entry, TokenState.expired(entry.state))
  cache.publish({ _tag: "Expired", name: entry.name, at: now })
  cache.fibers.fork(
    annotated(
      entry,
      Effect.logWarning("The access token expired before a new one was issued: its readers get none now")
    )
  )
}
