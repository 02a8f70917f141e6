import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TokenCache } from "../../TokenCache.js"
import type { TokenEvent } from "../../TokenStatus.js"
import { maxEvents, type NumberedEvent } from "./view.js"

/** The last events of a cache, at most {@link maxEvents}. */
export interface RecentEvents {
  /** Gives the events, the latest first. */
  readonly all: () => ReadonlyArray<NumberedEvent>
  /** Is done when the cache or the scope closes. */
  readonly closed: Deferred.Deferred<void>
}

/** Begins to remember the events of the cache. */
export const make: Effect.Effect<RecentEvents, never, TokenCache | Scope.Scope> = Effect.gen(function* () {
  const closed = yield* Deferred.make<void>()
  let events: ReadonlyArray<NumberedEvent> = []
  let number = 0
  const add = (event: TokenEvent) =>
    Effect.sync(() => {
      events = [{ number: ++number, event }, ...events.slice(0, maxEvents - 1)]
    })
  yield* Stream.runForEach(TokenCache.events, add).pipe(
    Effect.ensuring(Deferred.succeed(closed, undefined)),
    Effect.forkScoped
  )
  return { all: () => events, closed }
})
