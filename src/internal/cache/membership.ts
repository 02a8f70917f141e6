import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { AccessToken } from "../../IssuedToken.js"
import { InvalidOptions } from "../../TokenError.js"
import type { TokenSource } from "../../TokenSource.js"
import { issueErrorOf } from "../issueErrorOf.js"
import { annotated, type Cache } from "./cache.js"
import * as Conclusion from "./conclusion.js"
import * as Entry from "./entry.js"
import { timeoutRealTime } from "./time.js"
import * as TokenState from "./tokenState.js"
import * as Unavailable from "./tokenUnavailable.js"

/** Adds a token to the cache, whose first attempt is due at once. It fails if the name is taken. */
export const add = <E, R>(
  cache: Cache,
  name: string,
  source: TokenSource<E, R>
): Effect.Effect<Entry.Entry, InvalidOptions, R> =>
  Effect.flatMap(Effect.context<R>(), (context) =>
    cache.entries.has(name)
      ? Effect.fail(nameTaken(name))
      : // The type parameters end here: the context holds what this very source needs.
        Effect.succeed(insert(cache, name, source, context as Context.Context<unknown>))
  )

const nameTaken = (name: string) =>
  new InvalidOptions({
    token: name,
    option: "name",
    message: `"${name}" is in this cache already: give each token a name of its own`
  })

/**
 * Adds a token under a name that is free. With an `idle`, the token is a tenant, which is removed when nobody reads it.
 */
export const insert = (
  cache: Cache,
  name: string,
  source: TokenSource<unknown, unknown>,
  context: Context.Context<unknown>,
  idle?: Entry.Idle
): Entry.Entry => {
  const entry = Entry.make(name, source, context, cache.now(), idle)
  cache.entries.set(name, entry)
  cache.sharing.add(entry)
  if (idle !== undefined) {
    cache.tenants.add(entry)
  }
  cache.update(entry, cache.isClosed() ? TokenState.stopped(entry.state) : entry.state)
  cache.wake()
  return entry
}

/** Takes a token out of the cache, ends its attempt and its streams, and revokes it if its source says how. */
export const remove = (cache: Cache, entry: Entry.Entry): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (entry.state.stopped) {
      return Effect.void
    }
    const stopped = stop(cache, entry)
    cache.entries.delete(entry.name)
    cache.tenants.delete(entry)
    cache.sharing.remove(entry)
    cache.wake()
    cache.publish({ _tag: "Dropped", name: entry.name, at: cache.now() })
    const interrupted = stopped.fiber === undefined ? Effect.void : cache.fibers.interrupt([stopped.fiber])
    return Effect.zipRight(interrupted, revoke(stopped))
  })

/**
 * Removes a tenant in a fiber of its own. If the layer closes meanwhile, it waits for the fiber, which may be revoking
 * the token.
 */
export const drop = (cache: Cache, entry: Entry.Entry): void => cache.fibers.forkToEnd(remove(cache, entry))

/** Fails all waiting readers, ends all fibers and streams, and revokes the tokens whose sources say how. */
export const close = (cache: Cache): Effect.Effect<void> =>
  Effect.suspend(() => {
    cache.close()
    const all = Array.from(cache.entries.values(), (entry) => stop(cache, entry))
    return Effect.gen(function* () {
      yield* cache.fibers.interruptAll
      cache.events.unsafeOffer(Option.none())
      yield* Effect.forEach(all, showLastState, { discard: true })
      yield* Effect.forEach(all.filter(isRevocable), revoke, { concurrency: "unbounded", discard: true })
      yield* cache.fibers.ended
    })
  })

/** A token that has been stopped, and what is left to do about it. */
interface Stopped {
  readonly entry: Entry.Entry
  /** The fiber of its attempt, which is to be interrupted. */
  readonly fiber: Fiber.RuntimeFiber<unknown> | undefined
  /** The token that is to be revoked, if there is one. */
  readonly token: AccessToken | undefined
}

/** Ends the life of a token at once: its state is `stopped`, and its readers have failed. */
const stop = (cache: Cache, entry: Entry.Entry): Stopped => {
  const { attempt, state } = entry
  if (attempt !== undefined) {
    cache.permits.release(attempt)
    entry.attempt = undefined
  }
  cache.update(entry, TokenState.stopped(state))
  Conclusion.complete(cache, entry, () => Exit.fail(Unavailable.closed(entry)))
  // A shared token is not revoked, because others use it.
  const own = state.expired || cache.sharing.stateOf(entry) === "shared" ? undefined : state.token
  return { entry, fiber: attempt?.fiber, token: own }
}

/** Tells those who follow `changes` that the token is stopped, which ends their streams. */
const showLastState = ({ entry: { observed, state } }: Stopped) =>
  observed === undefined ? Effect.void : SubscriptionRef.set(observed, state)

const isRevocable = ({ entry, token }: Stopped) => entry.source.revoke !== undefined && token !== undefined

const revokeTimeout = Duration.seconds(5)

/** Gives the last token back to its issuer, if the source says how. */
const revoke = ({ entry, token }: Stopped): Effect.Effect<void> => {
  const { revoke } = entry.source
  return revoke === undefined || token === undefined
    ? Effect.void
    : // A function that throws before it gives an effect has failed to revoke as well.
      Effect.suspend(() => revoke(token)).pipe(
        Effect.scoped,
        Effect.provide(entry.context),
        Effect.exit,
        timeoutRealTime(revokeTimeout),
        Effect.flatMap((exit) =>
          exit !== undefined && Exit.isSuccess(exit)
            ? Effect.void
            : Effect.logWarning(
                `Could not revoke the token: ${exit === undefined ? "it took too long" : issueErrorOf(exit.cause, "revoke").message}`
              )
        ),
        (log) => annotated(entry, log)
      )
}
