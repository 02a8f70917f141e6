import { generateKeyPairSync } from "node:crypto"
import { readFileSync } from "node:fs"
import { bearerTokenAuthenticationPolicy, createHttpHeaders, createPipelineRequest } from "@azure/core-rest-pipeline"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { createAppAuth } from "@octokit/auth-app"
import { request as octokitRequest } from "@octokit/request"
import { Effect, Layer, Redacted } from "effect"
import { IssuedToken, TokenCache } from "effect-token-cache"
import { JWT } from "google-auth-library"
import { decodeJwt, decodeProtectedHeader, jwtVerify } from "jose"
import { tokenCredential } from "../examples/azure-token-credential.js"
import { githubApp } from "../examples/github-app.js"
import { googleAuth } from "../examples/google-auth-library.js"
import { googleServiceAccount } from "../examples/google-service-account.js"
import { type Answer, type Received, serve } from "./support/bearerApi.js"
import { exposedLogs, exposedSpans, found, print } from "./support/exposure.js"
import { fakeHttp, form, json } from "./support/fakeHttp.js"
import { scripted, succeed } from "./support/issuer.js"
import { quiet } from "./support/logs.js"

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 })
// GitHub hands out PKCS#1, Google PKCS#8.
const pkcs1 = privateKey.export({ type: "pkcs1", format: "pem" }).toString()
const pkcs8 = privateKey.export({ type: "pkcs8", format: "pem" }).toString()

describe.each(["github-app", "google-service-account", "azure-token-credential", "google-auth-library"])(
  "the recipe %s",
  (name) => {
    it("has less than 40 lines", () => {
      const text = readFileSync(new URL(`../examples/${name}.ts`, import.meta.url), "utf8")
      assert.isTrue(text.trimEnd().split("\n").length < 40)
    })
  }
)

describe("the recipe for a GitHub App", () => {
  const expiresAt = new Date(Date.now() + 3_600_000).toISOString().replace(/\.\d+/, "")

  const jwtOf = (headers: Received["headers"]) => headers.authorization?.replace(/^bearer /i, "") ?? ""

  /** As GitHub answers, if the JWT is one that it takes. */
  const github = (answer?: Answer) =>
    serve(
      ({ headers }): Answer =>
        (response) => {
          const body = JSON.stringify({ token: "ghs_1", expires_at: expiresAt, permissions: {} })
          const good: Answer = { status: 201, headers: { "content-type": "application/json" }, body }
          const bad: Answer = { status: 401, headers: { "content-type": "application/json" }, body: '{"message":"no"}' }
          jwtVerify(jwtOf(headers), publicKey, { issuer: "42", maxTokenAge: "10 minutes" })
            .then(
              () => (headers["user-agent"] === undefined ? bad : (answer ?? good)),
              () => bad
            )
            .then((answer) => {
              if (typeof answer !== "function") {
                response.writeHead(answer.status, answer.headers).end(answer.body)
              }
            })
        }
    )

  const source = (baseUrl: string, key = pkcs1) =>
    githubApp({ appId: "42", installationId: 7, privateKey: Redacted.make(key), baseUrl })

  const comparable = ({ headers, method, path }: Received) => {
    const { exp = 0, iat = 0, iss } = decodeJwt(jwtOf(headers))
    return { method, path, alg: decodeProtectedHeader(jwtOf(headers)).alg, iss, lifetime: exp - iat }
  }

  it.scopedLive("gets a token that ends at expires_at, with the request of @octokit/auth-app", () =>
    Effect.gen(function* () {
      const api = yield* github()
      const token = yield* TokenCache.accessToken("github").pipe(
        Effect.provide(TokenCache.layer({ github: source(api.url) }))
      )
      const auth = createAppAuth({
        appId: "42",
        privateKey: pkcs8,
        request: octokitRequest.defaults({ baseUrl: api.url })
      })
      const theirs = yield* Effect.promise(() => auth({ type: "installation", installationId: 7 }))
      assert.deepStrictEqual(
        [Redacted.value(token.accessToken), token.expiresAt],
        [theirs.token, Date.parse(theirs.expiresAt)]
      )
      const [ours, witness] = api.received.map(comparable)
      assert.deepStrictEqual(ours, witness)
    }).pipe(Effect.provide(NodeHttpClient.layerUndici))
  )

  it.scopedLive("says what GitHub refuses, and shows neither the JWT nor the key", () => {
    const shown: Array<string> = []
    return Effect.gen(function* () {
      const other = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey
      const failure = (answer?: Answer, key?: string) =>
        Effect.gen(function* () {
          const api = yield* github(answer)
          const error = yield* Effect.flip(TokenCache.token("github")).pipe(
            Effect.provide(Layer.orDie(TokenCache.layer({ github: source(api.url, key) })))
          )
          shown.push(print(error))
          const jwts = Object.fromEntries(api.received.map(({ token = "" }, index) => [`JWT ${index}`, token]))
          assert.isNotEmpty(jwts)
          assert.deepStrictEqual(found({ ...jwts, key: pkcs1.slice(100, 150) }, shown), [])
          return [error.lastError?.reason, error.lastError?.permanent, error.lastError?.status]
        })
      const wrong = other.export({ type: "pkcs8", format: "pem" }).toString()
      assert.deepStrictEqual(yield* failure(undefined, wrong), ["Rejected", true, 401])
      const json = (status: number): Answer => ({ status, body: "{}" })
      assert.deepStrictEqual(yield* failure(json(404)), ["Rejected", true, 404])
      assert.deepStrictEqual(yield* failure(json(403)), ["Unreachable", false, 403])
      assert.deepStrictEqual(yield* failure(json(201)), ["Unreachable", false, 201])
      assert.deepStrictEqual((yield* failure({ status: 502, body: "<html>" }))[0], "Unreachable")
    }).pipe(exposedSpans(shown), exposedLogs(shown), Effect.provide(NodeHttpClient.layerUndici))
  })
})

