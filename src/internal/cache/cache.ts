import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as MetricLabel from "effect/MetricLabel"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { TokenEvent } from "../../TokenStatus.js"
import { TokenStore } from "../../TokenStore.js"
import * as Sharing from "../sharing/sharing.js"
import type { StoreOperation } from "../sharing/storeClient.js"
import * as DeadlineQueue from "./deadlineQueue.js"
import * as Entry from "./entry.js"
import * as Fibers from "./fibers.js"
import * as Places from "./permits.js"
import { watchSetBack } from "./time.js"
import * as TokenState from "./tokenState.js"

/** Finds the registry of a `TokenCacheService`. */
export const key: unique symbol = Symbol.for("effect-token-cache/registry")

export interface AttemptReport {
  readonly _tag: "Attempt"
  readonly entry: Entry.Entry
  readonly trigger: Entry.Trigger
  readonly outcome: Outcome
  readonly millis: number
}

export type Report =
  | AttemptReport
  | { readonly _tag: "Unauthorized"; readonly entry: Entry.Entry; readonly action: UnauthorizedAction }
  | { readonly _tag: "Store"; readonly operation: StoreOperation; readonly outcome: StoreOutcome }
  | { readonly _tag: "LeaseWait"; readonly millis: number }

export type StoreOutcome = "success" | "failure" | "unreadable"

export type Outcome = "success" | "unreachable" | "rejected" | "throttled" | "invalid_response" | "timeout" | "defect"

/** What `TokenMetrics` keeps for this cache. */
export interface Metrics {
  /** Of the fiber that turned the metrics on; `undefined` while they are off. */
  labels: ReadonlyArray<MetricLabel.MetricLabel> | undefined
  /** How many layers and status pages publish. */
  layers: number
  /** The names that have a label of their own, and what was published of them last. */
  readonly names: Map<string, { readonly entry: Entry.Entry; readonly reads: Reads }>
  /** The issuers that have a label of their own. */
  readonly issuers: Set<string>
  /** All other tokens, published as one. */
  readonly rest: {
    readonly entries: Set<Entry.Entry>
    /** Reads of those that are no longer in the cache. */
    gone: Reads
    published: Reads
  }
}

export interface Reads {
  readonly hit: number
  readonly waited: number
  readonly unavailable: number
}

export const noReads: Reads = { hit: 0, waited: 0, unavailable: 0 }

/** What a report of a refused token leads to: a new token, nothing since it is not the current one, or a back-off. */
export type UnauthorizedAction = "reminted" | "already_fresh" | "gave_up"

export interface Options {
  readonly readTimeout: number
  readonly leeway: number
  readonly concurrency: number
}

/** The tokens of one layer, and the one place where their states are replaced. */
export interface Registry {
  readonly options: Options
  readonly clock: Clock.Clock
  readonly entries: Map<string, Entry.Entry>
  /** Where the tokens are shared with other processes. */
  readonly sharing: Sharing.Sharing | undefined
  /** Those of the entries that are dropped when nobody reads them. */
  readonly tenants: Set<Entry.Entry>
  /** When each token has to be looked at next. */
  readonly deadlines: DeadlineQueue.DeadlineQueue<Entry.Entry>
  readonly places: Places.Places
  readonly fibers: Fibers.Fibers
  /** Told at once of what is counted; for metrics. */
  readonly listeners: Set<(report: Report) => void>
  readonly metrics: Metrics
  /** `none` ends the stream of events. */
  readonly events: PubSub.PubSub<Option.Option<TokenEvent>>
  /** Lets the refresh fiber look for what is due. */
  readonly wake: () => void
  /** Epoch milliseconds, whole: a TestClock may stand between two. */
  readonly now: () => number
  readonly isClosed: () => boolean
  /** From here on no observer is told of a change: the streams are about to end. */
  readonly close: () => void
  readonly update: (entry: Entry.Entry, state: TokenState.TokenState) => void
  /** Has to follow a change of what `Entry.nextDeadline` depends on, other than the state. */
  readonly reschedule: (entry: Entry.Entry) => void
  readonly publish: (event: TokenEvent) => void
  /** Moves all instants if the wall clock was set back since the last call. */
  readonly noticeSetBack: () => void
}

export const make = (options: Options, wake: () => void): Effect.Effect<Registry> =>
  Effect.gen(function* () {
    const clock = yield* Effect.clock
    const fibers = yield* Fibers.make
    const store = yield* Effect.serviceOption(TokenStore)
    const events = yield* PubSub.unbounded<Option.Option<TokenEvent>>()
    const entries = new Map<string, Entry.Entry>()
    const deadlines = DeadlineQueue.make<Entry.Entry>()
    const setBackBy = watchSetBack(clock)
    let closed = false

    const reschedule = (entry: Entry.Entry) => {
      deadlines.schedule(entry, Entry.nextDeadline(entry, options.readTimeout))
    }

    const update = (entry: Entry.Entry, state: TokenState.TokenState) => {
      entry.state = state
      reschedule(entry)
      if (entry.observed !== undefined && !closed) {
        fibers.fork(SubscriptionRef.set(entry.observed, state))
      }
    }

    return {
      options,
      clock,
      entries,
      sharing: Option.getOrUndefined(Option.map(store, Sharing.make)),
      tenants: new Set(),
      deadlines,
      places: Places.make(options.concurrency),
      fibers,
      listeners: new Set(),
      metrics: {
        labels: undefined,
        layers: 0,
        names: new Map(),
        issuers: new Set(),
        rest: { entries: new Set(), gone: noReads, published: noReads }
      },
      events,
      wake,
      now: () => Math.floor(clock.unsafeCurrentTimeMillis()),
      isClosed: () => closed,
      close: () => {
        closed = true
      },
      update,
      reschedule,
      publish: (event) => {
        events.unsafeOffer(Option.some(event))
      },
      noticeSetBack: () => {
        const skew = setBackBy()
        if (skew !== 0) {
          deadlines.shift(skew)
          for (const entry of entries.values()) {
            if (entry.attempt !== undefined) {
              entry.attempt.startedAt += skew
            }
            update(entry, TokenState.shifted(entry.state, skew))
          }
        }
      }
    }
  })
