import { generateKeyPairSync, type KeyObject } from "node:crypto"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { Context, Effect, Layer } from "effect"
import { jwtVerify } from "jose"
import Provider, { errors, type Context as ProviderContext } from "oidc-provider"
import { createMemoryAdapter } from "oidc-provider/lib/adapters/memory_adapter.js"
import { publicKeys } from "./keys.js"

const signing = generateKeyPairSync("rsa", { modulusLength: 2048 })

export const jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// With characters that a form encodes, for the header is made of an encoded form (RFC 6749 section 2.3.1).
export const basicSecret = "basic secret/+:%&="
export const postSecret = "post secret/+:%&="
export const webSecret = "web-secret"

/** A grant that the provider made, or refused. */
export interface ProviderGrant {
  readonly outcome: "success" | "error"
  readonly clientId: string | undefined
  readonly parameters: Readonly<Record<string, string | undefined>>
}

/** A real authorization server on a local port: `oidc-provider`. */
export class OidcProvider extends Context.Tag("test/OidcProvider")<
  OidcProvider,
  {
    readonly issuer: string
    readonly port: number
    readonly grants: ReadonlyArray<ProviderGrant>
    /** How long tokens of the client credentials live, in seconds. Default: 600. */
    readonly setLifetime: (seconds: number) => Effect.Effect<void>
    /** The refresh token of a login. */
    readonly login: Effect.Effect<string>
    readonly revoke: (token: string) => Effect.Effect<void>
    readonly isActive: (token: string) => Effect.Effect<boolean>
    /** Stops listening and ends all connections. */
    readonly stop: Effect.Effect<void>
    /** Listens at the same port again. */
    readonly start: Effect.Effect<void>
  }
>() {
  static readonly layer = Layer.scoped(
    OidcProvider,
    Effect.gen(function* () {
      const server = createServer()
      const listen = (port: number) =>
        Effect.async<void>((resume) => {
          server.listen(port, "127.0.0.1", () => resume(Effect.void))
        })
      const stop = Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
      yield* Effect.acquireRelease(listen(0), () => stop)
      // `address` gives null or a pipe's name only before listening, or on a pipe.
      const { port } = server.address() as AddressInfo
      const issuer = `http://127.0.0.1:${port}`
      const grants: Array<ProviderGrant> = []
      let lifetime = 600
      const provider = new Provider(
        issuer,
        configuration(() => lifetime)
      )
      const record = (outcome: ProviderGrant["outcome"]) => (context: ProviderContext) => {
        const { client, params } = context.oidc
        grants.push({ outcome, clientId: client?.clientId, parameters: { ...params } })
      }
      provider.on("grant.success", record("success"))
      provider.on("grant.error", record("error"))
      provider.on("server_error", (_, error) => console.error(error))
      registerJwtBearer(provider, issuer)
      server.on("request", provider.callback())
      const find = async (token: string) =>
        (await provider.ClientCredentials.find(token)) ?? (await provider.AccessToken.find(token))
      return {
        issuer,
        port,
        grants,
        setLifetime: (seconds) =>
          Effect.sync(() => {
            lifetime = seconds
          }),
        login: Effect.promise(async () => {
          const grant = new provider.Grant({ accountId: "u1", clientId: "web" })
          grant.addOIDCScope("openid offline_access api:read")
          const refreshToken = new provider.RefreshToken({
            accountId: "u1",
            client: await provider.Client.find("web"),
            grantId: await grant.save(),
            gty: "authorization_code",
            scope: "openid offline_access api:read",
            claims: {}
          })
          return refreshToken.save()
        }),
        revoke: (token) => Effect.promise(async () => (await find(token))?.destroy()),
        isActive: (token) => Effect.promise(async () => (await find(token)) !== undefined),
        stop,
        start: listen(port)
      }
    })
  )
}

const configuration = (lifetime: () => number) => {
  const service = { grant_types: ["client_credentials", jwtBearer], redirect_uris: [], response_types: [] }
  const jwk = (key: KeyObject, alg: string, kid: string) => ({
    ...key.export({ format: "jwk" }),
    alg,
    kid,
    use: "sig"
  })
  const byKey = { ...service, token_endpoint_auth_method: "private_key_jwt" }
  return {
    // The default, by a name that prints no warning.
    adapter: createMemoryAdapter(0),
    clients: [
      { ...service, client_id: "svc-basic", client_secret: basicSecret },
      {
        ...service,
        client_id: "svc-post",
        client_secret: postSecret,
        token_endpoint_auth_method: "client_secret_post"
      },
      {
        ...byKey,
        client_id: "svc-jwt",
        token_endpoint_auth_signing_alg: "RS256",
        jwks: { keys: [jwk(publicKeys.client, "RS256", "client-key-1")] }
      },
      {
        ...byKey,
        client_id: "svc-jwt-ec",
        token_endpoint_auth_signing_alg: "ES256",
        jwks: { keys: [jwk(publicKeys.elliptic, "ES256", "client-key-2")] }
      },
      {
        client_id: "web",
        client_secret: webSecret,
        grant_types: ["authorization_code", "refresh_token"],
        redirect_uris: ["https://app.example/cb"],
        response_types: ["code"]
      }
    ],
    jwks: { keys: [{ ...signing.privateKey.export({ format: "jwk" }), kid: "as-key-1", use: "sig", alg: "RS256" }] },
    scopes: ["openid", "offline_access", "api:read", "api:write"],
    clientAuthMethods: ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        getResourceServerInfo: (_context: unknown, resource: string) => ({
          scope: "api:read api:write",
          audience: resource,
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: "RS256" } }
        })
      }
    },
    rotateRefreshToken: true,
    findAccount: (_context: unknown, id: string) => ({ accountId: id, claims: async () => ({ sub: id }) }),
    ttl: { ClientCredentials: lifetime, AccessToken: lifetime, IdToken: 600, RefreshToken: 3600, Grant: 3600 }
  }
}

const registerJwtBearer = (provider: Provider, issuer: string) => {
  const seen = new Set<unknown>()
  provider.registerGrantType(
    jwtBearer,
    async (context) => {
      const { client, params } = context.oidc
      const { payload } = await jwtVerify(params.assertion ?? "", publicKeys.assertion, {
        issuer: "sa",
        audience: issuer
      }).catch(() => {
        throw new errors.InvalidGrant("bad assertion")
      })
      // An assertion is good once (RFC 7523 section 3).
      if (seen.has(payload.jti)) {
        throw new errors.InvalidGrant("replayed assertion")
      }
      seen.add(payload.jti)
      const token = new provider.ClientCredentials({ client, scope: params.scope })
      const accessToken = await token.save()
      context.body = {
        access_token: accessToken,
        token_type: "Bearer",
        expires_in: token.expiration,
        scope: token.scope
      }
    },
    ["assertion", "scope"]
  )
}
