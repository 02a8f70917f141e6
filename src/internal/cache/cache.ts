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
import * as Permits from "./permits.js"
import type { Sharing } from "./sharing.js"
import type { Listener, Report } from "./telemetry.js"
import { clockSetBack } from "./time.js"
import * as TokenState from "./tokenState.js"

/** Durations are milliseconds. */
export interface Options {
  readonly readTimeout: number
  readonly leeway: number
  readonly concurrency: number
}

/** The tokens of one layer, and the one place where their states are replaced. */
export interface Cache {
  readonly options: Options
  readonly clock: Clock.Clock
  readonly entries: Map<string, Entry.Entry>
  /** Those of the entries that are dropped when nobody reads them. */
  readonly tenants: Set<Entry.Entry>
  /** When each token has to be looked at next. */
  readonly deadlines: DeadlineQueue.DeadlineQueue<Entry.Entry>
  readonly permits: Permits.Permits
  readonly fibers: Fibers.Fibers
  readonly sharing: Sharing
  readonly listeners: Set<Listener>
  readonly report: (report: Report) => void
  /** `none` ends the stream of events. */
  readonly events: PubSub.PubSub<Option.Option<TokenEvent>>
  readonly publish: (event: TokenEvent) => void
  /** Whether log lines of level Debug are wanted: an effect per attempt is felt when many tokens start. */
  readonly logsDebug: boolean
  /** Lets the refresh fiber look for what is due. */
  readonly wake: () => void
  /** Open once the cache was woken. */
  readonly woken: Effect.Latch
  /** Epoch milliseconds, whole: a TestClock may stand between two. */
  readonly now: () => number
  readonly isClosed: () => boolean
  /** From here on no observer is told of a change, because the streams are about to end. */
  readonly close: () => void
  readonly update: (entry: Entry.Entry, state: TokenState.TokenState) => void
  /** Has to follow a change of what `Entry.nextDeadline` depends on, other than the state. */
  readonly reschedule: (entry: Entry.Entry) => void
  /** Moves all instants if the wall clock was set back since the last call. */
  readonly adjustForClockSetBack: () => void
  /** How far all instants have been moved so far, in milliseconds: 0 or less. */
  readonly skew: () => number
}

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

const moveInstants = ({ deadlines, entries, update }: Cache, skew: number): void => {
  DeadlineQueue.shift(deadlines, skew)
  for (const entry of entries.values()) {
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

/** Logs with the name of the token. */
export const annotated = <A, E, R>(entry: { readonly name: string }, log: Effect.Effect<A, E, R>) =>
  Effect.annotateLogs(log, "token", entry.name)
