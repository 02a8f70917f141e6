import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { TokenEvent, TokenStatus } from "../../TokenStatus.js"
import type { Cache } from "./cache.js"
import * as Entry from "./entry.js"
import type { Telemetry } from "./telemetry.js"
import * as TokenState from "./tokenState.js"

/** Gives the status of one token, computed from the clock when it is run. */
export const status = (cache: Cache, entry: Entry.Entry): Effect.Effect<TokenStatus> =>
  Effect.clockWith((clock) =>
    Effect.sync(() => {
      wakeIfOverdue(cache, entry, clock)
      return statusAt(cache, entry, clock)
    })
  )

/** Gives the status of each token, computed from the clock when it is run. */
export const statuses = (cache: Cache): Effect.Effect<ReadonlyArray<TokenStatus>> =>
  Effect.clockWith((clock) =>
    Effect.sync(() =>
      Array.from(cache.entries.values(), (entry) => {
        wakeIfOverdue(cache, entry, clock)
        return statusAt(cache, entry, clock)
      })
    )
  )

/**
 * Wakes the refresh fiber if a token's refresh is overdue: timers do not count the time that the machine was asleep.
 */
const wakeIfOverdue = (cache: Cache, { state }: Entry.Entry, clock: Clock.Clock): void => {
  if (TokenState.isOverdue(state, clock.unsafeCurrentTimeMillis())) {
    cache.wake()
  }
}

const statusAt = ({ sharing }: Cache, entry: Entry.Entry, clock: Clock.Clock): TokenStatus => {
  const { idle, name, source, state } = entry
  const { token } = state
  const usable = Entry.usableToken(entry, clock.unsafeCurrentTimeMillis(), clock.unsafeCurrentTimeNanos())
  const sharingState = token === undefined ? undefined : sharing.stateOf(entry)
  return {
    name,
    ...(source.issuer === undefined ? undefined : { issuer: source.issuer }),
    ...(idle === undefined ? undefined : { tenant: true }),
    state: TokenState.name(state, usable !== undefined),
    refreshing: state.attempt !== "none",
    ...(token === undefined ? undefined : { issuedAt: token.issuedAt, expiresAt: token.expiresAt }),
    ...(state.nextAttemptAt === TokenState.never ? undefined : { nextAttemptAt: state.nextAttemptAt }),
    generation: state.generation,
    consecutiveFailures: state.consecutiveFailures,
    ...(state.lastError === undefined ? undefined : { lastError: state.lastError }),
    ...(sharingState === undefined ? undefined : { sharing: sharingState }),
    reads: entry.reads
  }
}

/** Streams the status of one token, the current one first. A slow consumer misses all but the latest. */
export const changes = (cache: Cache, entry: Entry.Entry): Stream.Stream<TokenStatus> =>
  Effect.map(subscribe(entry), (ref) => ref.changes).pipe(
    Stream.unwrap,
    Stream.mapEffect(() => status(cache, entry)),
    Stream.buffer({ capacity: 1, strategy: "sliding" }),
    Stream.takeUntil(({ state }) => state === "stopped")
  )

/** Gives the reference that holds the state of a token, which is made for the first observer. */
const subscribe = (entry: Entry.Entry) =>
  entry.observed === undefined
    ? Effect.map(SubscriptionRef.make(entry.state), (made) => {
        entry.observed ??= made
        return entry.observed
      })
    : Effect.succeed(entry.observed)

/** Streams the events of all tokens. A consumer that is more than 256 events behind loses the oldest ones. */
export const events = (cache: Cache): Stream.Stream<TokenEvent> =>
  Stream.suspend(() =>
    cache.isClosed()
      ? Stream.empty
      : Stream.fromPubSub(cache.events).pipe(
          Stream.takeWhile(Option.isSome),
          Stream.map((event) => event.value),
          Stream.buffer({ capacity: 256, strategy: "sliding" })
        )
  )

/** Gives what metrics may see of a cache. */
export const telemetry = (cache: Cache): Telemetry => ({
  tokens: cache.entries,
  status: (token) => {
    const entry = cache.entries.get(token.name)
    return entry === token ? statusAt(cache, entry, cache.clock) : undefined
  },
  listeners: cache.listeners
})
