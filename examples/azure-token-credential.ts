import type { TokenCredential } from "@azure/core-auth"
import { Effect, Redacted, Runtime } from "effect"
import { TokenCache } from "effect-token-cache"

/**
 * A `TokenCredential` for the Azure SDKs, which gives the token `name` of the cache, whatever the scopes that are asked for:
 * a name has the scopes of its source. The SDKs send it over https only.
 *
 *     const credential = yield* tokenCredential("vault")
 *     const client = new SecretClient("https://my-vault.vault.azure.net", credential)
 */
export const tokenCredential = (name: string) =>
  Effect.map(Effect.runtime<TokenCache>(), (runtime): TokenCredential => {
    const token = Effect.map(TokenCache.accessToken(name), ({ accessToken, usableUntil }) => ({
      token: Redacted.value(accessToken),
      // The SDK keeps the token until shortly before this; the cache has the next one by then.
      expiresOnTimestamp: usableUntil
    }))
    return { getToken: () => Runtime.runPromise(runtime)(token) }
  })
