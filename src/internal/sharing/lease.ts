import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as TokenStore from "../../TokenStore.js"
import type { Sharer } from "./sharing.js"
import { ask } from "./storeClient.js"

/** A lease that this process has. */
export interface Held {
  readonly lease: TokenStore.Lease
  /** How long it lasts from each renewal on. */
  readonly millis: number
  /** On the monotonic clock of this process: from then on it does not count on the lease. */
  until: bigint
}

export const isHeld = ({ until }: Held, now: bigint): boolean => now < until

/** Takes the lease until the scope closes, unless somebody else has it. */
export const acquire = (sharer: Sharer): Effect.Effect<Option.Option<Held>, TokenStore.StoreError, Scope.Scope> => {
  const { entry, sharing } = sharer
  const millis = Math.ceil(Duration.toMillis(sharing.store.leaseTimeToLive))
  return Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const before = yield* Clock.currentTimeNanos
      const acquired = yield* restore(ask(sharer, "acquire", sharing.store.acquire(entry.shared.key.group)))
      if (Option.isNone(acquired)) {
        return Option.none()
      }
      const lease = acquired.value
      yield* Effect.addFinalizer(() => Effect.ignore(ask(sharer, "release", lease.release)))
      return Option.some({ lease, millis, until: before + BigInt(millis) * 1_000_000n })
    })
  )
}

/**
 * Renews the lease; ends when somebody else has it, else never. While the store fails, nobody is known to. It gives the
 * lease up in the end: an issuer may hang where nothing can interrupt it.
 */
export const untilLost = (sharer: Sharer, held: Held): Effect.Effect<void> => {
  const interval = Math.ceil(held.millis / 3)
  const { issueTimeout = "30 seconds" } = sharer.entry.source
  return Effect.flatMap(Clock.currentTimeNanos, (before) =>
    Effect.match(ask(sharer, "renew", held.lease.renew), {
      onFailure: () => true,
      onSuccess: (renewed) => {
        if (renewed) held.until = before + BigInt(held.millis) * 1_000_000n
        return renewed
      }
    })
  ).pipe(
    Effect.delay(Duration.millis(interval)),
    Effect.repeat({
      while: (goesOn) => goesOn,
      times: Math.ceil((Duration.toMillis(issueTimeout) + overtime) / interval)
    }),
    Effect.flatMap((goesOn) => (goesOn ? Effect.never : Effect.void))
  )
}

/** How long after its time limit an issue may go on under its lease, in milliseconds: to persist what it got. */
const overtime = 10_000
