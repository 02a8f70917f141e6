import { createPrivateKey } from "node:crypto"
import { FetchHttpClient } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect, Layer, Redacted, TestClock } from "effect"
import { InvalidOptions, type IssueError, TokenCache } from "effect-token-cache"
import * as OAuth2 from "effect-token-cache/OAuth2"
import { serve } from "./support/bearerApi.js"
import { print } from "./support/exposure.js"
import { fakeHttp, form, json } from "./support/fakeHttp.js"
import { clientKey } from "./support/keys.js"
import { quiet } from "./support/logs.js"

const server = { issuer: "https://issuer.example", tokenEndpoint: "https://issuer.example/token" }

const client = { server, clientId: "svc", clientSecret: "hunter2" }

const token = (fields: Readonly<Record<string, unknown>> = {}) =>
  json({ access_token: "s3cr3t", token_type: "Bearer", expires_in: 60, ...fields })

/** One attempt against a server that gives this answer. */
const issue = (answer: () => Response, options: Partial<OAuth2.RequestOptions> = {}) =>
  Effect.gen(function* () {
    const source = yield* Effect.orDie(OAuth2.clientCredentials({ ...client, ...options }))
    return yield* Effect.provide(source.issue, fakeHttp(answer).layer)
  })

const failure = (answer: () => Response, options: Partial<OAuth2.RequestOptions> = {}) =>
  Effect.flip(issue(answer, options))

const summary = ({ code, permanent, reason, status }: IssueError) => ({ code, permanent, reason, status })

describe("OAuth2 options", () => {
  const wrong: Record<string, readonly [option: string, Effect.Effect<unknown, InvalidOptions>]> = {
    "an issuer that is not https": ["server", OAuth2.clientCredentials({ ...client, server: "http://issuer.example" })],
    "an issuer that only looks like loopback": [
      "server",
      OAuth2.clientCredentials({ ...client, server: "http://localhost.evil.example" })
    ],
    "an issuer with a query": ["server", OAuth2.clientCredentials({ ...client, server: "https://a.example?hunter2" })],
    "an issuer that is no URL": ["server", OAuth2.clientCredentials({ ...client, server: "hunter2" })],
    "a token endpoint that is not https": [
      "server",
      OAuth2.clientCredentials({ ...client, server: { ...server, tokenEndpoint: "http://issuer.example/hunter2" } })
    ],
    "a token endpoint with a user": [
      "server",
      OAuth2.clientCredentials({ ...client, server: { ...server, tokenEndpoint: "https://a:hunter2@a.example" } })
    ],
    "no issuer": ["server", OAuth2.clientCredentials({ ...client, server: { ...server, issuer: "" } })],
    "a blank client id": ["clientId", OAuth2.clientCredentials({ ...client, clientId: " " })],
    "a blank secret": ["clientSecret", OAuth2.clientCredentials({ ...client, clientSecret: Redacted.make("") })],
    "a key that is none": ["privateKey", OAuth2.clientCredentials({ server, clientId: "svc", privateKey: "hunter2" })],
    "a JWK that is none": [
      "privateKey",
      OAuth2.clientCredentials({ server, clientId: "svc", privateKey: { kty: "RSA", d: "hunter2" } })
    ],
    "a key of another algorithm": [
      "privateKey",
      OAuth2.clientCredentials({ server, clientId: "svc", privateKey: clientKey, algorithm: "ES256" })
    ],
    "a blank grant type": ["grantType", OAuth2.grant({ ...client, grantType: " " })]
  }
  for (const [name, [option, source]] of Object.entries(wrong)) {
    it.effect(`${name} is refused when the source is made, without being quoted`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(source)
        assert.deepStrictEqual([error._tag, error.option], ["InvalidOptions", option])
        assert.notInclude(print(error), "hunter2")
      })
    )
  }

  it.effect("what is wrong fails the layer before any request", () =>
    Effect.gen(function* () {
      const http = fakeHttp(() => token())
      const api = OAuth2.clientCredentials({ ...client, server: "http://issuer.example" })
      const error = yield* Effect.flip(
        Effect.scoped(Layer.build(TokenCache.layer({ api }).pipe(Layer.provide(http.layer))))
      )
      assert.instanceOf(error, InvalidOptions)
      assert.isEmpty(http.sent)
    })
  )

  for (const issuer of [
    "http://localhost:1",
    "http://127.0.0.1:1",
    "http://[::1]:1",
    "https://issuer.example/tenant"
  ]) {
    it.effect(`${issuer} is fine`, () => OAuth2.clientCredentials({ ...client, server: issuer }))
  }

  it.effect("those of a source are passed on to it", () =>
    Effect.gen(function* () {
      const policy = {
        refreshBefore: "1 minute",
        issueTimeout: "3 seconds",
        defaultLifetime: "1 hour",
        jitter: 0
      } as const
      const { issue: _, ...rest } = yield* OAuth2.clientCredentials({ ...client, ...policy })
      assert.deepInclude(rest, policy)
    })
  )

  it.effect("a key may be a JWK, or its text, that brings its algorithm and id along", () =>
    Effect.gen(function* () {
      const jwk = { ...createPrivateKey(clientKey).export({ format: "jwk" }), alg: "PS256", kid: "k1" }
      for (const privateKey of [jwk, JSON.stringify(jwk), Redacted.make(jwk), Redacted.make(JSON.stringify(jwk))]) {
        const http = fakeHttp(() => token())
        const source = yield* OAuth2.clientCredentials({ server, clientId: "svc", privateKey })
        yield* Effect.provide(source.issue, http.layer)
        const header = Buffer.from(form(http.sent[0]).client_assertion?.split(".")[0] ?? "", "base64url").toString()
        assert.deepStrictEqual(JSON.parse(header), { alg: "PS256", kid: "k1" })
      }
    })
  )

  it.effect("an assertion counts from Effect's clock", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_000_500)
      const http = fakeHttp(() => token())
      const source = yield* OAuth2.clientCredentials({ server, clientId: "svc", privateKey: clientKey })
      yield* Effect.provide(source.issue, http.layer)
      const claims = Buffer.from(form(http.sent[0]).client_assertion?.split(".")[1] ?? "", "base64url").toString()
      assert.deepInclude(JSON.parse(claims), { iat: 1000, nbf: 1000, exp: 1060 })
    })
  )
})

