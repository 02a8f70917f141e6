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
  /** Looks up a name that the cache does not have yet; callers at the same time share the lookup. */
  readonly find: (name: string, until: number) => Effect.Effect<Entry.Entry, TokenUnavailable>
  /** Fails all who wait for a lookup. */
  readonly close: () => void
}

const lookupTimeout = Duration.seconds(30)

export const make = (cache: Cache, options: Options): Tenants => {
  const lookups: Lookups = new Map()
  return {
    find: (name, until) =>
      Effect.suspend(() =>
        cache.isClosed()
          ? Effect.fail(Unavailable.closed({ name }))
          : (lookups.get(name)?.await(until) ?? lookUp(cache, options, lookups, name, until))
      ),
    close: () => {
      for (const [name, waiters] of lookups) {
        waiters.complete(Exit.fail(Unavailable.closed({ name })))
      }
    }
  }
}

/** The lookups that are running, and the readers that wait for them. */
type Lookups = Map<string, Waiters.Waiters<Entry.Entry, TokenUnavailable>>

const lookUp = (
  cache: Cache,
  options: Options,
  lookups: Lookups,
  name: string,
  until: number
): Effect.Effect<Entry.Entry, TokenUnavailable> => {
  const { clock, fibers } = cache
  const waiters = Waiters.make<Entry.Entry, TokenUnavailable>(clock, fibers, () =>
    Unavailable.timedOut({ name }, cache.options.readTimeout)
  )
  lookups.set(name, waiters)
  const found = waiters.await(until)
  let timer: Fiber.RuntimeFiber<void> | undefined
  const conclude = (exit: Exit.Exit<AnySource, unknown>) => {
    if (lookups.get(name) === waiters) {
      lookups.delete(name)
      timer?.unsafeInterruptAsFork(FiberId.none)
      waiters.complete(add(cache, options, name, exit))
    }
  }
  const lookup = Effect.suspend(() => options.lookup(name)).pipe(Effect.scoped, Effect.provide(options.context))
  const fiber = fibers.fork(Effect.exit(lookup))
  fiber.addObserver((exit) => conclude(Exit.flatten(exit)))
  if (lookups.get(name) === waiters) {
    const giveUp = Effect.sync(() => {
      conclude(Exit.fail(tooSlow()))
      fiber.unsafeInterruptAsFork(FiberId.none)
    })
    timer = fibers.fork(Effect.delay(giveUp, lookupTimeout))
  }
  return found
}

const add = (
  cache: Cache,
  options: Options,
  name: string,
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
    return Exit.fail(notFound(cache, name, exit.cause))
  }
  makeRoom(cache, options.capacity)
  return Exit.succeed(Membership.insert(cache, name, exit.value, options.context, options.idleTimeToLive))
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

/** Removes the tenants that were read least recently, those that back off last, so that there is room for one more. */
const makeRoom = (cache: Cache, capacity: number): void => {
  const excess = cache.tenants.size + 1 - capacity
  if (excess <= 0) {
    return
  }
  const now = cache.now()
  const candidates = new FlatQueue<Entry.Entry>()
  for (const entry of cache.tenants) {
    if (isEvictable(entry)) {
      candidates.push(entry, (entry.idle?.readAt ?? 0) + (entry.state.lastError === undefined ? 0 : now))
    }
  }
  for (let left = Math.min(excess, candidates.length); left > 0; left--) {
    const entry = candidates.pop()
    if (entry !== undefined) {
      cache.fibers.fork(Membership.remove(cache, entry))
    }
  }
}

/** True once the first reader has had its turn, while nobody waits for the token. */
const isEvictable = ({ reads, waiters }: Entry.Entry): boolean => reads > 0 && waiters === undefined
