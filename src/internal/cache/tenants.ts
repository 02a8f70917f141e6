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
import type * as Entry from "./entry.js"
import type { Supervisor } from "./supervisor.js"
import * as Unavailable from "./tokenUnavailable.js"
import * as Waiting from "./waiters.js"

export interface Options {
  readonly idleTimeToLive: number
  readonly capacity: number
  /** Makes the source of a tenant, checked. */
  readonly lookup: (name: string) => Effect.Effect<AnySource, unknown, unknown>
  readonly context: Context.Context<unknown>
}

/** The tokens that are made when they are first read. */
export interface Tenants {
  /** Looks a name up that the cache does not have yet; callers at the same time share the lookup. */
  readonly find: (name: string, until: number) => Effect.Effect<Entry.Entry, TokenUnavailable>
  /** Fails all who wait for a lookup. */
  readonly close: () => void
}

const lookupTimeout = Duration.seconds(30)

export const make = (supervisor: Supervisor, options: Options): Tenants => {
  const { registry } = supervisor
  const { clock, entries, fibers } = registry
  const lookups = new Map<string, Waiting.Waiting<Entry.Entry>>()

  const lookUp = (name: string, until: number): Effect.Effect<Entry.Entry, TokenUnavailable> => {
    const waiting = Waiting.make<Entry.Entry>(clock, fibers, () =>
      Unavailable.timedOut({ name }, registry.options.readTimeout)
    )
    lookups.set(name, waiting)
    const found = waiting.join(until)
    let timer: Fiber.RuntimeFiber<void> | undefined
    const conclude = (exit: Exit.Exit<AnySource, unknown>) => {
      if (lookups.get(name) === waiting) {
        lookups.delete(name)
        timer?.unsafeInterruptAsFork(FiberId.none)
        waiting.complete(add(name, exit))
      }
    }
    const lookup = Effect.suspend(() => options.lookup(name)).pipe(Effect.scoped, Effect.provide(options.context))
    const fiber = fibers.fork(Effect.exit(lookup))
    fiber.addObserver((exit) => conclude(Exit.flatten(exit)))
    if (lookups.get(name) === waiting) {
      const giveUp = Effect.sync(() => {
        conclude(Exit.fail(tooSlow()))
        fiber.unsafeInterruptAsFork(FiberId.none)
      })
      timer = fibers.fork(Effect.delay(giveUp, lookupTimeout))
    }
    return found
  }

  const add = (name: string, exit: Exit.Exit<AnySource, unknown>): Exit.Exit<Entry.Entry, TokenUnavailable> => {
    if (registry.isClosed()) {
      return Exit.fail(Unavailable.closed({ name }))
    }
    // It may have been registered while it was looked up.
    const registered = entries.get(name)
    if (registered !== undefined) {
      return Exit.succeed(registered)
    }
    if (Exit.isFailure(exit)) {
      return Exit.fail(notFound(supervisor, name, exit.cause))
    }
    makeRoom(supervisor, options.capacity)
    return Exit.succeed(supervisor.insert(name, exit.value, options.context, options.idleTimeToLive))
  }

  return {
    find: (name, until) =>
      Effect.suspend(() =>
        registry.isClosed()
          ? Effect.fail(Unavailable.closed({ name }))
          : (lookups.get(name)?.join(until) ?? lookUp(name, until))
      ),
    close: () => {
      for (const [name, found] of lookups) {
        found.complete(Exit.fail(Unavailable.closed({ name })))
      }
    }
  }
}

type AnySource = TokenSource<unknown, unknown>

const tooSlow = () =>
  new IssueError({ reason: "Timeout", message: `the lookup took longer than ${Duration.format(lookupTimeout)}` })

const notFound = ({ registry }: Supervisor, name: string, cause: Cause.Cause<unknown>): TokenUnavailable => {
  const failure = Cause.failureOption(cause)
  if (failure._tag === "Some" && Predicate.isTagged(failure.value, "NoSuchElementException")) {
    return Unavailable.unknownName(name, registry.entries.keys())
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
const makeRoom = ({ registry, remove }: Supervisor, capacity: number): void => {
  const excess = registry.tenants.size + 1 - capacity
  if (excess <= 0) {
    return
  }
  const now = registry.now()
  const candidates = new FlatQueue<Entry.Entry>()
  for (const entry of registry.tenants) {
    if (isAtRest(entry)) {
      candidates.push(entry, (entry.idle?.readAt ?? 0) + (entry.state.lastError === undefined ? 0 : now))
    }
  }
  for (let left = Math.min(excess, candidates.length); left > 0; left--) {
    const entry = candidates.pop()
    if (entry !== undefined) {
      registry.fibers.fork(remove(entry))
    }
  }
}

/** Its first reader has had its turn, and none waits. */
const isAtRest = ({ reads, waiting }: Entry.Entry): boolean => reads > 0 && waiting === undefined