describe("OAuth2 parameters", () => {
  it.effect("are sent as they are given, without the empty ones", () =>
    Effect.gen(function* () {
      const http = fakeHttp(() => token())
      const source = yield* OAuth2.clientCredentials({
        ...client,
        scope: [],
        resource: ["https://a.example", "https://b.example"],
        parameters: { a: "1", b: Redacted.make("2"), c: ["3", "4"], d: "", e: undefined, f: [] }
      })
      yield* Effect.provide(source.issue, http.layer)
      assert.deepStrictEqual(
        [...new URLSearchParams(http.sent[0]?.body)],
        [
          ["a", "1"],
          ["b", "2"],
          ["c", "3"],
          ["c", "4"],
          ["resource", "https://a.example"],
          ["resource", "https://b.example"],
          ["grant_type", "client_credentials"]
        ]
      )
    })
  )

  it.effect("are made anew for each attempt, and may fail", () =>
    Effect.gen(function* () {
      let made = 0
      const http = fakeHttp(() => token())
      const source = yield* OAuth2.grant({
        ...client,
        grantType: "urn:ietf:params:oauth:grant-type:jwt-bearer",
        parameters: Effect.suspend(() =>
          ++made < 3 ? Effect.succeed({ assertion: `${made}` }) : Effect.fail("no key")
        )
      })
      yield* Effect.provide(source.issue, http.layer)
      yield* Effect.provide(source.issue, http.layer)
      assert.strictEqual(yield* Effect.flip(Effect.provide(source.issue, http.layer)), "no key")
      assert.deepStrictEqual(
        http.sent.map((sent) => form(sent).assertion),
        ["1", "2"]
      )
    })
  )

  it.effect("of an anonymous client have no client id", () =>
    Effect.gen(function* () {
      const http = fakeHttp(() => token())
      const source = yield* OAuth2.grant({ server, authMethod: "none", grantType: "g", parameters: { assertion: "a" } })
      yield* Effect.provide(source.issue, http.layer)
      assert.deepStrictEqual(form(http.sent[0]), { assertion: "a", grant_type: "g" })
      assert.isUndefined(http.sent[0]?.headers.authorization)
    })
  )
})

