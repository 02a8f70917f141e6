import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { AccessToken } from "../../IssuedToken.js"
import { InvalidOptions } from "../../TokenError.js"
import type { TokenSource } from "../../TokenSource.js"
import * as Sharing from "../sharing/sharing.js"
import * as Following from "../sharing/storeSync.js"
import * as Alarm from "./alarm.js"
import * as Attempt from "./attempt.js"
import * as Attempts from "./attempts.js"
import * as Registry from "./cache.js"
import * as Entry from "./entry.js"
import { nextTurn } from "./time.js"
import * as TokenState from "./tokenState.js"
import * as Unavailable from "./tokenUnavailable.js"

/** Keeps the tokens of one layer fresh: one fiber that starts what is due, and a fiber per attempt. */
export interface Supervisor {
  readonly registry: Registry.Registry
  /** Adds a token, due at once. */
  readonly add: (
    name: string,
    source: TokenSource<unknown, unknown>,
    context: Context.Context<unknown>
  ) => Effect.Effect<Entry.Entry, InvalidOptions>
  /** The same for a free name, with a token that is removed when it has not been read for `timeToLive` milliseconds. */
  readonly insert: (
    name: string,
    source: TokenSource<unknown, unknown>,
    context: Context.Context<unknown>,
    timeToLive: number
  ) => Entry.Entry
  readonly remove: (entry: Entry.Entry) => Effect.Effect<void>
}

export const make = (options: Registry.Options): Effect.Effect<Supervisor, never, Scope.Scope> =>
  Effect.gen(function* () {
    const latch = yield* Effect.makeLatch(false)
    const registry = yield* Registry.make(options, () => latch.unsafeOpen())
    yield* Effect.forkScoped(Effect.interruptible(refresh(registry, latch)))
    if (registry.sharing !== undefined) {
      yield* Effect.interruptible(Following.follow(registry, registry.sharing))
    }
    yield* Effect.addFinalizer(() => close(registry))
    return {
      registry,
      add: (name, source, context) =>
        Effect.suspend(() =>
          registry.entries.has(name)
            ? Effect.fail(nameTaken(name))
            : Effect.succeed(insert(registry, name, source, context))
        ),
      insert: (name, source, context, timeToLive) => insert(registry, name, source, context, timeToLive),
      remove: (entry) => remove(registry, entry)
    }
  })

/** The refresh fiber: starts what is due, then sleeps until the next deadline, or until the latch opens. */
const refresh = (registry: Registry.Registry, latch: Effect.Latch): Effect.Effect<never> => {
  const alarm = Alarm.make(registry.clock, registry.fibers, registry.wake)
  return Effect.suspend(() => {
    latch.unsafeClose()
    registry.noticeSetBack()
    if (startDue(registry)) {
      return nextTurn
    }
    alarm.set(registry.deadlines.earliest())
    return latch.await
  }).pipe(
    Effect.catchAllCause((cause) =>
      Effect.zipRight(Effect.logError("The refresh fiber hit a defect and goes on", cause), Effect.sleep("1 second"))
    ),
    Effect.forever
  )
}

/** How many attempts may start before the event loop gets a turn. */
const batch = 512

/** Starts what is due; true if there is more to do. */
const startDue = (registry: Registry.Registry): boolean => {
  const { deadlines, now, places } = registry
  const at = now()
  for (let entry = deadlines.takeDue(at); entry !== undefined; entry = deadlines.takeDue(at)) {
    onDeadline(registry, entry, at)
  }
  for (let started = 0; started < batch; started++) {
    const entry = places.next()
    if (entry === undefined) {
      return false
    }
    Attempts.start(registry, entry)
  }
  return true
}

const onDeadline = (registry: Registry.Registry, entry: Entry.Entry, at: number): void => {
  const { fibers, options, places, publish, reschedule, update } = registry
  const { attempt } = entry
  if (at >= Entry.idleAt(entry)) {
    fibers.fork(remove(registry, entry))
    return
  }
  if (at >= TokenState.expiry(entry.state)) {
    update(entry, TokenState.expired(entry.state))
    publish({ _tag: "Expired", name: entry.name, at })
  }
  if (at >= entry.state.nextAttemptAt) {
    update(entry, TokenState.queued(entry.state))
    places.lineUp(entry)
  }
  if (attempt !== undefined && at >= Entry.timeoutAt(entry, attempt)) {
    Attempts.timeOut(registry, entry, attempt)
  } else if (attempt !== undefined && at >= Entry.placeLostAt(attempt, options.readTimeout)) {
    places.giveBack(attempt)
  }
  reschedule(entry)
}

const insert = (
  registry: Registry.Registry,
  name: string,
  source: TokenSource<unknown, unknown>,
  context: Context.Context<unknown>,
  timeToLive?: number
): Entry.Entry => {
  const { entries, isClosed, now, tenants, update, wake } = registry
  const shared = Sharing.of(registry, name, source)
  const entry = Entry.make(name, source, context, now(), { timeToLive, shared })
  entries.set(name, entry)
  Sharing.add(registry, entry)
  if (entry.idle !== undefined) {
    tenants.add(entry)
  }
  update(entry, isClosed() ? TokenState.stopped(entry.state) : entry.state)
  wake()
  return entry
}

const nameTaken = (name: string) =>
  new InvalidOptions({
    token: name,
    option: "name",
    message: `"${name}" is in this cache already: give each token a name of its own`
  })

const remove = (registry: Registry.Registry, entry: Entry.Entry): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { entries, fibers, now, publish, tenants, wake } = registry
    if (entry.state.stopped) {
      return Effect.void
    }
    const stopped = stop(registry, entry)
    entries.delete(entry.name)
    tenants.delete(entry)
    Sharing.remove(registry, entry)
    wake()
    publish({ _tag: "Dropped", name: entry.name, at: now() })
    const interrupted = stopped.fiber === undefined ? Effect.void : fibers.interrupt([stopped.fiber])
    return Effect.zipRight(interrupted, revoke(stopped))
  })

const close = (registry: Registry.Registry): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { entries, events, fibers } = registry
    registry.close()
    const all = Array.from(entries.values(), (entry) => stop(registry, entry))
    return Effect.gen(function* () {
      yield* fibers.interruptAll
      events.unsafeOffer(Option.none())
      yield* Effect.forEach(all, lastView, { discard: true })
      yield* Effect.forEach(all.filter(isRevocable), revoke, { concurrency: "unbounded", discard: true })
    })
  })

interface Stopped {
  readonly entry: Entry.Entry
  readonly fiber: Fiber.RuntimeFiber<unknown> | undefined
  /** The token to revoke. */
  readonly token: AccessToken | undefined
}

const stop = (registry: Registry.Registry, entry: Entry.Entry): Stopped => {
  const { attempt, state } = entry
  if (attempt !== undefined) {
    registry.places.giveBack(attempt)
    entry.attempt = undefined
  }
  registry.update(entry, TokenState.stopped(state))
  Attempts.complete(registry, entry, () => Exit.fail(Unavailable.closed(entry)))
  // What is shared is not revoked: others use it.
  const own = state.expired || entry.shared?.state === "shared" ? undefined : state.token
  return { entry, fiber: attempt?.fiber, token: own }
}

const isRevocable = ({ entry, token }: Stopped) => entry.source.revoke !== undefined && token !== undefined

const revoke = ({ entry, token }: Stopped) => (token === undefined ? Effect.void : Attempt.revoke(entry, token))

const lastView = ({ entry: { observed, state } }: Stopped) =>
  observed === undefined ? Effect.void : SubscriptionRef.set(observed, state)
