import {
  Context,
  Effect,
  Exit,
  Fiber,
  FiberId,
  Layer,
  Logger,
  LogLevel,
  Random,
  Redacted,
  Runtime,
  Scope
} from "effect"
import { TokenCache, type TokenCacheService, TokenStore } from "effect-token-cache"
import * as MemoryBackend from "../support/memoryBackend.js"
import { fallible } from "../support/sharing.js"
import type { Command, History } from "./history.js"
import { names, registered } from "./history.js"
import * as Issuers from "./issuers.js"
import * as Safety from "./safety.js"
import { checkStatuses } from "./statuses.js"
import * as VirtualClock from "./virtualClock.js"
import * as World from "./world.js"

const start = 1_000_000_000_000

/** How often the clock may stop on its way, at most. A few hundred times are usual where issuers fail. */
const mostStops = 5000

/** A token that is never due, and that makes the cache look at the clocks when it is refreshed. */
const probe = "probe"

/** A read or a refresh of the real cache. */
interface Running {
  readonly verb: string
  readonly reader: World.Reader
  readonly fiber: Fiber.RuntimeFiber<string, unknown>
  outcome: World.Outcome | undefined
}

const outcomeOf = (exit: Exit.Exit<string, unknown>): World.Outcome => {
  if (Exit.isSuccess(exit)) return `token ${exit.value}`
  const error = exit.cause._tag === "Fail" ? exit.cause.error : undefined
  if (typeof error === "object" && error !== null && "reason" in error) {
    const reason = (["UnknownName", "IssueFailed", "TimedOut", "Closed"] as const).find((one) => one === error.reason)
    if (reason !== undefined) return reason
  }
  throw new Error(`a read ended with ${exit.cause}`)
}