describe("OAuth2 answers", () => {
  const tokens: Record<string, Readonly<Record<string, unknown>>> = {
    "a number": { expires_in: 60 },
    "a numeric string": { expires_in: "60" },
    "another case of Bearer": { token_type: "BEARER" },
    "an id_token that nobody checks": { id_token: "not.a.jwt" },
    "members that nobody knows": { ext_expires_in: 1, foo: null }
  }
  for (const [name, fields] of Object.entries(tokens)) {
    it.effect(`a token with ${name} is taken`, () =>
      Effect.gen(function* () {
        const issued = yield* issue(() => token(fields))
        assert.deepStrictEqual([Redacted.value(issued.accessToken), issued.expiresIn], ["s3cr3t", 60_000])
      })
    )
  }

  const invalid: Record<string, () => Response> = {
    "HTML with 200": () => new Response("<html>s3cr3t", { headers: { "content-type": "text/html" } }),
    "JSON that calls itself HTML": () =>
      new Response('{"access_token":"s3cr3t"}', { headers: { "content-type": "text/html" } }),
    "HTML that calls itself JSON": () => json("<html>s3cr3t"),
    "an empty body": () => json(""),
    null: () => json("null"),
    "a list": () => json(["s3cr3t"]),
    "no access_token": () => token({ access_token: undefined }),
    "an access_token that is no string": () => token({ access_token: 1 }),
    "an empty access_token": () => token({ access_token: "" }),
    "no token_type": () => token({ token_type: undefined }),
    "token_type DPoP": () => token({ token_type: "DPoP" }),
    "token_type N_A": () => token({ token_type: "N_A" }),
    "token_type MAC": () => token({ token_type: "s3cr3t" }),
    "expires_in 0": () => token({ expires_in: 0 }),
    "a negative expires_in": () => token({ expires_in: -1 }),
    "expires_in that begins with a number": () => token({ expires_in: "60 s3cr3t" }),
    "expires_in null": () => token({ expires_in: null }),
    "expires_in 1e999": () => json('{"access_token":"s3cr3t","token_type":"Bearer","expires_in":1e999}'),
    "a scope that is no string": () => token({ scope: ["s3cr3t"] }),
    "201": () => json({ access_token: "s3cr3t", token_type: "Bearer", expires_in: 60 }, { status: 201 }),
    "204": () => new Response(null, { status: 204 }),
    "302": () => json({ access_token: "s3cr3t" }, { status: 302, headers: { location: "/elsewhere" } })
  }
  for (const [name, answer] of Object.entries(invalid)) {
    it.effect(`${name} is an InvalidResponse, for now, and nothing of it is shown`, () =>
      Effect.gen(function* () {
        const error = yield* failure(answer)
        assert.deepStrictEqual(
          [error.reason, error.permanent, error.status],
          ["InvalidResponse", false, answer().status]
        )
        assert.notInclude(print(error), "s3cr3t")
      })
    )
  }

  it.effect("what is wrong is said", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* failure(() => token({ token_type: "DPoP" }))).message, "token_type is not Bearer")
      assert.strictEqual(
        (yield* failure(invalid["HTML with 200"]!)).message,
        '"response" content-type must be application/json'
      )
      assert.strictEqual((yield* failure(invalid["302"]!)).advice, "Check the token endpoint.")
    })
  )

  it.effect("the scope is what the server states", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* issue(() => token({ scope: "b a" }), { scope: "a b c" })).scope, "b a")
      assert.isUndefined((yield* issue(() => token(), { scope: "a" })).scope)
    })
  )

  it.effect("requireScope takes what is stated in full, and nothing else", () =>
    Effect.gen(function* () {
      const asked = { scope: ["a", "b"], requireScope: true }
      assert.strictEqual((yield* issue(() => token({ scope: "c b a" }), asked)).scope, "c b a")
      for (const scope of [undefined, "", "a", "ab", "a b,c"]) {
        const error = yield* failure(() => token({ scope }), asked)
        assert.deepStrictEqual([error.reason, error.permanent], ["Rejected", true])
        assert.match(error.message, /^the server does not state that it granted (a )?b$/)
      }
      yield* issue(() => token(), { requireScope: true })
    })
  )

  it.effect("of a token exchange say that the token is an access token", () =>
    Effect.gen(function* () {
      const exchange = (issued_token_type: string | undefined, requested_token_type?: string) =>
        Effect.gen(function* () {
          const source = yield* Effect.orDie(
            OAuth2.grant({
              ...client,
              grantType: "urn:ietf:params:oauth:grant-type:token-exchange",
              parameters: { subject_token: "t", requested_token_type }
            })
          )
          return yield* Effect.provide(source.issue, fakeHttp(() => token({ issued_token_type })).layer)
        })
      const type = (name: string) => `urn:ietf:params:oauth:token-type:${name}`
      yield* exchange(type("access_token"))
      yield* exchange(type("jwt"))
      yield* exchange("urn:example:custom", "urn:example:custom")
      for (const [issued, requested] of [
        [undefined],
        [type("refresh_token")],
        [type("id_token")],
        [type("jwt"), "urn:example:custom"]
      ] as const) {
        const { message, reason } = yield* Effect.flip(exchange(issued, requested))
        assert.deepStrictEqual(
          [reason, message],
          ["InvalidResponse", "issued_token_type is missing, or is not that of an access token"]
        )
      }
    })
  )
})

