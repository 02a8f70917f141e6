import { Effect, Redacted, Runtime } from "effect"
import { TokenCache } from "effect-token-cache"
import { OAuth2Client } from "google-auth-library"

/**
 * A client for the Google SDKs with the token `name` of the cache. It asks for the next one shortly before the expiry, by
 * when the cache has it.
 *
 *     const auth = yield* googleAuth("google")
 *     const drive = google.drive({ version: "v3", auth })
 */
export const googleAuth = (name: string) =>
  Effect.map(Effect.runtime<TokenCache>(), (runtime) => {
    const token = Effect.map(TokenCache.accessToken(name), ({ accessToken, usableUntil }) => ({
      access_token: Redacted.value(accessToken),
      expiry_date: usableUntil
    }))
    const client = new OAuth2Client({ eagerRefreshThresholdMillis: 1000 })
    client.refreshHandler = () => Runtime.runPromise(runtime)(token)
    return client
  })
