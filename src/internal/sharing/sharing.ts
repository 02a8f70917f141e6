import * as Effect from "effect/Effect"
import type { TokenSource } from "../../TokenSource.js"
import type * as TokenStore from "../../TokenStore.js"
import type { Registry } from "../cache/cache.js"
import type { Entry } from "../cache/entry.js"
import type { StoreOperation } from "./storeClient.js"

/** The store, and the tokens of one layer that are in it. */
export interface Sharing {
  readonly store: TokenStore.TokenStoreService
  /** By the texts of their keys. */
  readonly entries: Map<string, SharedEntry>
  /** Those that this process has issued for itself alone, since the store failed. */
  readonly local: Set<SharedEntry>
  /** Open while there are any. */
  readonly anyLocal: Effect.Latch
  /** What it was asked for when it failed, until it does that. */
  failing: StoreOperation | undefined
  /** It failed moments ago, and is left alone until then, by the monotonic clock. */
  failingUntil: bigint
  /** What would be said of each token is said once. */
  readonly said: Set<string>
}

/** What the store has of a token. */
export interface Shared {
  readonly key: TokenStore.Key
  /** The highest generation that was seen there. */
  generation: number
  /** Whether the current token is the one that is there; `undefined` before there is one. */
  state: "shared" | "local" | undefined
  /** Opened when another process has written a token. */
  readonly written: Effect.Latch
  /** One was written while an attempt ran, which may not have seen it. */
  missed: boolean
}

export type SharedEntry = Entry & { readonly shared: Shared }

export const make = (store: TokenStore.TokenStoreService): Sharing => ({
  store,
  entries: new Map(),
  local: new Set(),
  anyLocal: Effect.unsafeMakeLatch(false),
  failing: undefined,
  failingUntil: 0n,
  said: new Set()
})

/** What the store has to do with a token of this source, if anything. */
export const of = (
  { fibers, sharing }: Registry,
  name: string,
  { identity, issuer = "" }: TokenSource<unknown, unknown>
): Shared | undefined => {
  if (sharing === undefined) {
    return undefined
  }
  if (identity === undefined) {
    fibers.fork(
      sayOnce(
        sharing,
        Effect.logWarning(
          `"${name}" is not shared: its source has no identity. The same goes for all others without one`
        ),
        "identity"
      )
    )
    return undefined
  }
  const key = sharing.store.keyOf({ client: [name, issuer, identity.client], request: [identity.request ?? ""] })
  return { key, generation: 0, state: undefined, written: Effect.unsafeMakeLatch(false), missed: false }
}

export const add = ({ sharing }: Registry, entry: Entry): void => {
  if (sharing !== undefined && isShared(entry)) {
    sharing.entries.set(textOf(entry.shared.key), entry)
  }
}

export const remove = ({ sharing }: Registry, entry: Entry): void => {
  if (sharing !== undefined && isShared(entry)) {
    sharing.entries.delete(textOf(entry.shared.key))
    sharing.local.delete(entry)
  }
}

export const isShared = (entry: Entry): entry is SharedEntry => entry.shared !== undefined

export const textOf = ({ group, id }: TokenStore.Key): string => `${group}:${id}`

export interface Sharer {
  readonly registry: Registry
  readonly sharing: Sharing
  readonly entry: SharedEntry
}

export const becomeShared = ({ entry, sharing }: Sharer, generation: number): void => {
  entry.shared.generation = generation
  entry.shared.state = "shared"
  sharing.local.delete(entry)
}

export const becomeLocal = ({ entry, sharing }: Sharer): void => {
  entry.shared.state = "local"
  sharing.local.add(entry)
  sharing.anyLocal.unsafeOpen()
}

export const sayOnce = ({ said }: Sharing, log: Effect.Effect<void>, what: string): Effect.Effect<void> =>
  Effect.suspend(() => {
    const again = said.has(what)
    said.add(what)
    return again ? Effect.void : log
  })
