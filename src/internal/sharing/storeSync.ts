import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { IssuedToken } from "../../IssuedToken.js"
import type { Change, StoreError } from "../../TokenStore.js"
import * as Attempts from "../cache/attempts.js"
import type { Registry, Report } from "../cache/cache.js"
import * as TokenState from "../cache/tokenState.js"
import * as Lease from "./lease.js"
import { findNewer } from "./sharedIssue.js"
import * as Sharing from "./sharing.js"
import { ask } from "./storeClient.js"

/**
 * Goes over to the tokens that other processes write, before the current ones expire, and brings those that were issued
 * while the store failed into it once it works again.
 */
export const follow = (registry: Registry, sharing: Sharing.Sharing): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    registry.listeners.add((report) => onReport(registry, sharing, report))
    yield* Effect.forkScoped(
      sharing.store.changes.pipe(
        Stream.runForEach((change) => Effect.sync(() => onChange(registry, sharing, change))),
        Effect.catchAllCause((cause) =>
          Effect.logError("Tokens of other processes are noticed only when an attempt is due", cause)
        )
      )
    )
    yield* Effect.forkScoped(Effect.forever(shareLocal(registry, sharing)))
  })

const onChange = (registry: Registry, sharing: Sharing.Sharing, { generation, key }: Change): void => {
  const entry = sharing.entries.get(Sharing.textOf(key))
  if (entry === undefined || (entry.shared.state === "shared" && generation === entry.shared.generation)) {
    return
  }
  if (isAtRest(entry)) {
    registry.fibers.fork(Effect.ignore(adoptNewer({ registry, sharing, entry })))
  } else {
    entry.shared.missed = true
    entry.shared.written.unsafeOpen()
  }
}

/** What an attempt that failed has missed is not left for the next one. */
const onReport = (registry: Registry, sharing: Sharing.Sharing, report: Report): void => {
  if (report._tag === "Attempt" && Sharing.isShared(report.entry)) {
    const { entry } = report
    const { missed } = entry.shared
    entry.shared.missed = false
    if (missed && report.outcome !== "success") {
      registry.fibers.fork(Effect.ignore(adoptNewer({ registry, sharing, entry })))
    }
  }
}

const isAtRest = ({ state }: Sharing.SharedEntry): boolean => state.attempt === "none" && !state.stopped

const adoptNewer = (sharer: Sharing.Sharer): Effect.Effect<boolean, StoreError> => {
  const { entry, registry } = sharer
  return Effect.map(
    findNewer(sharer, (issued) => acceptNow(registry, entry, issued)),
    ({ newer, stored }) => {
      if (Option.isNone(newer) || stored.token === undefined || !isAtRest(entry)) {
        return false
      }
      Sharing.becomeShared(sharer, stored.generation)
      Attempts.adopt(registry, entry, stored.token)
      return true
    }
  )
}

const acceptNow = ({ now, options: { leeway } }: Registry, entry: Sharing.SharedEntry, issued: IssuedToken) =>
  TokenState.accept(entry.state, issued, { startedAt: now(), now: now(), leeway, defaultLifetime: undefined })

const shareLocal = (registry: Registry, sharing: Sharing.Sharing): Effect.Effect<void> =>
  sharing.anyLocal.await.pipe(
    Effect.zipRight(Effect.sleep("5 seconds")),
    Effect.zipRight(
      Effect.suspend(() =>
        Effect.forEach(sharing.local, (entry) => Effect.scoped(shareOne({ registry, sharing, entry })), {
          discard: true
        })
      )
    ),
    Effect.catchAllCause(() => Effect.void),
    Effect.zipRight(
      Effect.sync(() => {
        if (sharing.local.size === 0) sharing.anyLocal.unsafeClose()
      })
    )
  )

/** The token of this process becomes that of all, unless there is another one by now. */
const shareOne = (sharer: Sharing.Sharer): Effect.Effect<void, StoreError, Scope.Scope> =>
  Effect.gen(function* () {
    const { entry, sharing } = sharer
    const { token } = entry.state
    if (!isAtRest(entry)) {
      return
    }
    if (token === undefined || entry.state.expired) {
      sharing.local.delete(entry)
      return
    }
    const held = yield* Lease.acquire(sharer)
    const adopted = yield* adoptNewer(sharer)
    if (adopted || Option.isNone(held) || entry.state.token !== token) {
      return
    }
    const generation = entry.shared.generation + 1
    const written = yield* ask(sharer, "write", held.value.lease.write(entry.shared.key, generation, token))
    if (written && entry.state.token === token) {
      Sharing.becomeShared(sharer, generation)
    }
  })
