import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { TokenEvent, TokenStatus } from "../../TokenStatus.js"
import type { Registry } from "./cache.js"
import * as Entry from "./entry.js"

export const status = (entry: Entry.Entry): Effect.Effect<TokenStatus> =>
  Effect.clockWith((clock) =>
    Effect.succeed(Entry.status(entry, clock.unsafeCurrentTimeMillis(), clock.unsafeCurrentTimeNanos()))
  )

export const statuses = (entries: ReadonlyMap<string, Entry.Entry>): Effect.Effect<ReadonlyArray<TokenStatus>> =>
  Effect.clockWith((clock) =>
    Effect.sync(() =>
      Array.from(entries.values(), (entry) =>
        Entry.status(entry, clock.unsafeCurrentTimeMillis(), clock.unsafeCurrentTimeNanos())
      )
    )
  )

export const changes = (entry: Entry.Entry): Stream.Stream<TokenStatus> =>
  Effect.map(observe(entry), (ref) => ref.changes).pipe(
    Stream.unwrap,
    Stream.mapEffect(() => status(entry)),
    Stream.buffer({ capacity: 1, strategy: "sliding" }),
    Stream.takeUntil(({ state }) => state === "stopped")
  )

const observe = (entry: Entry.Entry) =>
  entry.observed === undefined
    ? Effect.map(SubscriptionRef.make(entry.state), (made) => {
        entry.observed ??= made
        return entry.observed
      })
    : Effect.succeed(entry.observed)

export const events = (registry: Registry): Stream.Stream<TokenEvent> =>
  Stream.suspend(() =>
    registry.isClosed()
      ? Stream.empty
      : Stream.fromPubSub(registry.events).pipe(
          Stream.takeWhile(Option.isSome),
          Stream.map((event) => event.value),
          Stream.buffer({ capacity: 256, strategy: "sliding" })
        )
  )