describe("OAuth2 errors", () => {
  const advices: Record<string, RegExp> = {
    invalid_request: /^Check scope, audience, resource/,
    invalid_client: /^Check the client id, its secret or key/,
    invalid_grant: /^Check the assertion or token that is the grant/,
    unauthorized_client: /^The client may not use this grant type/,
    unsupported_grant_type: /^The server does not offer this grant type/,
    invalid_scope: /^Check scope/,
    invalid_target: /^Check resource and audience/,
    access_denied: /^Check the client and its options/
  }
  for (const [code, advice] of Object.entries(advices)) {
    for (const status of [400, 401, 200]) {
      it.effect(`${code} with ${status} is a permanent Rejected that says what to check`, () =>
        Effect.gen(function* () {
          const error = yield* failure(() => json({ error: code, error_description: "s3cr3t" }, { status }))
          assert.deepStrictEqual(summary(error), { code, permanent: true, reason: "Rejected", status })
          assert.strictEqual(error.message, `issuer answered ${status} ${code}`)
          assert.match(error.advice ?? "", advice)
          assert.notInclude(print(error), "s3cr3t")
        })
      )
    }
  }

  for (const [code, reason] of [
    ["temporarily_unavailable", "Unreachable"],
    ["server_error", "Unreachable"],
    ["slow_down", "Throttled"]
  ] as const) {
    it.effect(`${code} is ${reason} for now, whatever the status`, () =>
      Effect.gen(function* () {
        const error = yield* failure(() => json({ error: code }, { status: 400 }))
        assert.deepStrictEqual(summary(error), { code, permanent: false, reason, status: 400 })
      })
    )
  }

  for (const status of [403, 404, 405, 409, 422]) {
    it.effect(`${status} without a code is a permanent Rejected`, () =>
      Effect.gen(function* () {
        const error = yield* failure(() => new Response("<html>", { status }))
        assert.deepStrictEqual(summary(error), { code: undefined, permanent: true, reason: "Rejected", status })
      })
    )
  }

  for (const [status, reason] of [
    [408, "Unreachable"],
    [429, "Throttled"],
    [500, "Unreachable"],
    [502, "Unreachable"],
    [503, "Unreachable"],
    [504, "Unreachable"]
  ] as const) {
    it.effect(`${status} is ${reason} for now, for as long as Retry-After says`, () =>
      Effect.gen(function* () {
        const error = yield* failure(() => new Response("<html>", { status, headers: { "retry-after": "20" } }))
        assert.deepStrictEqual(summary(error), { code: undefined, permanent: false, reason, status })
        assert.deepStrictEqual(error.retryAfter, Duration.seconds(20))
      })
    )
  }

  it.effect("a code is shown only if it can be one", () =>
    Effect.gen(function* () {
      for (const code of ["hunter2", "<script>", "a b", "", 1, null, "x".repeat(65)]) {
        const error = yield* failure(() => json({ error: code }, { status: 400 }))
        assert.deepStrictEqual([error.code, error.message], [undefined, "issuer answered 400"])
      }
    })
  )

  it.effect("keep the server's id of the request if it is a UUID, for anything else may be an echo", () =>
    Effect.gen(function* () {
      const idOf = (id: string) =>
        Effect.map(
          failure(() => json({}, { status: 500, headers: { "x-request-id": id } })),
          ({ requestId }) => requestId
        )
      const uuid = "123e4567-e89b-12d3-a456-426655440002"
      assert.strictEqual(yield* idOf(uuid), uuid)
      assert.isUndefined(yield* idOf("basic-secret"))
    })
  )

  for (const [over, http] of Object.entries({
    http: NodeHttpClient.layer,
    undici: NodeHttpClient.layerUndici,
    fetch: FetchHttpClient.layer
  })) {
    for (const status of [301, 302, 303, 307, 308]) {
      it.scopedLive(`a redirect by ${status} is not followed, over ${over}`, () =>
        Effect.gen(function* () {
          const api = yield* serve(({ path }) =>
            path === "/token"
              ? { status, headers: { location: "/elsewhere" } }
              : {
                  status: 200,
                  headers: { "content-type": "application/json" },
                  body: '{"access_token":"t","token_type":"Bearer","expires_in":60}'
                }
          )
          const source = yield* OAuth2.clientCredentials({
            ...client,
            server: { ...server, tokenEndpoint: `${api.url}/token` }
          })
          assert.deepStrictEqual(summary(yield* Effect.flip(source.issue)), {
            code: undefined,
            permanent: false,
            reason: "InvalidResponse",
            status
          })
          assert.deepStrictEqual(
            api.received.map(({ path }) => path),
            ["/token"]
          )
        }).pipe(Effect.provide(http))
      )
    }
  }
})