/** Runs a history on a cache and on the model beside it. It throws where they differ. */
export const run = async (history: History): Promise<void> => {
  const virtual = VirtualClock.make(start)
  const issuers = Issuers.make()
  let setBack = 0
  let wasSetAhead = false
  /** How far instants may lie behind those of the model: by what the clock was set back, noticed or not. */
  let offsets = [0]
  const now = (): World.Now => ({ monotonic: virtual.monotonic(), wall: virtual.wall() + setBack })
  const world = World.make(history)
  const safety = Safety.make(history.kind)
  const isStrict = history.kind !== "store"
  const running = new Set<Running>()
  const backend = fallible(Effect.runSync(MemoryBackend.make))

  const runtime = await Effect.runPromise(
    Effect.runtime<never>().pipe(
      Effect.withClock(virtual.clock),
      Effect.withRandom(Random.fixed([0])),
      Logger.withMinimumLogLevel(LogLevel.None)
    )
  )
  const fork = Runtime.runFork(runtime)
  const roots = () => Effect.runSync(Fiber.roots).length
  const rootsBefore = roots()

  /** Runs an effect that ends as soon as the fibers have run. */
  const complete = async <A, E>(effect: Effect.Effect<A, E>, what: string): Promise<A> => {
    const fiber = fork(effect)
    for (let turn = 0; turn < 20; turn++) {
      await VirtualClock.settle()
      const exit = fiber.unsafePoll()
      if (exit !== null && Exit.isSuccess(exit)) return exit.value
      if (exit !== null) throw new Error(`${what} failed: ${exit.cause}`)
    }
    throw new Error(`${what} does not end`)
  }

  const scope = await complete(Scope.make(), "making a scope")
  const sourceOf = (name: string) => issuers.source(name, history.sources[name] ?? {})
  const layer =
    history.kind === "tenants"
      ? TokenCache.layerLookup((name) => Effect.succeed(sourceOf(name)), {
          idleTimeToLive: World.idleTimeToLive,
          capacity: history.capacity,
          concurrency: history.concurrency
        })
      : TokenCache.layer(
          Object.fromEntries(names.filter((name) => name !== registered).map((name) => [name, sourceOf(name)])),
          { concurrency: history.concurrency }
        )
  const stored =
    history.kind === "store" ? Layer.provide(layer, TokenStore.layer(backend.backend, { encryption: "none" })) : layer
  // What the issuers are told has to be known before they are first asked.
  for (const command of history.commands) {
    if (command._tag !== "issuer") break
    issuers.behaviours.set(command.name, command.behaviour)
  }
  if (history.kind !== "tenants") {
    for (const name of names) if (name !== registered) world.add(name, now())
  }
  const context = await complete(Layer.buildWithScope(Layer.orDie(stored), scope), "building the layer")
  const cache: TokenCacheService = Context.get(context, TokenCache)
  const issueProbe = Effect.succeed({ accessToken: Redacted.make("probe"), expiresIn: "3650 days" as const })
  await complete(Scope.extend(cache.register(probe, { issue: issueProbe, jitter: 0 }), scope), "registering the probe")

  const check = (isOver: boolean): void => {
    const calls = issuers.calls.splice(0)
    safety.onCalls(calls, now())
    const statuses =
      !world.isClosed() && (isOver || history.kind === "tenants")
        ? Effect.runSync(Effect.withClock(cache.statuses, virtual.clock)).filter(({ name }) => name !== probe)
        : undefined
    const present = new Set(statuses?.map(({ name }) => name))
    if (isStrict) world.advance(calls, now(), present)
    for (const one of running) {
      const { fiber, reader, verb } = one
      const exit = fiber.unsafePoll()
      if (exit !== null) one.outcome = outcomeOf(exit)
      const late = now().monotonic > reader.until && !world.isClosed()
      if (one.outcome === undefined && (late || (isStrict && !World.isWaiting(reader)))) {
        throw new Error(`${verb} of ${reader.name} still waits, and should be ${reader.expected.join(" or ")}`)
      }
      if (one.outcome === undefined) continue
      if (isStrict && !reader.expected.includes(one.outcome)) {
        const expected = World.isWaiting(reader) ? "waiting" : reader.expected.join(" or ")
        throw new Error(`${verb} of ${reader.name} ended with ${one.outcome}, and should be ${expected}`)
      }
      safety.onOutcome(reader.name, one.outcome, now())
      running.delete(one)
      world.leave(reader)
    }
    if (!isStrict || world.isClosed()) return
    if (statuses !== undefined) {
      for (const name of world.onDropped(present)) safety.forget(name)
      checkStatuses(statuses, world, now(), offsets)
    }
    world.checkDue(now())
  }

  /** Lets the cache and the model go on at this instant. Statuses are compared once a command is over. */
  const go = async (isOver = true) => {
    await VirtualClock.settle()
    check(isOver)
  }

  const advance = async (millis: number) => {
    const target = virtual.monotonic() + millis
    let stops = 0
    do {
      if (++stops > mostStops) throw new Error(`the cache wakes up ${stops} times within ${millis} ms`)
      const next = Math.min(virtual.next(), world.next(now()), target)
      virtual.moveTo(next)
      await go(virtual.monotonic() === target)
    } while (virtual.monotonic() < target)
  }

  const lookAtClocks = async () => {
    await complete(Effect.ignore(cache.refresh(probe)), "refreshing the probe")
    offsets = [setBack]
    await go()
  }

  const begin = (verb: string, reader: World.Reader, effect: Effect.Effect<Redacted.Redacted<string>, unknown>) => {
    const fiber = fork(Effect.map(effect, Redacted.value))
    running.add({ verb, reader, fiber, outcome: undefined })
  }

  let registration: Scope.CloseableScope | undefined

  const execute = async (command: Command): Promise<void> => {
    switch (command._tag) {
      case "advance":
        return advance(command.millis)
      case "setBack":
        // The instants in a store are those of the old clock, for all who share it.
        if (history.kind === "store") return
        // A tenant that was read before both jumps is kept for longer, by less than the second one.
        if (history.kind === "tenants" && wasSetAhead) return
        virtual.set(-command.millis)
        setBack += command.millis
        offsets = [...offsets, setBack]
        return go()
      case "setAhead":
        // A jump ahead that nobody notices only makes up for one back, and timers do not notice it at once.
        await lookAtClocks()
        virtual.set(command.millis)
        wasSetAhead = true
        return lookAtClocks()
      case "issuer":
        issuers.behaviours.set(command.name, command.behaviour)
        return
      case "read": {
        begin("a read", world.read(command.name, now()), cache.token(command.name))
        return go()
      }
      case "reader": {
        const effect = Effect.flatten(cache.reader(command.name))
        begin("a reader", world.read(command.name, now()), effect)
        return go()
      }
      case "refresh":
        begin("a refresh", world.refresh(command.name, now()), cache.refresh(command.name))
        return go()
      case "interrupt":
        for (const one of running) {
          if (one.reader.name === command.name) {
            one.fiber.unsafeInterruptAsFork(FiberId.none)
            running.delete(one)
            world.leave(one.reader)
            break
          }
        }
        return go()
      case "invalidate":
      case "unauthorized": {
        const value = safety.tokenOf(command.name, command.old)
        if (value === undefined) return
        world.report(command.name, command._tag, value, now())
        const invalidated = world.members.get(command.name)?.state.invalidated
        if (invalidated !== undefined) issuers.invalidated.set(command.name, invalidated)
        const isCurrent = async () => {
          const fiber = fork(Effect.map(cache.token(command.name), Redacted.value))
          await VirtualClock.settle()
          const exit = fiber.unsafePoll()
          fiber.unsafeInterruptAsFork(FiberId.none)
          return exit !== null && Exit.isSuccess(exit) && exit.value === value
        }
        if (!isStrict && command._tag === "invalidate" && (await isCurrent())) {
          safety.onInvalidated(command.name, value)
          issuers.invalidated.set(command.name, value)
        }
        await complete(cache[command._tag](command.name, Redacted.make(value)), command._tag)
        return go()
      }
      case "register":
        if (registration !== undefined || history.kind === "tenants") return
        registration = await complete(Scope.make(), "making a scope")
        world.add(registered, now())
        await complete(
          Effect.provideService(cache.register(registered, sourceOf(registered)), Scope.Scope, registration),
          "register"
        )
        return go()
      case "drop": {
        if (registration === undefined) return
        const closing = Scope.close(registration, Exit.void)
        registration = undefined
        world.remove(registered)
        safety.forget(registered)
        const fiber = fork(closing)
        await VirtualClock.settle()
        issuers.release(registered)
        await complete(Fiber.join(fiber), "drop")
        return go()
      }
      case "store":
        backend.state.failing = command.fails
        return
      case "close":
        return
    }
  }

  const close = async () => {
    world.close()
    const fiber = fork(Scope.close(scope, Exit.void))
    await VirtualClock.settle()
    issuers.release()
    await complete(Fiber.join(fiber), "closing the layer")
    if (registration !== undefined) await complete(Scope.close(registration, Exit.void), "closing a scope")
    await go()
    if (running.size > 0) throw new Error("a reader waits after the end")
    if (virtual.next() !== Infinity) throw new Error("a timer is left")
    if (roots() > rootsBefore) throw new Error(`${roots() - rootsBefore} fibers are left`)
    begin("a read after the end", world.read(history.kind === "tenants" ? "z" : "a", now()), cache.token("a"))
    await go()
  }

  await go()
  let closed = false
  try {
    for (const command of history.commands) {
      if (command._tag === "close") {
        closed = true
        await close()
        return
      }
      await execute(command)
    }
  } finally {
    // Otherwise the fibers of a history that failed would count for the next one.
    if (!closed) {
      const fiber = fork(Scope.close(scope, Exit.void))
      await VirtualClock.settle()
      issuers.release()
      await Effect.runPromise(Fiber.await(fiber))
    }
  }
}
