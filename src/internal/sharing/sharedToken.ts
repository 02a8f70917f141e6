import * as Effect from "effect/Effect"
import type { TokenSource } from "../../TokenSource.js"
import type * as TokenStore from "../../TokenStore.js"
import type { Cache } from "../cache/cache.js"
import type { Entry } from "../cache/entry.js"
import type { Token } from "../cache/telemetry.js"

/** A token of the cache that is in the store. */
export interface SharedToken {
  readonly entry: Entry
  readonly key: TokenStore.Key
  /** The highest generation that was seen in the store. */
  generation: number
  /** Whether the current token is the one that is in the store; `undefined` before there is a token. */
  state: "shared" | "local" | undefined
  /** Opened when another process has written a token. */
  readonly changed: Effect.Latch
  /** A token was written while an attempt ran, which may not have seen it. */
  missedChange: boolean
}

/** The store, and the tokens of one cache that are in it. */
export interface SharedTokens {
  readonly store: TokenStore.TokenStoreService
  readonly byKey: Map<string, SharedToken>
  readonly byToken: Map<Token, SharedToken>
  /** The tokens that this process has issued for itself alone, because the store failed. */
  readonly local: Set<SharedToken>
  /** Open while there are any. */
  readonly anyLocal: Effect.Latch
  /** The operation that failed, until the same operation succeeds. */
  failing: StoreOperation | undefined
  /** Until this instant of the monotonic clock the store is not asked, because it failed moments ago. */
  circuitOpenUntil: bigint
  /** What would be logged for each token is logged once. */
  readonly logged: Set<string>
}

export type StoreOperation = "read" | "acquire" | "renew" | "write" | "release" | "remove"

/** What it takes to ask the store about one token. */
export interface SharedContext {
  readonly cache: Cache
  readonly tokens: SharedTokens
  readonly token: SharedToken
}

export const make = (store: TokenStore.TokenStoreService): SharedTokens => ({
  store,
  byKey: new Map(),
  byToken: new Map(),
  local: new Set(),
  anyLocal: Effect.unsafeMakeLatch(false),
  failing: undefined,
  circuitOpenUntil: 0n,
  logged: new Set()
})

export const add = (tokens: SharedTokens, entry: Entry, key: TokenStore.Key): void => {
  const changed = Effect.unsafeMakeLatch(false)
  const token: SharedToken = { entry, key, generation: 0, state: undefined, changed, missedChange: false }
  tokens.byKey.set(textOf(key), token)
  tokens.byToken.set(entry, token)
}

export const remove = (tokens: SharedTokens, entry: Entry): void => {
  const token = tokens.byToken.get(entry)
  if (token !== undefined) {
    tokens.byToken.delete(entry)
    tokens.byKey.delete(textOf(token.key))
    tokens.local.delete(token)
  }
}

export const find = (tokens: SharedTokens, key: TokenStore.Key): SharedToken | undefined =>
  tokens.byKey.get(textOf(key))

const textOf = ({ group, id }: TokenStore.Key): string => `${group}:${id}`

/** The key of a source's token, by what the token depends on; `undefined` if the source does not say. */
export const keyOf = (
  { store }: SharedTokens,
  name: string,
  { identity, issuer = "" }: TokenSource<unknown, unknown>
): TokenStore.Key | undefined =>
  identity === undefined
    ? undefined
    : store.keyOf({ client: [name, issuer, identity.client], request: [identity.request ?? ""] })

/** The current token is the one that is in the store. */
export const becomeShared = ({ token, tokens }: SharedContext, generation: number): void => {
  token.generation = generation
  token.state = "shared"
  tokens.local.delete(token)
}

/** The current token is one of this process alone, until it can be written to the store. */
export const becomeLocal = ({ token, tokens }: SharedContext): void => {
  token.state = "local"
  tokens.local.add(token)
  tokens.anyLocal.unsafeOpen()
}

export const logOnce = ({ logged }: SharedTokens, log: Effect.Effect<void>, what: string): Effect.Effect<void> =>
  Effect.suspend(() => {
    const again = logged.has(what)
    logged.add(what)
    return again ? Effect.void : log
  })
