import { assert, describe, it } from "@effect/vitest"
import OAuth2Server from "@node-oauth/oauth2-server"
import { Effect, Redacted } from "effect"
import { InvalidOptions } from "effect-token-cache"
import * as OAuth2 from "effect-token-cache/OAuth2"
import { fakeHttp, form, json, type Sent } from "./support/fakeHttp.js"
import { server, token } from "./support/oauth2.js"

const uuid = "4fd2e0a9-5c1b-4a3e-9d7f-0b6c8e2a1d34"

/** Every character that can be printed. */
const printable = String.fromCharCode(...Array.from({ length: 95 }, (_, index) => 32 + index))

/** The same without the characters that an id or a secret may not have in a header that is not decoded. */
const withoutColon = printable.replace(":", "").trim()

const basic = (sent: Sent | undefined) =>
  Buffer.from(sent?.headers.authorization?.replace("Basic ", "") ?? "", "base64").toString()

/** Sends one token request, and gives it. */
const send = (client: OAuth2.Client, options: { readonly server?: string | OAuth2.Server } = {}) =>
  Effect.gen(function* () {
    const http = fakeHttp(({ url }) => (url.includes(".well-known") ? json(metadata) : token()))
    const source = yield* OAuth2.clientCredentials({ server, ...client, ...options })
    yield* Effect.provide(source.issue, http.layer)
    return http.sent.at(-1)
  })

let metadata: Readonly<Record<string, unknown>> = {}

describe("a client secret", () => {
  it.effect("is sent as in a form by client_secret_basic, where a UUID stays as it is", () =>
    Effect.gen(function* () {
      assert.strictEqual(basic(yield* send({ clientId: uuid, clientSecret: "a.b_c-d" })), `${uuid}:a.b_c-d`)
      assert.strictEqual(basic(yield* send({ clientId: "a b", clientSecret: "%:+é" })), "a+b:%25%3A%2B%C3%A9")
    })
  )

  it.effect("is sent as it is by client_secret_basic_raw", () =>
    Effect.gen(function* () {
      const authMethod = "client_secret_basic_raw"
      assert.strictEqual(basic(yield* send({ clientId: "a b", clientSecret: "%:+é", authMethod })), "a b:%:+é")
    })
  )

  for (const [supported, method] of [
    [["client_secret_post"], "post"],
    [["client_secret_post", "private_key_jwt"], "post"],
    [["client_secret_post", "client_secret_basic"], "basic"],
    [["client_secret_basic"], "basic"],
    [undefined, "basic"],
    ["nonsense", "basic"]
  ] as const) {
    it.effect(`is sent by ${method} where the metadata names ${supported}`, () =>
      Effect.gen(function* () {
        metadata = {
          issuer: "https://issuer.example",
          token_endpoint: "https://issuer.example/token",
          token_endpoint_auth_methods_supported: supported
        }
        const sent = yield* send({ clientId: "svc", clientSecret: "hunter2" }, { server: "https://issuer.example" })
        assert.strictEqual(form(sent).client_secret, method === "post" ? "hunter2" : undefined)
        assert.strictEqual(sent?.headers.authorization !== undefined, method === "basic")
      })
    )
  }

  it.effect("is sent as authMethod says, whatever the metadata names", () =>
    Effect.gen(function* () {
      metadata = {
        issuer: "https://issuer.example",
        token_endpoint: "https://issuer.example/token",
        token_endpoint_auth_methods_supported: ["client_secret_post"]
      }
      const client = { clientId: "svc", clientSecret: "hunter2", authMethod: "client_secret_basic" } as const
      assert.strictEqual(basic(yield* send(client, { server: "https://issuer.example" })), "svc:hunter2")
    })
  )
})

describe("a client without a secret", () => {
  for (const authMethod of ["none", "tls_client_auth"] as const) {
    it.effect(`sends its id alone with ${authMethod}`, () =>
      Effect.gen(function* () {
        const sent = yield* send({ clientId: "svc", authMethod })
        assert.deepStrictEqual(form(sent), { client_id: "svc", grant_type: "client_credentials" })
        assert.isUndefined(sent?.headers.authorization)
      })
    )
  }
})