describe("OAuth2.discover", () => {
  const issuer = "https://issuer.example/tenant"
  const metadata = (fields: Readonly<Record<string, unknown>> = {}) =>
    json({ issuer, token_endpoint: `${issuer}/token`, ...fields })
  const discover = (answer: Parameters<typeof fakeHttp>[0]) => {
    const http = fakeHttp(answer)
    return { ...http, found: Effect.provide(OAuth2.discover(issuer), http.layer) }
  }
  const refused = (answer: Parameters<typeof fakeHttp>[0]) =>
    Effect.map(Effect.flip(discover(answer).found), (error) =>
      error._tag === "IssueError" ? [error.reason, error.permanent] : error._tag
    )

  it.effect("asks by OpenID Connect first, and by RFC 8414 where there is nothing", () =>
    Effect.gen(function* () {
      const { found, sent } = discover((_, index) => (index === 0 ? new Response("", { status: 404 }) : metadata()))
      assert.deepInclude(yield* found, { issuer, tokenEndpoint: `${issuer}/token` })
      assert.deepStrictEqual(
        sent.map(({ method, url }) => `${method} ${url}`),
        [
          "GET https://issuer.example/tenant/.well-known/openid-configuration",
          "GET https://issuer.example/.well-known/oauth-authorization-server/tenant"
        ]
      )
    })
  )

  it.effect("refuses the metadata of another issuer, and a token endpoint that is not safe", () =>
    Effect.gen(function* () {
      for (const fields of [
        { issuer: "https://evil.example" },
        { issuer: undefined },
        { token_endpoint: undefined },
        { token_endpoint: "http://issuer.example/token" }
      ]) {
        assert.deepStrictEqual(yield* refused(() => metadata(fields)), ["InvalidResponse", false])
      }
      assert.deepStrictEqual(yield* refused(() => json("<html>")), ["InvalidResponse", false])
      assert.strictEqual(
        yield* Effect.flip(OAuth2.discover("http://issuer.example")).pipe(
          Effect.provide(fakeHttp(() => metadata()).layer),
          Effect.map(({ _tag }) => _tag)
        ),
        "InvalidOptions"
      )
    })
  )

  it.effect("fails by status", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* refused(() => new Response("", { status: 404 })), ["Rejected", true])
      assert.deepStrictEqual(yield* refused(() => new Response("", { status: 429 })), ["Throttled", false])
      assert.deepStrictEqual(yield* refused(() => new Response("", { status: 503 })), ["Unreachable", false])
      assert.deepStrictEqual(yield* refused(() => new Response("", { status: 302 })), ["InvalidResponse", false])
    })
  )

  it.effect("is done once for a source, and again after an attempt that failed", () =>
    Effect.gen(function* () {
      let moved = false
      const http = fakeHttp(({ url }) =>
        url.endsWith("openid-configuration")
          ? metadata({ token_endpoint: `${issuer}/${moved ? "new" : "old"}` })
          : url.endsWith("new") === moved
            ? token()
            : new Response("", { status: 404 })
      )
      const source = yield* OAuth2.clientCredentials({ ...client, server: issuer })
      const attempt = Effect.provide(source.issue, http.layer)
      yield* attempt
      yield* attempt
      moved = true
      assert.strictEqual((yield* Effect.flip(attempt)).status, 404)
      yield* attempt
      assert.deepStrictEqual(
        http.sent.map(({ url }) => url.slice(url.lastIndexOf("/") + 1)),
        ["openid-configuration", "old", "old", "old", "openid-configuration", "new"]
      )
    })
  )
})

