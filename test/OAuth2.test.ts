import { createPrivateKey } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Predicate, Redacted, TestClock } from "effect"
import { InvalidOptions, IssuedToken, IssueError, TokenCache } from "effect-token-cache"
import * as OAuth2 from "effect-token-cache/OAuth2"
import { print } from "./support/exposure.js"
import { fakeHttp, form, json } from "./support/fakeHttp.js"
import { clientKey } from "./support/keys.js"
import { client, failure, issue, server, token } from "./support/oauth2.js"

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
    "the token_type of Apigee": { token_type: "BearerToken" },
    "no token_type": { token_type: undefined },
    "token_type null": { token_type: null },
    "a list of scopes, as of Twitch": { scope: ["a", "b"] },
    "scope null": { scope: null },
    "refresh_token null": { refresh_token: null },
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

  const answers: Record<string, () => Response> = {
    "status 201": () => json({ access_token: "s3cr3t", token_type: "Bearer", expires_in: 60 }, { status: 201 }),
    "another content type": () =>
      new Response('{"access_token":"s3cr3t","expires_in":60}', { headers: { "content-type": "text/javascript" } })
  }
  for (const [name, answer] of Object.entries(answers)) {
    it.effect(`a token with ${name} is taken`, () =>
      Effect.map(issue(answer), ({ expiresIn }) => assert.strictEqual(expiresIn, 60_000))
    )
  }

  it.effect("expires_in null is as good as none", () =>
    Effect.map(
      issue(() => token({ expires_in: null })),
      ({ expiresIn }) => assert.isUndefined(expiresIn)
    )
  )

  it.effect("a token_type that tokenTypes names is taken, and no other", () =>
    Effect.gen(function* () {
      const tokenTypes = ["bot", "user"]
      yield* issue(() => token({ token_type: "Bot" }), { tokenTypes })
      const error = yield* failure(() => token({ token_type: "Bearer" }), { tokenTypes })
      assert.strictEqual(error.message, "token_type is not bot or user")
    })
  )

  it.effect("200 with ok false is a refusal, as of Slack", () =>
    Effect.gen(function* () {
      const error = yield* failure(() => json({ ok: false, error: "invalid_refresh_token" }))
      assert.deepStrictEqual([error.reason, error.code], ["Rejected", "invalid_refresh_token"])
    })
  )

  it.effect("another form is read by decode, whose errors are those of the answer", () =>
    Effect.gen(function* () {
      const decode = (body: unknown) =>
        Predicate.isRecord(body) && typeof body.tenant_access_token === "string"
          ? Effect.succeed(IssuedToken.make({ accessToken: body.tenant_access_token, expiresIn: "2 hours" }))
          : Effect.fail(new IssueError({ reason: "InvalidResponse", message: "tenant_access_token is missing" }))
      const issued = yield* issue(() => json({ tenant_access_token: "t-1", expire: 7200 }), { decode })
      assert.strictEqual(Redacted.value(issued.accessToken), "t-1")
      const error = yield* failure(() => json({ code: 1 }), { decode })
      assert.deepStrictEqual([error.message, error.status], ["tenant_access_token is missing", 200])
    })
  )

  const invalid: Record<string, () => Response> = {
    "HTML with 200": () => new Response("<html>s3cr3t", { headers: { "content-type": "text/html" } }),
    "HTML that calls itself JSON": () => json("<html>s3cr3t"),
    "an empty body": () => json(""),
    null: () => json("null"),
    "a list": () => json(["s3cr3t"]),
    "no access_token": () => token({ access_token: undefined }),
    "an access_token that is no string": () => token({ access_token: 1 }),
    "an empty access_token": () => token({ access_token: "" }),
    "token_type DPoP": () => token({ token_type: "DPoP" }),
    "token_type N_A": () => token({ token_type: "N_A" }),
    "token_type MAC": () => token({ token_type: "s3cr3t" }),
    "expires_in 0": () => token({ expires_in: 0 }),
    "a negative expires_in": () => token({ expires_in: -1 }),
    "expires_in that begins with a number": () => token({ expires_in: "60 s3cr3t" }),
    "expires_in 1e999": () => json('{"access_token":"s3cr3t","token_type":"Bearer","expires_in":1e999}'),
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
      assert.strictEqual(
        (yield* failure(() => token({ token_type: "DPoP" }))).message,
        "token_type is not Bearer or BearerToken"
      )
      assert.strictEqual((yield* failure(invalid["HTML with 200"]!)).message, "the answer is not a JSON object")
      assert.strictEqual((yield* failure(invalid["302"]!)).advice, "Check the token endpoint.")
    })
  )

  it.effect("the scope is what the server states", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* issue(() => token({ scope: ["a", "b"] }))).scope, "a b")
      assert.isUndefined((yield* issue(() => token({ scope: ["a", "you sent hunter2"] }))).scope)
      assert.isUndefined((yield* issue(() => token({ scope: [1] }))).scope)
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
