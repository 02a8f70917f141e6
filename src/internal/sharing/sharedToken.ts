import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type { TokenSource } from "../../TokenSource.js"
import type * as TokenStore from "../../TokenStore.js"
import { isSame } from "../cache/accessToken.js"
import type { Cache } from "../cache/cache.js"
import type { Entry } from "../cache/entry.js"
import type { Token } from "../cache/telemetry.js"

/** A token of the cache that is shared through the store. */
export interface SharedToken {
  /** The token in the cache. */
  readonly entry: Entry
  /** The key of the token in the store. */
  readonly key: TokenStore.Key
  /** The highest generation that this process has seen in the store. */
  generation: number
  /**
   * Whether the current token is the one in the store (`shared`) or not (`local`). `undefined` before there is a token.
   */
  state: "shared" | "local" | undefined
  /** A latch that is opened when another process has written a token, for an attempt that waits for it. */
  readonly changed: Effect.Latch
  /** Whether a token was written while an attempt ran, which may not have seen it. */
  missedChange: boolean
  /**
   * Whether the store is being looked into because a token was written, and whether another one was written meanwhile,
   * for which it is looked into once more.
   */
  look: "none" | "running" | "again"
  /**
   * The instant of the monotonic clock at which this process was first refused the lease, and since which it has had
   * neither the lease nor a new token. It outlasts an attempt, whose time limit may be shorter than the wait.
   */
  awaitsLeaseSince: bigint | undefined
  /** Tokens that were invalidated, and may still be in the store. They must not become the current one again. */
  withdrawn: ReadonlyArray<Redacted.Redacted<string>>
}

/** The store, and the tokens of one cache that are shared through it. */
export interface SharedTokens {
  /** The store in the context of the layer. */
  readonly store: TokenStore.TokenStoreService
  /** The shared tokens, by the text of their keys. */
  readonly byKey: Map<string, SharedToken>
  /** The shared tokens, by their entries in the cache. */
  readonly byToken: Map<Token, SharedToken>
  /**
   * The tokens that this process has issued for itself because the store failed, and that are to be brought into it.
   */
  readonly local: Set<SharedToken>
  /** The tokens of which the store may still hold one that was invalidated. */
  readonly withdrawing: Set<SharedToken>
  /** A latch that is open while there are tokens in `local` or in `withdrawing`. */
  readonly isBehind: Effect.Latch
  /**
   * The operation with which the store began to fail, until that operation succeeds. `undefined` while the store works.
   */
  failing: StoreOperation | undefined
  /** The instant of the monotonic clock until which no attempt asks the store, because it failed moments ago. */
  circuitOpenUntil: bigint
  /** What has been logged already and is not to be logged again for every token. */
  readonly logged: Set<string>
}

/** What a store can be asked for, as the metrics name it. */
export type StoreOperation = "read" | "acquire" | "renew" | "write" | "release" | "remove"

/** What it takes to do something about one shared token. */
export interface SharedContext {
  readonly cache: Cache
  readonly tokens: SharedTokens
  readonly token: SharedToken
}

/** Makes the shared tokens of a cache, of which there are none yet. */
export const make = (store: TokenStore.TokenStoreService): SharedTokens => ({
  store,
  byKey: new Map(),
  byToken: new Map(),
  local: new Set(),
  withdrawing: new Set(),
  isBehind: Effect.unsafeMakeLatch(false),
  failing: undefined,
  circuitOpenUntil: 0n,
  logged: new Set()
})

/** Begins to share a token under a key. */
export const add = (tokens: SharedTokens, entry: Entry, key: TokenStore.Key): void => {
  const changed = Effect.unsafeMakeLatch(false)
  const token: SharedToken = {
    entry,
    key,
    generation: 0,
    state: undefined,
    changed,
    missedChange: false,
    look: "none",
    awaitsLeaseSince: undefined,
    withdrawn: []
  }
  tokens.byKey.set(textOf(key), token)
  tokens.byToken.set(entry, token)
}

/** Ends the sharing of a token. It stays in the store for other processes. */
export const remove = (tokens: SharedTokens, entry: Entry): void => {
  const token = tokens.byToken.get(entry)
  if (token !== undefined) {
    tokens.byToken.delete(entry)
    tokens.byKey.delete(textOf(token.key))
    tokens.local.delete(token)
    tokens.withdrawing.delete(token)
  }
}

/** Gives the shared token that has a key, if this cache has one. */
export const find = (tokens: SharedTokens, key: TokenStore.Key): SharedToken | undefined =>
  tokens.byKey.get(textOf(key))

const textOf = ({ group, id }: TokenStore.Key): string => `${group}:${id}`

/**
 * Gives the key of a token, made of its name and of the issuer and identity of its source. `undefined` without an
 * identity.
 */
export const keyOf = (
  { store }: SharedTokens,
  name: string,
  { identity, issuer = "" }: TokenSource<unknown, unknown>
): TokenStore.Key | undefined =>
  identity === undefined
    ? undefined
    : store.keyOf({ client: [name, issuer, identity.client], request: [identity.request ?? ""] })

/** Marks the current token as the one that is in the store, with this generation. */
export const becomeShared = ({ token, tokens }: SharedContext, generation: number): void => {
  token.generation = generation
  token.state = "shared"
  token.awaitsLeaseSince = undefined
  tokens.local.delete(token)
  forgetWithdrawn({ token, tokens }, token.withdrawn)
}

/** Marks the current token as one of this process alone, until it can be brought into the store. */
export const becomeLocal = ({ token, tokens }: SharedContext): void => {
  token.state = "local"
  token.awaitsLeaseSince = undefined
  tokens.local.add(token)
  tokens.isBehind.unsafeOpen()
}

/** Remembers that a token was invalidated, until the store no longer holds it. */
export const addWithdrawn = ({ token, tokens }: SharedContext, withdrawn: Redacted.Redacted<string>): void => {
  token.withdrawn = [...token.withdrawn, withdrawn]
  tokens.withdrawing.add(token)
  tokens.isBehind.unsafeOpen()
}

/** Whether a token was invalidated, and must not be taken over although the store may still hold it. */
export const isWithdrawn = ({ withdrawn }: SharedToken, token: Redacted.Redacted<string>): boolean =>
  withdrawn.some((other) => isSame(other, token))

/** Forgets tokens that were invalidated, because the store does not hold them any more. */
export const forgetWithdrawn = (
  { token, tokens }: Pick<SharedContext, "token" | "tokens">,
  gone: SharedToken["withdrawn"]
): void => {
  token.withdrawn = token.withdrawn.filter((withdrawn) => !gone.includes(withdrawn))
  if (token.withdrawn.length === 0) {
    tokens.withdrawing.delete(token)
  }
}

/** Logs something the first time that it is to be logged for this cache. */
export const logOnce = ({ logged }: SharedTokens, log: Effect.Effect<void>, what: string): Effect.Effect<void> =>
  Effect.suspend(() => {
    const again = logged.has(what)
    logged.add(what)
    return again ? Effect.void : log
  })
