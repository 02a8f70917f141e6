import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Redacted, TestClock } from "effect"
import { TokenCache } from "effect-token-cache"
import * as OAuth2 from "effect-token-cache/OAuth2"
import { print } from "./support/exposure.js"
import { fakeHttp, form, json } from "./support/fakeHttp.js"
import { quiet } from "./support/logs.js"
import { client, failure, issue, summary, token } from "./support/oauth2.js"

describe("OAuth2 errors", () => {
  const advices: Record<string, RegExp> = {
    invalid_request: /^Check scope, audience, resource/,
    invalid_client: /^The secret was sent by client_secret_basic\. .*authMethod: "client_secret_post"/,
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
