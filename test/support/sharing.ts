import { randomBytes } from "node:crypto"
import { ConfigProvider, Context, Effect, Layer, Redacted, type Scope } from "effect"
import { TokenCache, type TokenCacheService, type TokenSource, TokenStore } from "effect-token-cache"

export const makeKey = (id: string): TokenStore.EncryptionKey => ({
  id,
  key: Redacted.make(randomBytes(32).toString("base64"))
})

export const key = makeKey("first")

/** The cache of a process: it has its own store on what all processes share. */
export const processWith = (
  sources: Readonly<Record<string, TokenSource.TokenSource<unknown>>>,
  store: Layer.Layer<TokenStore.TokenStore, unknown>
): Effect.Effect<TokenCacheService, never, Scope.Scope> =>
  Effect.map(Layer.build(Layer.orDie(Layer.provide(TokenCache.layer(sources), store))), Context.get(TokenCache))

/** The same for one token, on a backend. */
export const processOn = (
  backend: TokenStore.Backend,
  source: TokenSource.TokenSource<unknown>,
  options: TokenStore.TokenStoreOptions = { encryption: [key] }
) => processWith({ line: { identity: { client: "app" }, jitter: 0, ...source } }, TokenStore.layer(backend, options))

/** Runs what needs a process, which ends before the effect does. */
export const during = <A, E, R>(
  process: Effect.Effect<TokenCacheService, never, Scope.Scope>,
  use: (cache: TokenCacheService) => Effect.Effect<A, E, R>
) => Effect.scoped(Effect.flatMap(process, use))

/** A backend that does nothing but fail while it is told to, and counts what it is asked. */
export const fallible = (backend: TokenStore.Backend) => {
  const state = { failing: false, asked: 0 }
  const guard = <A>(effect: Effect.Effect<A, TokenStore.StoreError>) =>
    Effect.suspend(() => {
      state.asked++
      return state.failing ? Effect.fail(new TokenStore.StoreError({ message: "it is broken" })) : effect
    })
  const guarded: TokenStore.Backend = {
    read: (key) => guard(backend.read(key)),
    write: (key, owner, value) => guard(backend.write(key, owner, value)),
    remove: (key, generation) => guard(backend.remove(key, generation)),
    acquire: (group, owner, timeToLive) => guard(backend.acquire(group, owner, timeToLive)),
    renew: (group, owner, timeToLive) => guard(backend.renew(group, owner, timeToLive)),
    release: (group, owner) => guard(backend.release(group, owner)),
    changes: backend.changes,
    readSecret: (group) => guard(backend.readSecret(group)),
    writeSecret: (group, owner, value) => guard(backend.writeSecret(group, owner, value))
  }
  return { backend: guarded, state }
}

export const configured = (keys: string) =>
  Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["TOKEN_STORE_KEYS", keys]])))
