import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { TokenEvent } from "../../TokenStatus.js"
import * as DeadlineQueue from "./deadlineQueue.js"
import * as Entry from "./entry.js"
import * as Fibers from "./fibers.js"
import * as NextAttempt from "./nextAttempt.js"
import * as Permits from "./permits.js"
import type { Sharing } from "./sharing.js"
import type { Listener, Report } from "./telemetry.js"
import { clockSetBack } from "./time.js"
import * as TokenState from "./tokenState.js"

/** The options of a cache, all of which are given by now. */
export interface Options {
  /** How long a reader waits if there is no usable token, in milliseconds. */
  readonly readTimeout: number
  /** How long before its expiry a token is no longer given out, in milliseconds. */
  readonly leeway: number
  /** How many attempts may run at once. */
  readonly concurrency: number
}

/** The tokens of one layer, and the one place where their states are replaced. */
export interface Cache {
  /** The options of the layer. */
  readonly options: Options
  /** The clock of the fiber that built the layer. */
  readonly clock: Clock.Clock
  /** All tokens in the cache, by their names. */
  readonly entries: Map<string, Entry.Entry>
  /** The tokens that are dropped when nobody reads them, which are in `entries` as well. */
  readonly tenants: Set<Entry.Entry>
  /** When the refresh fiber has to look at each token next. */
  readonly deadlines: DeadlineQueue.DeadlineQueue<Entry.Entry>
  /** How many attempts may run at once, and the tokens that wait for their turn. */
  readonly permits: Permits.Permits
  /** The fibers that end with the layer. */
  readonly fibers: Fibers.Fibers
  /** How tokens are shared with other processes, if they are. */
  readonly sharing: Sharing
  /** Who is told what the cache does, such as the metrics. */
  readonly listeners: Set<Listener>
  /** Tells all listeners what the cache has done. */
  readonly report: (report: Report) => void
  /** The events of all tokens. A `none` ends their stream. */
  readonly events: PubSub.PubSub<Option.Option<TokenEvent>>
  /** Gives an event to all who follow the stream of events. */
  readonly publish: (event: TokenEvent) => void
  /**
   * Whether log lines of level Debug are wanted. If not, no effect is made for them: many that start together feel it.
   */
  readonly logsDebug: boolean
  /** Makes the refresh fiber look for what is due. */
  readonly wake: () => void
  /** The latch that the refresh fiber waits for. It is open once the cache was woken. */
  readonly woken: Effect.Latch
  /** Gives the time in epoch milliseconds. They are whole, although a `TestClock` may stand between two of them. */
  readonly now: () => number
  /** Whether the layer is closed or closing. */
  readonly isClosed: () => boolean
  /** Marks the cache as closed. From then on no observer is told of a change, because the streams are about to end. */
  readonly close: () => void
  /**
   * Replaces the state of a token, sets its next deadline and tells its observers. Nothing else writes `Entry.state`.
   */
  readonly update: (entry: Entry.Entry, state: TokenState.TokenState) => void
  /**
   * Sets the next deadline of a token. It has to follow each change that the deadline depends on, except of the state.
   */
  readonly reschedule: (entry: Entry.Entry) => void
  /** Moves all instants if the wall clock was set back since the last call. */
  readonly adjustForClockSetBack: () => void
  /** Gives how far all instants have been moved since the cache was made, in milliseconds: 0 or less. */
  readonly skew: () => number
}

/** Makes an empty cache. `makeSharing` says how its tokens are shared. */
export const make = (options: Options, makeSharing: (cache: Cache) => Sharing): Effect.Effect<Cache> =>
  Effect.gen(function* () {
    const clock = yield* Effect.clock
    const fibers = yield* Fibers.make
    const woken = yield* Effect.makeLatch(false)
    const events = yield* PubSub.unbounded<Option.Option<TokenEvent>>()
    const minimumLogLevel = yield* FiberRef.get(FiberRef.currentMinimumLogLevel)
    const entries = new Map<string, Entry.Entry>()
    const deadlines = DeadlineQueue.make<Entry.Entry>()
    const listeners = new Set<Listener>()
    const setBackBy = clockSetBack(clock)
    let closed = false
    let totalSkew = 0

    const reschedule = (entry: Entry.Entry) => {
      DeadlineQueue.schedule(deadlines, entry, Entry.nextDeadline(entry, options.readTimeout))
    }

    const update = (entry: Entry.Entry, state: TokenState.TokenState) => {
      entry.state = state
      reschedule(entry)
      if (entry.observed !== undefined && !closed) {
        fibers.fork(SubscriptionRef.set(entry.observed, state))
      }
    }

    const cache: Cache = {
      options,
      clock,
      entries,
      tenants: new Set(),
      deadlines,
      permits: Permits.make(options.concurrency),
      fibers,
      get sharing() {
        return sharing
      },
      listeners,
      report: (report) => {
        for (const { onReport } of listeners) {
          onReport(report)
        }
      },
      events,
      publish: (event) => {
        events.unsafeOffer(Option.some(event))
      },
      logsDebug: LogLevel.lessThanEqual(minimumLogLevel, LogLevel.Debug),
      wake: () => woken.unsafeOpen(),
      woken,
      now: () => Math.floor(clock.unsafeCurrentTimeMillis()),
      isClosed: () => closed,
      close: () => {
        closed = true
      },
      update,
      reschedule,
      adjustForClockSetBack: () => {
        const skew = setBackBy()
        if (skew !== 0) {
          totalSkew += skew
          moveInstants(cache, skew)
        }
      },
      skew: () => totalSkew
    }
    const sharing = makeSharing(cache)
    return cache
  })

const moveInstants = ({ clock, deadlines, entries, now, update }: Cache, skew: number): void => {
  DeadlineQueue.shift(deadlines, skew)
  const nanos = clock.unsafeCurrentTimeNanos()
  for (const entry of entries.values()) {
    NextAttempt.shift(entry, skew)
    if (entry.idle !== undefined) {
      Entry.shiftIdle(entry.idle, now(), nanos)
    }
    if (entry.attempt !== undefined) {
      entry.attempt.startedAt += skew
    }
    update(entry, TokenState.shifted(entry.state, skew))
  }
}

/** The names that may be shown to who asks for another one: those of tenants tell who the customers are. */
export const declaredNames = ({ entries }: Cache): ReadonlyArray<string> =>
  Array.from(entries.values())
    .filter(({ idle }) => idle === undefined)
    .map(({ name }) => name)

/** Adds the name of the token to the log lines of an effect. */
export const annotated = <A, E, R>(entry: { readonly name: string }, log: Effect.Effect<A, E, R>) =>
  Effect.annotateLogs(log, "token", entry.name)