describe("OAuth2.clientCredentialsFromConfig", () => {
  const variables: Record<string, string> = {
    OAUTH2_ISSUER: "http://127.0.0.1:1",
    OAUTH2_CLIENT_ID: "svc",
    OAUTH2_CLIENT_SECRET: "hunter2"
  }
  const make = (variables: Record<string, string>) =>
    Effect.withConfigProvider(
      OAuth2.clientCredentialsFromConfig,
      ConfigProvider.fromMap(new Map(Object.entries(variables)))
    )

  it.effect("reads the environment", () =>
    Effect.gen(function* () {
      const http = fakeHttp(({ url }) =>
        url.includes("well-known")
          ? json({ issuer: variables.OAUTH2_ISSUER, token_endpoint: `${variables.OAUTH2_ISSUER}/t` })
          : token()
      )
      const source = yield* make({ ...variables, OAUTH2_SCOPE: "a b" })
      yield* Effect.provide(source.issue, http.layer)
      assert.deepStrictEqual(form(http.sent[1]), { grant_type: "client_credentials", scope: "a b" })
      assert.strictEqual(http.sent[1]?.headers.authorization, `Basic ${btoa("svc:hunter2")}`)
    })
  )

  for (const name of Object.keys(variables)) {
    it.effect(`names ${name} where it is missing or empty`, () =>
      Effect.gen(function* () {
        const { [name]: _, ...rest } = variables
        for (const incomplete of [rest, { ...rest, [name]: "" }]) {
          const error = yield* Effect.flip(make(incomplete))
          assert.include(print(error), name)
          assert.notInclude(print(error), "hunter2")
        }
      })
    )
  }
})

