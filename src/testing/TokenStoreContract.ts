/**
 * The contract that every backend of a `TokenStore` has to keep.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as TokenStore from "../TokenStore.js"
import type { ContractCase } from "./internal/contractCase.js"
import { leaseCases } from "./internal/contractLeases.js"
import { secretCases } from "./internal/contractSecrets.js"
import { valueCases } from "./internal/contractValues.js"

export { ContractBroken, type ContractCase } from "./internal/contractCase.js"

/**
 * Gives the tests that a backend of your own has to pass. `make` is run twice for each test, and must give two backends
 * that share what they store, as two processes would.
 *
 * @example
 * ```ts
 * import { Effect, type Scope } from "effect"
 * import type { TokenStore } from "effect-token-cache"
 * import { tokenStoreContract } from "effect-token-cache/testing"
 *
 * declare const make: Effect.Effect<TokenStore.Backend, never, Scope.Scope>
 * declare const it: (name: string, test: () => Promise<void>) => void
 *
 * for (const { name, test } of tokenStoreContract(make)) {
 *   it(name, () => Effect.runPromise(Effect.scoped(test)))
 * }
 * ```
 *
 * @since 0.1.0
 * @category contracts
 */
export const tokenStoreContract = (
  make: Effect.Effect<TokenStore.Backend, TokenStore.StoreError, Scope.Scope>
): ReadonlyArray<ContractCase> =>
  Object.entries({ ...valueCases, ...leaseCases, ...secretCases }).map(([name, test]) => ({
    name,
    test: Effect.flatMap(Effect.all([make, make]), ([one, other]) => test(one, other))
  }))
