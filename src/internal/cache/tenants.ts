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
import * as Entry from "./entry.js"
import * as Membership from "./membership.js"
import { whileWaiting } from "./reader.js"
import { monotonicMillis } from "./time.js"
import * as Unavailable from "./tokenUnavailable.js"
import * as Waiters from "./waiters.js"

/** How tenants are made and dropped. */
export interface Options {
  /** How long a tenant is kept after its last read, in milliseconds. */
  readonly idleTimeToLive: number
  /** How many tenants are kept. */
  readonly capacity: number
  /** Makes the source of a tenant, and checks its options. */
  readonly lookup: (name: string) => Effect.Effect<AnySource, unknown, unknown>
  /** The services that the lookup and the issuers need. */
  readonly context: Context.Context<unknown>
}

/** The tokens of a cache that are made when they are first read. */
export interface Tenants {
  /**
   * Looks up a name that is not in the cache, waits until `until` for it, and does something with its entry, which
   * stays in the cache meanwhile. Callers at the same time share a lookup.
   */
  readonly use: <A, E>(
    name: string,
    until: number,
    f: (entry: Entry.Entry) => Effect.Effect<A, E>
  ) => Effect.Effect<A, E | TokenUnavailable>
  /** Fails all readers that wait for a lookup. */
  readonly close: () => void
}

/** How long a lookup may take. */
const lookupTimeout = Duration.seconds(30)

/** Makes the tenants of a cache. */
export const make = (cache: Cache, options: Options): Tenants => {
  const lookups: Lookups = {
    running: new Map(),
    missing: new Map(),
    permits: Effect.unsafeMakeSemaphore(cache.options.concurrency)
  }
  const shrink = () => dropExcess(cache, options.capacity)
  return {
    use: (name, until, f) =>
      // Otherwise an interruption could come between joining a lookup and leaving it.
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
            // Only now, because the lookup may end at once.
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

/** A lookup that is running. */
interface Lookup {
  /** The readers that wait for the lookup. */
  readonly waiters: Waiters.Waiters<Entry.Entry, TokenUnavailable>
  /** When the tenant is dropped, once it is found. */
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
  idle: { timeToLive: options.idleTimeToLive, readAt: 0, readAtNanos: 0n, waiting: 0, released }
})

/** Runs a lookup, which ends in an entry or in an error for all who wait for it. */
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

/** Turns the outcome of a lookup into an entry of the cache, or into the error of those who wait. */
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
  // The name may have been registered while it was looked up.
  const registered = cache.entries.get(name)
  if (registered !== undefined) {
    return Exit.succeed(registered)
  }
  if (Exit.isFailure(exit)) {
    return Exit.fail(isNotFound(exit) ? unknown(cache, name) : lookupFailed(name, exit.cause))
  }
  Entry.noteRead(idle, cache.now(), cache.clock.unsafeCurrentTimeNanos())
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

/** Puts the instant of a read behind those of all other reads. Instants before 1970 are negative. */
const afterAllReads = 2 ** 52

/**
 * Drops tenants until there are no more than `capacity`: those read least recently first, and those that back off last.
 */
const dropExcess = (cache: Cache, capacity: number): void => {
  const excess = cache.tenants.size - capacity
  if (excess <= 0) {
    return
  }
  // Otherwise those that were read before the clock was set back would seem to be the last ones.
  cache.adjustForClockSetBack()
  const candidates = new FlatQueue<Entry.Entry>()
  for (const entry of cache.tenants) {
    const { idle, state } = entry
    if (idle?.waiting === 0) {
      candidates.push(entry, idle.readAt + (state.lastError === undefined ? 0 : afterAllReads))
    }
  }
  for (let left = Math.min(excess, candidates.length); left > 0; left--) {
    const entry = candidates.pop()
    if (entry !== undefined) {
      Membership.drop(cache, entry)
    }
  }
}
