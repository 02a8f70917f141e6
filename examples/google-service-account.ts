import { createPrivateKey } from "node:crypto"
import { Clock, Effect, Redacted } from "effect"
import { OAuth2 } from "effect-token-cache"
import { SignJWT } from "jose"

/** What of a service account's key file is used here. */
export interface ServiceAccount {
  readonly client_email: string
  readonly private_key_id: string
  readonly private_key: Redacted.Redacted<string>
  readonly token_uri: string
}

/** Tokens of a Google service account: a JWT bearer grant (RFC 7523), with an assertion of its own for each attempt. */
export const googleServiceAccount = (account: ServiceAccount, scope: string) => {
  const { client_email, private_key, private_key_id, token_uri } = account
  const sign = Effect.gen(function* () {
    const iat = Math.floor((yield* Clock.currentTimeMillis) / 1000)
    const jwt = new SignJWT({ iss: client_email, scope, aud: token_uri, iat, exp: iat + 3600 })
    const key = createPrivateKey(Redacted.value(private_key))
    const header = { alg: "RS256", typ: "JWT", kid: private_key_id }
    return { assertion: Redacted.make(yield* Effect.promise(() => jwt.setProtectedHeader(header).sign(key))) }
  })
  return OAuth2.grant({
    server: { issuer: "https://accounts.google.com", tokenEndpoint: token_uri },
    // The assertion says who asks.
    authMethod: "none",
    grantType: "urn:ietf:params:oauth:grant-type:jwt-bearer",
    parameters: sign
  })
}
