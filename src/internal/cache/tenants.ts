import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import FlatQueue from "flatqueue"
import { type InvalidOptions, IssueError, type TokenUnavailable } from "../../TokenError.js"
import type { TokenSource } from "../../TokenSource.js"
import { issueErrorOf } from "../issueErrorOf.js"
import { type Cache, declaredNames } from "./cache.js"
import type * as Entry from "./entry.js"
import * as Membership from "./membership.js"
import { whileWaiting } from "./reader.js"
import { monotonicMillis } from "./time.js"
import * as Unavailable from "./tokenUnavailable.js"
import * as Waiters from "./waiters.js"

export interface Options {
  /** In milliseconds. */
  readonly idleTimeToLive: number
  readonly capacity: number
  /** Makes the source of a tenant, with its options checked. */
  readonly lookup: (name: string) => Effect.Effect<AnySource, unknown, unknown>
  readonly context: Context.Context<unknown>
}

/** The tokens that are made when they are first read. */
export interface Tenants {
  /**
   * Looks up a name that the cache does not have yet, and uses its entry, which stays in the cache meanwhile. Callers at
   * the same time share the lookup.
   */
  readonly use: <A, E>(
    name: string,
    until: number,
    f: (entry: Entry.Entry) => Effect.Effect<A, E>
  ) => Effect.Effect<A, E | TokenUnavailable>
  /** Fails all who wait for a lookup. */
  readonly close: () => void
}

const lookupTimeout = Duration.seconds(30)

export const make = (cache: Cache, options: Options): Tenants => {
  const lookups: Lookups = {
    running: new Map(),
    missing: new Map(),
    permits: Effect.unsafeMakeSemaphore(cache.options.concurrency)
  }
  const shrink = () => dropExcess(cache, options.capacity)
  return {
    use: (name, until, f) =>
      // So that an interruption does not come between joining a lookup and leaving it.
      Effect.uninterruptibleMask((restore) =>
        Effect.suspend(() => {
          if (cache.isClosed()) {
            return Effect.fail(Unavailable.closed({ name }))
          }
          if (isKnownMissing(lookups, name, monotonicMillis(cache.clock))) {
            return Effect.fail(unknown(cache, name))
          }
          const running = lookups.running.get(name)
          const lookup = running ?? makeLookup(cache, options, name, shrink)
          const using = whileWaiting(lookup.idle, restore(Effect.flatMap(lookup.waiters.await(until), f)))
          if (running === undefined) {
            // It may end at once.
            run(cache, options, lookups, name, lookup)
          }
          return using
        })
      ),
    close: () => {
      for (const [name, { waiters }] of lookups.running) {
        waiters.complete(Exit.fail(Unavailable.closed({ name })))
      }
    }
  }
}

interface Lookup {
  readonly waiters: Waiters.Waiters<Entry.Entry, TokenUnavailable>
  /** Of the tenant, once it is found. */
  readonly idle: Entry.Idle
}

interface Lookups {
  readonly running: Map<string, Lookup>
  /** The names that were not found moments ago, in this order, and until when they are not looked up again. */
  readonly missing: Map<string, number>
  /** As many lookups run at once as attempts. */
  readonly permits: Effect.Semaphore
}

/** How long a name that was not found is not looked up again, in milliseconds. */
const missingTimeToLive = 1000

const isKnownMissing = ({ missing }: Lookups, name: string, now: number): boolean => {
  for (const [name, until] of missing) {
    if (now < until) {
      break
    }
    missing.delete(name)
  }
  return missing.has(name)
}

const unknown = (cache: Cache, name: string): TokenUnavailable => Unavailable.unknownName(name, declaredNames(cache))

const makeLookup = (cache: Cache, options: Options, name: string, released: () => void): Lookup => ({
  waiters: Waiters.make<Entry.Entry, TokenUnavailable>(cache.clock, cache.fibers, () =>
    Unavailable.timedOut({ name }, cache.options.readTimeout)
  ),
  idle: { timeToLive: options.idleTimeToLive, readAt: cache.now(), waiting: 0, released }
})

