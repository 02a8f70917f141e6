import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { type Backend, isGeneration, type Key, StoreError } from "./backend.js"
import type { Cipher } from "./encryption.js"
import * as StoredToken from "./storedToken.js"

/**
 * The right to issue the tokens of a group. One process at a time holds it, until it releases the lease or the lease runs
 * out.
 *
 * @since 0.1.0
 * @category models
 */
export interface Lease {
  /**
   * Stores a token and reports it to the other processes. The result is `false`, and nothing is stored, if the lease is no
   * longer held or the store already has a token of this or a higher generation.
   */
  readonly write: (key: Key, generation: number, token: StoredToken.StoredToken) => Effect.Effect<boolean, StoreError>
  /** Lets the lease run for its whole time to live again. The result is `false` if the lease is no longer held. */
  readonly renew: Effect.Effect<boolean, StoreError>
  /** Gives the lease back before it runs out. It does nothing if the lease is no longer held. */
  readonly release: Effect.Effect<void, StoreError>
  /**
   * Reads the secret of the group, such as a refresh token that the server replaces at each use. The result is `none` if
   * there is none. A secret that none of the encryption keys decrypts is a `StoreError`, because processes that have its
   * key still use it: it must not be replaced.
   */
  readonly readSecret: Effect.Effect<Option.Option<Redacted.Redacted<string>>, StoreError>
  /** Stores the secret of the group. The result is `false`, and nothing is stored, if the lease is no longer held. */
  readonly writeSecret: (secret: Redacted.Redacted<string>) => Effect.Effect<boolean, StoreError>
}

/** Who holds a lease. */
export interface Holder {
  readonly group: string
  /** Unique to this lease, so that one that its process gave up is not taken for the next. */
  readonly owner: string
  /** How long the lease runs from each renewal, in milliseconds. */
  readonly timeToLive: number
}

/** Gives what the holder of a lease may do. */
export const make = (backend: Backend, cipher: Cipher, { group, owner, timeToLive }: Holder): Lease => ({
  write: (key, generation, token) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      isGeneration(generation)
        ? backend.write(key, owner, {
            generation,
            value: cipher.encrypt(
              StoredToken.encode(token),
              StoredToken.placeOf(backend.namespace ?? "", key, generation)
            ),
            timeToLive: Math.max(1, Math.ceil(token.expiresAt - now))
          })
        : Effect.succeed(false)
    ),
  renew: backend.renew(group, owner, timeToLive),
  release: backend.release(group, owner),
  readSecret: Effect.flatMap(backend.readSecret(group), (stored) =>
    Effect.transposeMapOption(stored, (value) =>
      Effect.mapBoth(cipher.decrypt(value, secretPlace(backend, group)), {
        onFailure: () => new StoreError({ message: "the secret cannot be decrypted: check TOKEN_STORE_KEYS" }),
        onSuccess: Redacted.make
      })
    )
  ),
  writeSecret: (secret) =>
    Effect.suspend(() =>
      backend.writeSecret(group, owner, cipher.encrypt(Redacted.value(secret), secretPlace(backend, group)))
    )
})

/** What an encrypted secret is bound to, so that it cannot be moved to another group or storage. */
const secretPlace = ({ namespace = "" }: Backend, group: string): string => JSON.stringify(["secret", namespace, group])
