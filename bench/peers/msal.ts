import { ConfidentialClientApplication, type INetworkModule } from "@azure/msal-node"
import type { Issue } from "../issuer.js"
import { npm } from "./peer.js"

const authority = "https://login.microsoftonline.com/tenant"

// Its type parameter is what the caller expects of the endpoint; a stub can only promise it.
const ok = <T>(body: unknown) => ({ status: 200, headers: {}, body: body as T })

const network = (issue: Issue): INetworkModule => ({
  sendGetRequestAsync: async <T>() =>
    ok<T>({
      issuer: `${authority}/v2.0`,
      authorization_endpoint: `${authority}/authorize`,
      token_endpoint: `${authority}/oauth2/v2.0/token`,
      jwks_uri: `${authority}/keys`,
      tenant_discovery_endpoint: authority,
      metadata: []
    }),
  sendPostRequestAsync: async <T>() => {
    const { accessToken, expiresIn } = await issue()
    return ok<T>({ token_type: "Bearer", access_token: accessToken, expires_in: expiresIn })
  }
})

export const msal = npm("@azure/msal-node", (issue) => {
  const app = new ConfidentialClientApplication({
    auth: {
      clientId: "client",
      clientSecret: "secret",
      authority,
      knownAuthorities: ["login.microsoftonline.com"]
    },
    system: { networkClient: network(issue) }
  })
  return async () => {
    const result = await app.acquireTokenByClientCredential({ scopes: ["https://api.example/.default"] })
    if (result === null) throw new Error("no token")
    return result.accessToken
  }
})
