import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Predicate from "effect/Predicate"
import FlatQueue from "flatqueue"
import { type InvalidOptions, IssueError, type TokenUnavailable } from "../../TokenError.js"
import type { TokenSource } from "../../TokenSource.js"
import { issueErrorOf } from "../issueErrorOf.js"
import type { Cache } from "./cache.js"
import type * as Entry from "./entry.js"
import * as Membership from "./membership.js"
import { whileWaiting } from "./reader.js"
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
  const lookups: Lookups = new Map()
  const shrink = () => dropExcess(cache, options.capacity)
  return {
    use: (name, until, f) =>
      // Otherwise an interruption could come between joining a lookup and leaving it.
      Effect.uninterruptibleMask((restore) =>
        Effect.suspend(() => {
          if (cache.isClosed()) {
            return Effect.fail(Unavailable.closed({ name }))
          }
          const running = lookups.get(name)
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
      for (const [name, { waiters }] of lookups) {
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

/** The lookups that are running, by name. */
type Lookups = Map<string, Lookup>

const makeLookup = (cache: Cache, options: Options, name: string, released: () => void): Lookup => ({
  waiters: Waiters.make<Entry.Entry, TokenUnavailable>(cache.clock, cache.fibers, () =>
    Unavailable.timedOut({ name }, cache.options.readTimeout)
  ),
  idle: { timeToLive: options.idleTimeToLive, readAt: cache.now(), waiting: 0, released }
})

/** Runs a lookup, which ends in an entry or in an error for all who wait for it. */
const run = (cache: Cache, options: Options, lookups: Lookups, name: string, lookup: Lookup): void => {
  const { fibers } = cache
  lookups.set(name, lookup)
  let timer: Fiber.RuntimeFiber<void> | undefined
  const conclude = (exit: Exit.Exit<AnySource, unknown>) => {
    if (lookups.get(name) === lookup) {
      lookups.delete(name)
      timer?.unsafeInterruptAsFork(FiberId.none)
      lookup.waiters.complete(add(cache, options, name, lookup, exit))
    }
  }
  const source = Effect.suspend(() => options.lookup(name)).pipe(Effect.scoped, Effect.provide(options.context))
  const fiber = fibers.fork(Effect.exit(source))
  fiber.addObserver((exit) => conclude(Exit.flatten(exit)))
  if (lookups.get(name) === lookup) {
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
    return Exit.fail(notFound(cache, name, exit.cause))
  }
  idle.readAt = cache.now()
  const entry = Membership.insert(cache, name, exit.value, options.context, idle)
  dropExcess(cache, options.capacity)
  return Exit.succeed(entry)
}

type AnySource = TokenSource<unknown, unknown>

const tooSlow = () =>
  new IssueError({ reason: "Timeout", message: `the lookup took longer than ${Duration.format(lookupTimeout)}` })

const notFound = (cache: Cache, name: string, cause: Cause.Cause<unknown>): TokenUnavailable => {
  const failure = Cause.failureOption(cause)
  if (failure._tag === "Some" && Predicate.isTagged(failure.value, "NoSuchElementException")) {
    return Unavailable.unknownName(name, cache.entries.keys())
  }
  return Unavailable.lookupFailed(
    name,
    failure._tag === "Some" && isInvalidOptions(failure.value)
      ? new IssueError({ reason: "Defect", permanent: true, message: failure.value.message })
      : issueErrorOf(cause, "the lookup")
  )
}

const isInvalidOptions = (error: unknown): error is InvalidOptions => Predicate.isTagged(error, "InvalidOptions")

/**
 * Drops tenants until there are no more than `capacity`: those read least recently first, and those that back off last.
 */
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