describe("the recipe for a Google service account", () => {
  const account = {
    client_email: "svc@project.iam.gserviceaccount.com",
    private_key_id: "key-1",
    private_key: Redacted.make(pkcs8),
    token_uri: "https://oauth2.googleapis.com/token"
  }
  const scope = "https://www.googleapis.com/auth/drive.readonly"

  it.live("gets a token with the request of google-auth-library", () =>
    Effect.gen(function* () {
      const answer = { access_token: "ya29.1", token_type: "Bearer", expires_in: 3599 }
      const http = fakeHttp(() => json(answer))
      const token = yield* TokenCache.accessToken("google").pipe(
        Effect.provide(TokenCache.layer({ google: googleServiceAccount(account, scope) })),
        Effect.provide(http.layer)
      )
      assert.deepStrictEqual(
        [Redacted.value(token.accessToken), token.expiresAt - token.issuedAt],
        ["ya29.1", 3_599_000]
      )
      const witness: Array<{ readonly method: string; readonly url: string; readonly body: string }> = []
      const theirs = new JWT({
        email: account.client_email,
        key: pkcs8,
        scopes: [scope],
        transporterOptions: {
          fetchImplementation: (url, init) => {
            witness.push({ method: init?.method ?? "", url: String(url), body: String(init?.body) })
            return Promise.resolve(json(answer))
          }
        }
      })
      yield* Effect.promise(() => theirs.authorize())
      const comparable = (sent: { readonly method: string; readonly url: string; readonly body: string }) => {
        const { assertion = "", ...fields } = Object.fromEntries(new URLSearchParams(sent.body))
        const { exp = 0, iat = 0, ...claims } = decodeJwt(assertion)
        const { alg } = decodeProtectedHeader(assertion)
        return { method: sent.method, url: sent.url, fields, alg, claims, lifetime: exp - iat }
      }
      assert.lengthOf(http.sent, 1)
      assert.deepStrictEqual(http.sent.map(comparable), witness.map(comparable))
      assert.strictEqual(decodeProtectedHeader(form(http.sent[0]).assertion ?? "").kid, "key-1")
    })
  )
})

describe("the recipe for the Azure SDKs", () => {
  it.live("sends the token of the cache, and knows until when", () => {
    const { issue } = scripted(succeed("1 hour"))
    return Effect.gen(function* () {
      const credential = yield* tokenCredential("azure")
      const policy = bearerTokenAuthenticationPolicy({ credential, scopes: "any" })
      const call = Effect.promise(async () => {
        const request = createPipelineRequest({ url: "https://vault.example/" })
        await policy.sendRequest(request, async (request) => ({ request, status: 200, headers: createHttpHeaders() }))
        return request.headers.get("authorization")
      })
      assert.strictEqual(yield* call, "Bearer token-1")
      const { expiresOnTimestamp } = (yield* Effect.promise(() => credential.getToken("any"))) ?? {}
      assert.strictEqual(expiresOnTimestamp, (yield* TokenCache.accessToken("azure")).usableUntil)
      yield* TokenCache.refresh("azure")
      assert.strictEqual((yield* Effect.promise(() => credential.getToken("any")))?.token, "token-2")
    }).pipe(Effect.provide(TokenCache.layer({ azure: { issue } })))
  })

  it.live("fails with what the cache says", () =>
    Effect.gen(function* () {
      const credential = yield* tokenCredential("typo")
      const error = yield* Effect.flip(Effect.tryPromise({ try: () => credential.getToken("any"), catch: String }))
      assert.include(error, 'no token is named "typo"')
    }).pipe(Effect.provide(TokenCache.layer({ azure: { issue: scripted(succeed("1 hour")).issue } })))
  )
})

describe("the recipe for the Google SDKs", () => {
  it.live("sends the token of the cache, and the next one once it has run out", () => {
    const tokens = [
      IssuedToken.make({ accessToken: "first", expiresIn: "1500 millis" }),
      IssuedToken.make({ accessToken: "second", expiresIn: "1 hour" })
    ]
    const issue = Effect.sync(() => tokens.shift() ?? IssuedToken.make({ accessToken: "third", expiresIn: "1 hour" }))
    return Effect.gen(function* () {
      const client = yield* googleAuth("google")
      const header = Effect.promise(async () => (await client.getRequestHeaders()).get("authorization"))
      assert.strictEqual(yield* header, "Bearer first")
      yield* TokenCache.refresh("google")
      yield* Effect.sleep("1 second")
      assert.strictEqual(yield* header, "Bearer second")
    }).pipe(Effect.provide(TokenCache.layer({ google: { issue } })), Effect.provide(quiet))
  })
})