describe("what broke other clients", () => {
  it.effect("Azure token cycler, Duende support#1396: who asks for scope B does not get the token of scope A", () =>
    Effect.gen(function* () {
      const http = fakeHttp((sent) => token({ access_token: `token for ${form(sent).scope}` }))
      const source = (scope: string) => OAuth2.clientCredentials({ ...client, scope })
      yield* Effect.gen(function* () {
        assert.strictEqual(Redacted.value(yield* TokenCache.token("a")), "token for a")
        assert.strictEqual(Redacted.value(yield* TokenCache.token("b")), "token for b")
      }).pipe(Effect.provide(TokenCache.layer({ a: source("a"), b: source("b") })), Effect.provide(http.layer))
    })
  )

  it.effect("google-auth, golang/oauth2: a token without expires_in does not live for ever", () =>
    Effect.gen(function* () {
      const http = fakeHttp(() => token({ expires_in: undefined }))
      const read = (options: { readonly defaultLifetime?: "10 minutes" }) =>
        TokenCache.accessToken("api").pipe(
          Effect.provide(Layer.orDie(TokenCache.layer({ api: OAuth2.clientCredentials({ ...client, ...options }) }))),
          Effect.provide([http.layer, quiet])
        )
      assert.strictEqual((yield* Effect.flip(read({}))).lastError?.reason, "InvalidResponse")
      const { expiresAt, issuedAt } = yield* read({ defaultLifetime: "10 minutes" })
      assert.strictEqual(expiresAt - issuedAt, 600_000)
    })
  )

  it.effect("ExLine: a token without expires_in is not printed", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(TokenCache.token("api")).pipe(
        Effect.provide(TokenCache.layer({ api: OAuth2.clientCredentials(client) })),
        Effect.provide([fakeHttp(() => token({ expires_in: undefined })).layer, quiet])
      )
      assert.notInclude(print(error), "s3cr3t")
    })
  )

  it.effect("undici-oidc-interceptor: a token that is a JWT is not decoded for its expiry", () =>
    Effect.gen(function* () {
      const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
      const jwt = `${part({ alg: "none" })}.${part({ exp: 4_102_444_800 })}.`
      assert.strictEqual((yield* issue(() => token({ access_token: jwt }))).expiresIn, 60_000)
      assert.isUndefined((yield* issue(() => token({ access_token: jwt, expires_in: undefined }))).expiresIn)
    })
  )

  it.effect("cloudfoundry/cf-java-client#1026: a wrong secret is not tried again and again", () =>
    Effect.gen(function* () {
      const http = fakeHttp(() => json({ error: "invalid_client" }, { status: 401 }))
      yield* Effect.gen(function* () {
        yield* Effect.flip(TokenCache.token("api"))
        yield* TestClock.adjust("4 minutes")
        yield* Effect.flip(TokenCache.token("api"))
      }).pipe(
        Effect.provide(TokenCache.layer({ api: OAuth2.clientCredentials(client) })),
        Effect.provide([http.layer, quiet])
      )
      assert.lengthOf(http.sent, 1)
    })
  )

  it.effect("AzureAD/microsoft-authentication-library-for-dotnet#4196: a 429 is not answered with more requests", () =>
    Effect.gen(function* () {
      const http = fakeHttp(() => json({}, { status: 429, headers: { "retry-after": "600" } }))
      yield* Effect.gen(function* () {
        yield* Effect.flip(TokenCache.token("api"))
        yield* Effect.flip(TokenCache.refresh("api"))
        yield* TestClock.adjust("9 minutes")
        yield* Effect.all(Effect.replicate(Effect.flip(TokenCache.token("api")), 100), { concurrency: "unbounded" })
      }).pipe(
        Effect.provide(TokenCache.layer({ api: OAuth2.clientCredentials(client) })),
        Effect.provide([http.layer, quiet])
      )
      assert.lengthOf(http.sent, 1)
    })
  )

  it.effect("MSAL, google-auth, spring-security#11461: 100 cold readers are one request", () =>
    Effect.gen(function* () {
      const http = fakeHttp(() => token())
      yield* Effect.provide(
        Effect.all(Effect.replicate(TokenCache.token("api"), 100), { concurrency: "unbounded" }),
        Layer.provide(TokenCache.layer({ api: OAuth2.clientCredentials(client) }), http.layer)
      )
      assert.lengthOf(http.sent, 1)
    })
  )

  it.effect("MSAL, smithy, google-auth: a refresh that fails leaves the token that is still valid", () =>
    Effect.gen(function* () {
      const http = fakeHttp((_, index) =>
        index === 0 ? token({ expires_in: 3600 }) : new Response("", { status: 500 })
      )
      yield* Effect.gen(function* () {
        const first = yield* TokenCache.token("api")
        yield* TestClock.adjust("55 minutes")
        assert.isTrue(http.sent.length > 1)
        assert.strictEqual(yield* TokenCache.token("api"), first)
      }).pipe(
        Effect.provide(TokenCache.layer({ api: OAuth2.clientCredentials(client) })),
        Effect.provide([http.layer, quiet])
      )
    })
  )

  it.effect("lelylan/simple-oauth2#458: an error about the options does not print the secret", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(OAuth2.clientCredentials({ ...client, clientId: "", clientSecret: "hunter2" }))
      assert.notInclude(print(error), "hunter2")
    })
  )
})
