import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { TokenEvent } from "../../TokenStatus.js"
import { maxEvents, type NumberedEvent } from "./view.js"

/** The last events of a cache, at most {@link maxEvents}. */
export interface RecentEvents {
  /** Gives the events, the latest first. */
  readonly all: () => ReadonlyArray<NumberedEvent>
  /** Is done when the cache or the scope closes. */
  readonly closed: Deferred.Deferred<void>
}

/** Begins to remember the events of a cache. */
export const make = (events: Stream.Stream<TokenEvent>): Effect.Effect<RecentEvents, never, Scope.Scope> =>
  Effect.gen(function* () {
    const closed = yield* Deferred.make<void>()
    let recent: ReadonlyArray<NumberedEvent> = []
    let number = 0
    const add = (event: TokenEvent) =>
      Effect.sync(() => {
        recent = [{ number: ++number, event }, ...recent.slice(0, maxEvents - 1)]
      })
    yield* Stream.runForEach(events, add).pipe(Effect.ensuring(Deferred.succeed(closed, undefined)), Effect.forkScoped)
    return { all: () => recent, closed }
  })