const run = (cache: Cache, options: Options, lookups: Lookups, name: string, lookup: Lookup): void => {
  const { fibers } = cache
  lookups.running.set(name, lookup)
  let timer: Fiber.RuntimeFiber<void> | undefined
  let holdsPermit = false
  const conclude = (exit: Exit.Exit<AnySource, unknown>) => {
    if (lookups.running.get(name) === lookup) {
      lookups.running.delete(name)
      timer?.unsafeInterruptAsFork(FiberId.none)
      // Here and not when the lookup ends: one that cannot be interrupted may never end.
      if (holdsPermit) fibers.fork(lookups.permits.release(1))
      if (isNotFound(exit)) {
        lookups.missing.set(name, monotonicMillis(cache.clock) + missingTimeToLive)
      }
      lookup.waiters.complete(add(cache, options, name, lookup, exit))
    }
  }
  const source = lookups.permits.take(1).pipe(
    Effect.flatMap(() => {
      holdsPermit = true
      return options.lookup(name)
    }),
    Effect.scoped,
    Effect.provide(options.context)
  )
  const fiber = fibers.fork(Effect.exit(source))
  fiber.addObserver((exit) => conclude(Exit.flatten(exit)))
  if (lookups.running.get(name) === lookup) {
    const giveUp = Effect.sync(() => {
      conclude(Exit.fail(tooSlow()))
      fiber.unsafeInterruptAsFork(FiberId.none)
    })
    timer = fibers.fork(Effect.delay(giveUp, lookupTimeout))
  }
}

const add = (
  cache: Cache,
  options: Options,
  name: string,
  { idle }: Lookup,
  exit: Exit.Exit<AnySource, unknown>
): Exit.Exit<Entry.Entry, TokenUnavailable> => {
  if (cache.isClosed()) {
    return Exit.fail(Unavailable.closed({ name }))
  }
  // It may have been registered while it was looked up.
  const registered = cache.entries.get(name)
  if (registered !== undefined) {
    return Exit.succeed(registered)
  }
  if (Exit.isFailure(exit)) {
    return Exit.fail(isNotFound(exit) ? unknown(cache, name) : lookupFailed(name, exit.cause))
  }
  idle.readAt = cache.now()
  const entry = Membership.insert(cache, name, exit.value, options.context, idle)
  dropExcess(cache, options.capacity)
  return Exit.succeed(entry)
}

type AnySource = TokenSource<unknown, unknown>

const tooSlow = () =>
  new IssueError({ reason: "Timeout", message: `the lookup took longer than ${Duration.format(lookupTimeout)}` })

/** A lookup says that there is no such tenant by failing with `NoSuchElementException`. */
const isNotFound = (exit: Exit.Exit<unknown, unknown>): boolean =>
  Exit.isFailure(exit) &&
  Option.exists(Cause.failureOption(exit.cause), (error) => Predicate.isTagged(error, "NoSuchElementException"))

const lookupFailed = (name: string, cause: Cause.Cause<unknown>): TokenUnavailable =>
  Unavailable.lookupFailed(
    name,
    Option.match(Option.filter(Cause.failureOption(cause), isInvalidOptions), {
      onNone: () => issueErrorOf(cause, "the lookup"),
      onSome: ({ message }) => new IssueError({ reason: "Defect", permanent: true, message })
    })
  )

const isInvalidOptions = (error: unknown): error is InvalidOptions => Predicate.isTagged(error, "InvalidOptions")

/** Drops the tenants past the capacity that were read least recently, those that back off last. */
const dropExcess = (cache: Cache, capacity: number): void => {
  const excess = cache.tenants.size - capacity
  if (excess <= 0) {
    return
  }
  const now = cache.now()
  const candidates = new FlatQueue<Entry.Entry>()
  for (const entry of cache.tenants) {
    const { idle, state } = entry
    if (idle?.waiting === 0) {
      candidates.push(entry, idle.readAt + (state.lastError === undefined ? 0 : now))
    }
  }
  for (let left = Math.min(excess, candidates.length); left > 0; left--) {
    const entry = candidates.pop()
    if (entry !== undefined) {
      cache.fibers.fork(Membership.remove(cache, entry))
    }
  }
}
