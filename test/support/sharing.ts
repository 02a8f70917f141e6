import { randomBytes } from "node:crypto"
import { Context, Effect, Layer, Redacted, type Scope } from "effect"
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

/**
 * A backend that fails while it is told to, or does what `broken` has for an operation in its place, and counts what it is
 * asked.
 */
export const fallible = (backend: TokenStore.Backend) => {
  const state = {
    failing: false,
    asked: 0,
    broken: new Map<keyof TokenStore.Backend, Effect.Effect<never, TokenStore.StoreError>>()
  }
  const guard = <A>(operation: keyof TokenStore.Backend, effect: Effect.Effect<A, TokenStore.StoreError>) =>
    Effect.suspend((): Effect.Effect<A, TokenStore.StoreError> => {
      state.asked++
      return state.failing
        ? Effect.fail(new TokenStore.StoreError({ message: "it is broken" }))
        : (state.broken.get(operation) ?? effect)
    })
  const guarded: TokenStore.Backend = {
    read: (key) => guard("read", backend.read(key)),
    write: (key, owner, value) => guard("write", backend.write(key, owner, value)),
    remove: (key, generation) => guard("remove", backend.remove(key, generation)),
    acquire: (group, owner, timeToLive) => guard("acquire", backend.acquire(group, owner, timeToLive)),
    renew: (group, owner, timeToLive) => guard("renew", backend.renew(group, owner, timeToLive)),
    release: (group, owner) => guard("release", backend.release(group, owner)),
    changes: backend.changes,
    readSecret: (group) => guard("readSecret", backend.readSecret(group)),
    writeSecret: (group, owner, value) => guard("writeSecret", backend.writeSecret(group, owner, value))
  }
  return { backend: guarded, state }
}
