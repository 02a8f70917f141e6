import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { type InvalidOptions, OAuth2 } from "effect-token-cache"
import { decodeJwt, decodeProtectedHeader, importPKCS8 } from "jose"
import * as openid from "openid-client"
import { fakeHttp, json, type Sent } from "./support/fakeHttp.js"
import { clientEcKey, clientKey } from "./support/keys.js"

const server = { issuer: "https://issuer.example", tokenEndpoint: "https://issuer.example/oauth/token?p=1" }
const clientId = "svc/+: %&=~"
const clientSecret = "secret/+: %&=~*()!'-_."

interface Case {
  readonly ours: OAuth2.Client
  readonly theirs: Effect.Effect<openid.ClientAuth>
}

const importKey = (pem: string, algorithm: string, kid: string) =>
  Effect.promise(async () => openid.PrivateKeyJwt({ key: await importPKCS8(pem, algorithm), kid }))

const methods: Record<string, Case> = {
  client_secret_basic: {
    ours: { clientId, clientSecret },
    theirs: Effect.succeed(openid.ClientSecretBasic(clientSecret))
  },
  client_secret_post: {
    ours: { clientId, clientSecret: Redacted.make(clientSecret), authMethod: "client_secret_post" },
    theirs: Effect.succeed(openid.ClientSecretPost(clientSecret))
  },
  "private_key_jwt, RSA": {
    ours: { clientId, privateKey: clientKey, keyId: "key-1", authMethod: "private_key_jwt" },
    theirs: importKey(clientKey, "RS256", "key-1")
  },
  "private_key_jwt, RSA-PSS": {
    ours: { clientId, privateKey: clientKey, keyId: "key-1", algorithm: "PS256" },
    theirs: importKey(clientKey, "PS256", "key-1")
  },
  "private_key_jwt, EC": {
    ours: { clientId, privateKey: Redacted.make(clientEcKey), keyId: "key-2" },
    theirs: importKey(clientEcKey, "ES256", "key-2")
  },
  none: { ours: { clientId, authMethod: "none" }, theirs: Effect.succeed(openid.None()) }
}

const scope = "api:read api:write"
const resource = ["https://api.example/a", "https://api.example/b"]
const exchanged = { subject_token: "subject", subject_token_type: "urn:ietf:params:oauth:token-type:access_token" }
const tokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
const jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"

const grants: Record<
  string,
  {
    readonly ours: (client: OAuth2.Client) => Effect.Effect<OAuth2.OAuth2Source, InvalidOptions> | undefined
    readonly theirs: (config: openid.Configuration) => Promise<unknown>
  }
> = {
  "client credentials": {
    ours: (client) =>
      OAuth2.clientCredentials({ server, ...client, scope, resource, audience: "me", parameters: { x: "y" } }),
    theirs: (config) =>
      openid.clientCredentialsGrant(
        config,
        new URLSearchParams([
          ["x", "y"],
          ["scope", scope],
          ["audience", "me"],
          ...resource.map((uri) => ["resource", uri])
        ])
      )
  },
  "refresh token": {
    ours: (client) =>
      OAuth2.refreshToken({ server, ...client, scope, refreshToken: "refresh me", persist: () => Effect.void }),
    theirs: (config) => openid.refreshTokenGrant(config, "refresh me", { scope })
  },
  "JWT bearer": {
    ours: (client) => OAuth2.grant({ server, ...client, grantType: jwtBearer, parameters: { assertion: "a.b.c" } }),
    theirs: (config) => openid.genericGrantRequest(config, jwtBearer, { assertion: "a.b.c" })
  },
  "token exchange": {
    ours: (client) =>
      OAuth2.grant({
        server,
        ...client,
        grantType: tokenExchange,
        scope: ["api:read", "api:write"],
        parameters: Effect.succeed({
          ...exchanged,
          subject_token: Redacted.make("subject"),
          empty: "",
          absent: undefined
        })
      }),
    theirs: (config) => openid.genericGrantRequest(config, tokenExchange, { ...exchanged, scope })
  }
}

const answer = () =>
  json({ access_token: "t", token_type: "Bearer", expires_in: 60, issued_token_type: exchanged.subject_token_type })

/** All of a request but what is new each time: of the assertion's signature and instants only what they have to be. */
const comparable = ({ body, headers, method, url }: Sent) => {
  const fields = [...new URLSearchParams(body)].sort().map(([name, value]) => {
    if (name !== "client_assertion") {
      return [name, value]
    }
    const { exp = 0, iat = 0, jti = "", nbf = 0, ...claims } = decodeJwt(value)
    return [name, decodeProtectedHeader(value), claims, { lifetime: exp - iat, since: nbf - iat, id: jti.length }]
  })
  const { accept, authorization, "content-type": contentType } = headers
  return { method, url, accept, authorization: decoded(authorization), contentType, fields }
}

/** Id and secret as a server decodes them: openid-client also encodes what a form leaves as it is. */
const decoded = (authorization: string | undefined) =>
  authorization === undefined
    ? undefined
    : Buffer.from(authorization.replace(/^Basic /, ""), "base64")
        .toString()
        .split(":")
        .map((part) => decodeURIComponent(part.replaceAll("+", " ")))

describe("a token request equals that of openid-client", () => {
  for (const [method, client] of Object.entries(methods)) {
    for (const [grant, { ours, theirs }] of Object.entries(grants)) {
      const source = ours(client.ours)
      if (source === undefined) {
        continue
      }
      it.live(`for ${grant} by ${method}`, () =>
        Effect.gen(function* () {
          const http = fakeHttp(answer)
          yield* Effect.provide((yield* source).issue, http.layer)
          const witness: Array<Sent> = []
          const config = new openid.Configuration(
            { issuer: server.issuer, token_endpoint: server.tokenEndpoint },
            clientId,
            {},
            yield* client.theirs
          )
          config[openid.customFetch] = (url, { body, headers, method }) => {
            witness.push({ url, method, headers, body: String(body) })
            return Promise.resolve(answer())
          }
          yield* Effect.promise(() => theirs(config))
          assert.lengthOf(http.sent, 1)
          assert.deepStrictEqual(http.sent.map(comparable), witness.map(comparable))
        })
      )
    }
  }

  it.live("and an assertion is for a minute, for the issuer alone, and has a jti of its own each time", () =>
    Effect.gen(function* () {
      const http = fakeHttp(answer)
      const source = yield* OAuth2.clientCredentials({ server, clientId, privateKey: clientKey })
      yield* Effect.provide(Effect.replicateEffect(source.issue, 3), http.layer)
      const claims = http.sent.map(({ body }) => decodeJwt(new URLSearchParams(body).get("client_assertion") ?? ""))
      assert.deepStrictEqual(
        claims.map(({ aud, exp = 0, iat = 0, iss, sub }) => [aud, exp - iat, iss, sub]),
        Array(3).fill([server.issuer, 60, clientId, clientId])
      )
      assert.strictEqual(new Set(claims.map(({ jti }) => jti)).size, 3)
    })
  )
})
