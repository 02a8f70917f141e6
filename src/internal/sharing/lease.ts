import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as TokenStore from "../../TokenStore.js"
import type { SharedContext } from "./sharedToken.js"
import { call } from "./storeClient.js"

/** A lease that this process holds. */
export interface Held {
  /** What the holder of the lease may do. */
  readonly lease: TokenStore.Lease
  /** How long the lease lasts from each renewal, in milliseconds. */
  readonly millis: number
  /** The instant, on the monotonic clock of this process, from which it no longer counts on the lease. */
  until: bigint
}

/** Whether this process can still count on the lease. `now` is an instant on its monotonic clock. */
export const isHeld = ({ until }: Held, now: bigint): boolean => now < until

/** Acquires the lease of a token's group until the scope closes. It gives `none` while somebody else holds it. */
export const acquire = (
  context: SharedContext
): Effect.Effect<Option.Option<Held>, TokenStore.StoreError, Scope.Scope> => {
  const { token, tokens } = context
  const millis = Math.ceil(Duration.toMillis(tokens.store.leaseTimeToLive))
  return Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const before = yield* Clock.currentTimeNanos
      const acquired = yield* restore(call(context, "acquire", tokens.store.acquire(token.key.group)))
      if (Option.isNone(acquired)) {
        return Option.none()
      }
      const lease = acquired.value
      yield* Effect.addFinalizer(() => Effect.ignore(call(context, "release", lease.release)))
      return Option.some({ lease, millis, until: before + BigInt(millis) * 1_000_000n })
    })
  )
}

/**
 * Renews a lease again and again, and ends when somebody else holds it. While the store fails, nobody else is known to
 * hold it. Some time after the time limit of the issue it stops renewing, because an issuer may hang where nothing can
 * interrupt it.
 */
export const untilLost = (context: SharedContext, held: Held): Effect.Effect<void> => {
  const interval = Math.ceil(held.millis / 3)
  const { issueTimeout = "30 seconds" } = context.token.entry.source
  return Effect.flatMap(Clock.currentTimeNanos, (before) =>
    Effect.match(call(context, "renew", held.lease.renew), {
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
      times: Math.ceil((Duration.toMillis(issueTimeout) + renewalGrace) / interval)
    }),
    Effect.flatMap((goesOn) => (goesOn ? Effect.never : Effect.void))
  )
}

/** How long after its time limit an issue keeps its lease, in milliseconds, so that it can persist what it got. */
const renewalGrace = 10_000