describe("options that cannot work", () => {
  // As from JavaScript.
  const from = (options: object) => Effect.flip(OAuth2.clientCredentials(options as OAuth2.ClientCredentialsOptions))

  it.effect("are InvalidOptions: no server, an unknown authMethod, a certificate without an id", () =>
    Effect.gen(function* () {
      for (const [option, options] of [
        ["server", { clientId: "svc", clientSecret: "hunter2" }],
        ["server", { server: null, clientId: "svc", clientSecret: "hunter2" }],
        ["authMethod", { server, clientId: "svc", clientSecret: "hunter2", authMethod: "basic" }],
        ["clientId", { server, authMethod: "tls_client_auth" }]
      ] as const) {
        const error = yield* from(options)
        assert.instanceOf(error, InvalidOptions)
        assert.strictEqual(error.option, option)
      }
    })
  )
})

describe("a refusal of the client", () => {
  const refused = (client: OAuth2.Client, answer: () => Response) =>
    Effect.gen(function* () {
      const source = yield* OAuth2.clientCredentials({ server, ...client })
      return yield* Effect.flip(Effect.provide(source.issue, fakeHttp(answer).layer))
    })

  it.effect("names the method that was tried, and the next one to try", () =>
    Effect.gen(function* () {
      const secret = { clientId: "svc", clientSecret: "hunter2" }
      for (const [client, tried, next] of [
        [secret, "client_secret_basic", "client_secret_post"],
        [{ ...secret, authMethod: "client_secret_post" }, "client_secret_post", "client_secret_basic_raw"],
        [{ ...secret, authMethod: "client_secret_basic_raw" }, "client_secret_basic_raw", "client_secret_basic"],
        [{ clientId: "svc", authMethod: "none" }, "none", "a secret or a key"],
        [{ clientId: "svc", authMethod: "tls_client_auth" }, "tls_client_auth", "certificate"]
      ] as const) {
        for (const answer of [
          () => json({ error: "invalid_client" }, { status: 401 }),
          () => json("", { status: 401 })
        ]) {
          const { advice, permanent } = yield* refused(client, answer)
          assert.isTrue(permanent)
          assert.include(advice, tried)
          assert.include(advice, next)
          assert.isAtMost(advice?.length ?? 0, 200)
        }
      }
    })
  )
})

/** @node-oauth/oauth2-server with one client. It does not decode the header. */
const independent = (clientId: string, clientSecret: string) => {
  const client = { id: clientId, grants: ["client_credentials", "refresh_token"] }
  const oauth2 = new OAuth2Server({
    model: {
      getClient: async (id: string, secret: string) =>
        id === clientId && secret === clientSecret ? client : undefined,
      getUserFromClient: async () => ({}),
      saveToken: async (token: OAuth2Server.Token) => ({ ...token, client, user: {} }),
      getAccessToken: async () => undefined,
      verifyScope: async () => true,
      validateScope: async (_user: unknown, _client: unknown, scope: Array<string> | undefined) => scope ?? []
    }
  })
  return fakeHttp((sent) =>
    Effect.promise(async () => {
      const request = new OAuth2Server.Request({
        method: sent.method,
        query: {},
        headers: { ...sent.headers, "content-length": String(sent.body.length) },
        body: Object.fromEntries(new URLSearchParams(sent.body))
      })
      const response = new OAuth2Server.Response({})
      await oauth2.token(request, response).catch(() => {})
      return json(response.body, { status: response.status ?? 500 })
    })
  )
}

describe("@node-oauth/oauth2-server", () => {
  const issues = (clientId: string, clientSecret: string, authMethod?: OAuth2.SecretMethod) =>
    Effect.gen(function* () {
      const source = yield* OAuth2.clientCredentials({ server, clientId, clientSecret, authMethod })
      const issued = yield* Effect.provide(source.issue, independent(clientId, clientSecret).layer)
      assert.isAbove(Redacted.value(issued.accessToken).length, 10)
    })

  it.effect("knows a client whose id is a UUID by the default method", () =>
    issues(uuid, "s3cr3t-with.dots_and-dashes")
  )

  for (const authMethod of ["client_secret_post", "client_secret_basic_raw"] as const) {
    it.effect(`knows a client of every printable character by ${authMethod}`, () =>
      issues(withoutColon, printable.trim(), authMethod)
    )
  }
})
