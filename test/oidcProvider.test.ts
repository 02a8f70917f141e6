import { createPrivateKey } from "node:crypto"
import type { HttpClient } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Redacted, Schedule, Stream } from "effect"
import { BearerClient, type IssueError, OAuth2, TokenCache } from "effect-token-cache"
import { SignJWT } from "jose"
import { ClientSecretBasic } from "oauth4webapi"
import { type Answer, serve } from "./support/bearerApi.js"
import { exposedLogs, exposedSpans, found, print } from "./support/exposure.js"
import { faultProxy, type ProxyMode } from "./support/faultProxy.js"
import { freePort } from "./support/freePort.js"
import { httpClients } from "./support/httpClients.js"
import { assertionKey, clientEcKey, clientKey } from "./support/keys.js"
import { quiet } from "./support/logs.js"
import { basicSecret, jwtBearer, OidcProvider, postSecret, webSecret } from "./support/oidcProvider.js"

const read = Effect.map(TokenCache.token("api"), Redacted.value)

const basic = { clientId: "svc-basic", clientSecret: Redacted.make(basicSecret) }

const web = { clientId: "web", clientSecret: Redacted.make(webSecret) }

describe("client authentication", () => {
  const methods = {
    client_secret_basic: basic,
    client_secret_post: { clientId: "svc-post", clientSecret: postSecret, authMethod: "client_secret_post" },
    "private_key_jwt, RSA": { clientId: "svc-jwt", privateKey: Redacted.make(clientKey), keyId: "client-key-1" },
    "private_key_jwt, EC": { clientId: "svc-jwt-ec", privateKey: clientEcKey, keyId: "client-key-2" }
  } as const
  for (const [name, client] of Object.entries(methods)) {
    it.scopedLive(`by ${name}`, () =>
      Effect.gen(function* () {
        const { grants, isActive, issuer } = yield* OidcProvider
        const api = OAuth2.clientCredentials({ server: issuer, ...client, scope: ["api:read", "api:write"] })
        yield* Effect.gen(function* () {
          const { accessToken, expiresAt, issuedAt, scope } = yield* TokenCache.accessToken("api")
          assert.isTrue(yield* isActive(Redacted.value(accessToken)))
          assert.deepStrictEqual([expiresAt - issuedAt, scope], [600_000, "api:read api:write"])
          const next = yield* TokenCache.refresh("api")
          assert.notStrictEqual(Redacted.value(next), Redacted.value(accessToken))
        }).pipe(Effect.provide(TokenCache.layer({ api })))
        assert.deepStrictEqual(
          grants.map(({ clientId, outcome }) => [outcome, clientId]),
          [
            ["success", client.clientId],
            ["success", client.clientId]
          ]
        )
      }).pipe(Effect.provide(OidcProvider.layer), Effect.provide(NodeHttpClient.layerUndici))
    )
  }

  for (const [over, client] of Object.entries(httpClients)) {
    it.scopedLive(`a wrong secret is a permanent Rejected, over ${over}`, () =>
      Effect.gen(function* () {
        const { issuer } = yield* OidcProvider
        const source = yield* OAuth2.clientCredentials({ server: issuer, ...basic, clientSecret: "wrong" })
        const { advice, code, permanent, reason, status } = yield* Effect.flip(source.issue)
        assert.deepStrictEqual(
          { advice, code, permanent, reason, status },
          {
            advice:
              'The secret was sent by client_secret_basic. Check the client id and the secret, or try authMethod: "client_secret_post".',
            code: "invalid_client",
            permanent: true,
            reason: "Rejected",
            status: 401
          }
        )
      }).pipe(Effect.provide(OidcProvider.layer), Effect.provide(client))
    )
  }
})

describe("what is asked for", () => {
  const issue = (options: { readonly scope?: string; readonly resource?: string; readonly requireScope?: boolean }) =>
    Effect.gen(function* () {
      const { issuer } = yield* OidcProvider
      const source = yield* Effect.orDie(OAuth2.clientCredentials({ server: issuer, ...basic, ...options }))
      return yield* source.issue
    })
  const withProvider = <A, E>(effect: Effect.Effect<A, E, OidcProvider | HttpClient.HttpClient>) =>
    effect.pipe(Effect.provide(OidcProvider.layer), Effect.provide(NodeHttpClient.layerUndici))

  it.scopedLive("a resource is what the token is for", () =>
    Effect.gen(function* () {
      const { accessToken } = yield* issue({ scope: "api:read", resource: "urn:api" })
      const claims = JSON.parse(Buffer.from(Redacted.value(accessToken).split(".")[1] ?? "", "base64url").toString())
      assert.strictEqual(claims.aud, "urn:api")
    }).pipe(withProvider)
  )

  it.scopedLive("an unknown scope gives a token without one, which requireScope refuses", () =>
    Effect.gen(function* () {
      assert.isUndefined((yield* issue({ scope: "api:nonsense" })).scope)
      assert.strictEqual((yield* issue({ scope: "api:read", requireScope: true })).scope, "api:read")
      for (const scope of ["api:nonsense", "api:read api:nonsense"]) {
        const { message, permanent, reason } = yield* Effect.flip(issue({ scope, requireScope: true }))
        assert.deepStrictEqual(
          [reason, permanent, message],
          ["Rejected", true, "the server does not state that it granted api:nonsense"]
        )
      }
    }).pipe(withProvider)
  )

  it.scopedLive("an unknown resource is a permanent Rejected", () =>
    Effect.gen(function* () {
      const { code, permanent } = yield* Effect.flip(issue({ resource: "not a URI" }))
      assert.deepStrictEqual([code, permanent], ["invalid_target", true])
    }).pipe(withProvider)
  )
})

describe("discover", () => {
  it.scopedLive("gives the server as it describes itself", () =>
    Effect.gen(function* () {
      const { issuer } = yield* OidcProvider
      const server = yield* OAuth2.discover(issuer)
      assert.deepStrictEqual([server.issuer, server.tokenEndpoint], [issuer, `${issuer}/token`])
      assert.strictEqual(server.metadata.revocation_endpoint, `${issuer}/token/revocation`)
      const source = yield* OAuth2.clientCredentials({ server, ...basic })
      assert.strictEqual((yield* source.issue).expiresIn, 600_000)
    }).pipe(Effect.provide(OidcProvider.layer), Effect.provide(NodeHttpClient.layerUndici))
  )
})

describe("a JWT bearer grant", () => {
  const assertion = (audience: string, jti: string) =>
    Effect.promise(() =>
      new SignJWT({ jti })
        .setProtectedHeader({ alg: "RS256" })
        .setIssuer("sa")
        .setAudience(audience)
        .setExpirationTime("1 minute")
        .sign(createPrivateKey(assertionKey))
    )

  it.scopedLive("signs an assertion for each attempt", () =>
    Effect.gen(function* () {
      const { grants, isActive, issuer } = yield* OidcProvider
      let signed = 0
      const api = OAuth2.grant({
        server: issuer,
        ...basic,
        grantType: jwtBearer,
        scope: "api:read",
        parameters: Effect.suspend(() =>
          Effect.map(assertion(issuer, `${++signed}`), (token) => ({ assertion: Redacted.make(token) }))
        )
      })
      yield* Effect.gen(function* () {
        assert.isTrue(yield* isActive(yield* read))
        yield* TokenCache.refresh("api")
        assert.isTrue(yield* isActive(yield* read))
      }).pipe(Effect.provide(TokenCache.layer({ api })))
      assert.deepStrictEqual(
        grants.map(({ outcome }) => outcome),
        ["success", "success"]
      )
    }).pipe(Effect.provide(OidcProvider.layer), Effect.provide(NodeHttpClient.layerUndici))
  )

  it.scopedLive("a replayed assertion is refused, which is why (govuk-one-login/authentication-api#8427)", () =>
    Effect.gen(function* () {
      const { issuer } = yield* OidcProvider
      const source = yield* OAuth2.grant({
        server: issuer,
        ...basic,
        grantType: jwtBearer,
        parameters: { assertion: yield* assertion(issuer, "once") }
      })
      yield* source.issue
      const { advice, code } = yield* Effect.flip(source.issue)
      assert.strictEqual(code, "invalid_grant")
      assert.match(advice ?? "", /^Check the assertion/)
    }).pipe(Effect.provide(OidcProvider.layer), Effect.provide(NodeHttpClient.layerUndici))
  )
})

describe("over time", () => {
  it.scopedLive("tokens of 2 seconds stay warm for 15 seconds under 200 reads a second", () =>
    Effect.gen(function* () {
      const { grants, isActive, issuer, setLifetime } = yield* OidcProvider
      yield* setLifetime(2)
      const api = OAuth2.clientCredentials({
        server: issuer,
        ...basic,
        refreshBefore: "1 second",
        retryAfter: "1 second",
        jitter: 0
      })
      const seen = new Set<string>()
      const reader = read.pipe(
        Effect.tap((token) => (seen.has(token) ? Effect.void : isActive(token).pipe(Effect.map(assert.isTrue)))),
        Effect.tap((token) => Effect.sync(() => seen.add(token))),
        Effect.repeat(Schedule.addDelay(Schedule.recurs(299), () => "50 millis"))
      )
      const cold = yield* Effect.gen(function* () {
        const expired = TokenCache.events.pipe(
          Stream.filter(({ _tag }) => _tag === "Expired"),
          Stream.runCount
        )
        const counting = yield* Effect.fork(expired)
        yield* Effect.all(Effect.replicate(reader, 10), { concurrency: "unbounded", discard: true })
        return counting
      }).pipe(Effect.provide(TokenCache.layer({ api })), Effect.flatMap(Fiber.join))
      assert.isTrue(seen.size >= 7, `${seen.size} tokens`)
      // A machine may stand still for a second; one that does so again and again has other troubles.
      assert.isTrue(cold < seen.size / 3, `${cold} of ${seen.size} tokens ran out`)
      assert.isTrue(grants.every(({ outcome }) => outcome === "success"))
    }).pipe(Effect.provide(OidcProvider.layer), Effect.provide(NodeHttpClient.layerUndici))
  )

  it.scopedLive("a token that is revoked at the server costs one issue for 50 answers of 401", () =>
    Effect.gen(function* () {
      const { grants, issuer, revoke } = yield* OidcProvider
      const api = yield* serve(
        ({ token }): Answer =>
          (response) => {
            introspect(issuer, token ?? "").then((active) => response.writeHead(active ? 200 : 401).end())
          }
      )
      const source = OAuth2.clientCredentials({ server: issuer, ...basic })
      yield* Effect.gen(function* () {
        const client = yield* BearerClient.make("api", { origins: [api.url] })
        const call = Effect.map(client.get(`${api.url}/me`), ({ status }) => status)
        assert.strictEqual(yield* call, 200)
        yield* revoke(yield* read)
        const statuses = yield* Effect.all(Effect.replicate(call, 50), { concurrency: "unbounded" })
        assert.deepStrictEqual(statuses, Array(50).fill(200))
        assert.lengthOf(
          api.received.filter(({ token }) => token === api.received[0]?.token),
          51
        )
      }).pipe(Effect.provide(TokenCache.layer({ api: source })))
      assert.lengthOf(grants, 2)
    }).pipe(Effect.provide(OidcProvider.layer), Effect.provide(NodeHttpClient.layerUndici))
  )

  it.scopedLive("rotation survives 100 rotations with readers all the while", () =>
    Effect.gen(function* () {
      const { grants, isActive, issuer, login } = yield* OidcProvider
      const stored = [yield* login]
      const api = OAuth2.refreshToken({
        server: issuer,
        ...web,
        refreshToken: Effect.sync(() => stored.at(-1) ?? ""),
        persist: (token) => Effect.sync(() => stored.push(Redacted.value(token)))
      })
      yield* Effect.gen(function* () {
        const seen = new Set([yield* read])
        const readers = yield* read.pipe(
          Effect.tap((token) => Effect.sync(() => seen.add(token))),
          Effect.zipLeft(Effect.sleep("5 millis")),
          Effect.forever,
          Effect.replicate(20),
          (readers) => Effect.all(readers, { concurrency: "unbounded", discard: true }),
          Effect.fork
        )
        yield* Effect.replicateEffect(TokenCache.refresh("api"), 99, { discard: true })
        assert.isTrue(yield* isActive(yield* read))
        // A reader that had failed would have ended them all.
        assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(readers)))
        assert.isTrue(seen.size > 1)
      }).pipe(Effect.provide(TokenCache.layer({ api })))
      assert.deepStrictEqual([stored.length, new Set(stored).size], [101, 101])
      assert.deepStrictEqual(
        grants.map(({ outcome, parameters }) => [outcome, parameters.refresh_token]),
        stored.slice(0, -1).map((token) => ["success", token])
      )
    }).pipe(Effect.provide(OidcProvider.layer), Effect.provide(NodeHttpClient.layerUndici))
  )

  it.scopedLive("a refresh token that is used already is refused, with all that came of the login", () =>
    Effect.gen(function* () {
      const { issuer, login } = yield* OidcProvider
      const first = yield* login
      const persisted: Array<string> = []
      const options = {
        server: issuer,
        ...web,
        refreshToken: first,
        persist: (token: Redacted.Redacted<string>) => Effect.sync(() => persisted.push(Redacted.value(token)))
      }
      yield* (yield* OAuth2.refreshToken(options)).issue
      // Another process, with an old copy.
      const error = yield* Effect.flip((yield* OAuth2.refreshToken(options)).issue)
      assert.deepStrictEqual(
        [error.code, error.permanent, error.advice],
        ["invalid_grant", true, "The refresh token is expired, revoked, or used already: a new login is needed."]
      )
      const after = yield* OAuth2.refreshToken({ ...options, refreshToken: persisted[0] ?? "" })
      assert.strictEqual((yield* Effect.flip(after.issue)).code, "invalid_grant")
    }).pipe(Effect.provide(OidcProvider.layer), Effect.provide(NodeHttpClient.layerUndici))
  )

  it.scopedLive("the server stops and starts again: readers keep their token, and then get a new one", () =>
    Effect.gen(function* () {
      const { issuer, start, stop } = yield* OidcProvider
      const api = OAuth2.clientCredentials({ server: issuer, ...basic, retryAfter: "1 second", jitter: 0 })
      yield* Effect.gen(function* () {
        const old = yield* read
        yield* stop
        assert.strictEqual((yield* Effect.flip(TokenCache.refresh("api"))).lastError?.reason, "Unreachable")
        assert.strictEqual(yield* read, old)
        assert.strictEqual((yield* TokenCache.status("api")).state, "degraded")
        yield* start
        yield* Stream.runDrain(Stream.takeUntil(TokenCache.changes("api"), ({ generation }) => generation === 2))
        assert.notStrictEqual(yield* read, old)
        assert.strictEqual((yield* TokenCache.status("api")).state, "ready")
      }).pipe(Effect.provide(TokenCache.layer({ api })))
    }).pipe(Effect.provide([OidcProvider.layer, NodeHttpClient.layerUndici, quiet]))
  )

  it.scopedLive("a server that is down at first is found once it is there", () =>
    Effect.gen(function* () {
      const { issuer, start, stop } = yield* OidcProvider
      yield* stop
      const api = OAuth2.clientCredentials({ server: issuer, ...basic, retryAfter: "1 second", jitter: 0 })
      yield* Effect.gen(function* () {
        assert.strictEqual((yield* Effect.flip(read)).lastError?.reason, "Unreachable")
        yield* start
        yield* Stream.runDrain(Stream.takeUntil(TokenCache.changes("api"), ({ state }) => state === "ready"))
      }).pipe(Effect.provide(TokenCache.layer({ api }, { readTimeout: "10 seconds" })))
    }).pipe(Effect.provide([OidcProvider.layer, NodeHttpClient.layerUndici, quiet]))
  )
})

const introspect = async (issuer: string, token: string): Promise<boolean> => {
  const form = { token, client_id: "svc-post", client_secret: postSecret }
  const response = await fetch(`${issuer}/token/introspection`, { method: "POST", body: new URLSearchParams(form) })
  const answer: unknown = await response.json()
  return typeof answer === "object" && answer !== null && "active" in answer && answer.active === true
}

interface Fault {
  readonly mode: ProxyMode
  readonly reason: IssueError["reason"]
}

// An answer that does not come in time is cut short by the cache; anything else says so itself, long before.
const faults: Record<string, Fault> = {
  "a connection that is reset": { mode: { _tag: "reset" }, reason: "Unreachable" },
  "a black hole": { mode: { _tag: "blackHole" }, reason: "Timeout" },
  "an answer that comes too late": { mode: { _tag: "latency", millis: 5000 }, reason: "Timeout" },
  "an answer cut in its headers": { mode: { _tag: "cut", at: "headers" }, reason: "Unreachable" },
  "an answer cut in its body": { mode: { _tag: "cut", at: "body" }, reason: "Unreachable" },
  "an answer that stops in its headers": { mode: { _tag: "stall", at: "headers" }, reason: "Timeout" },
  "an answer that stops in its body": { mode: { _tag: "stall", at: "body" }, reason: "Timeout" }
}

describe.each(Object.entries(httpClients))("through a proxy, over %s,", (_name, client) => {
  /** Runs with all that is logged and traced put where the secrets are looked for. */
  const without =
    (secrets: Record<string, string>) =>
    <A, E, R>(use: (shown: Array<string>) => Effect.Effect<A, E, R>) => {
      const shown: Array<string> = []
      return use(shown).pipe(
        exposedSpans(shown),
        exposedLogs(shown),
        Effect.tap(() => Effect.sync(() => assert.isTrue(shown.some((text) => text.includes("TokenCache.refresh"))))),
        Effect.tap(() => Effect.sync(() => assert.deepStrictEqual(found(secrets, shown), [])))
      )
    }
  // As the library encodes it, which is not quite as URLSearchParams does.
  const authorization = new Headers()
  ClientSecretBasic(basicSecret)({ issuer: "i" }, { client_id: "svc-basic" }, new URLSearchParams(), authorization)
  const secrets = {
    secret: basicSecret,
    header: authorization.get("authorization")?.replace("Basic ", "") ?? "no header"
  }

  for (const [name, { mode, reason }] of Object.entries(faults)) {
    it.scopedLive(`${name} is ${reason}; the old token is kept, the next attempt succeeds, and nothing leaks`, () =>
      without(secrets)((shown) =>
        Effect.gen(function* () {
          const { issuer, port } = yield* OidcProvider
          const proxy = yield* faultProxy(port)
          const server = { issuer, tokenEndpoint: `http://127.0.0.1:${proxy.port}/token` }
          const issueTimeout = reason === "Timeout" ? "400 millis" : "10 seconds"
          const api = OAuth2.clientCredentials({ server, ...basic, issueTimeout })
          yield* Effect.gen(function* () {
            const old = yield* Effect.retry(read, { times: 20, schedule: Schedule.spaced("100 millis") })
            yield* proxy.become(mode)
            const error = yield* Effect.flip(TokenCache.refresh("api"))
            assert.deepStrictEqual([error.lastError?.reason, error.lastError?.permanent], [reason, false])
            assert.strictEqual(yield* read, old)
            shown.push(print(error), print(yield* TokenCache.status("api")))
            yield* proxy.become({ _tag: "pass" })
            yield* Effect.retry(TokenCache.refresh("api"), { times: 5 })
            assert.notStrictEqual(yield* read, old)
          }).pipe(Effect.provide(TokenCache.layer({ api }, { readTimeout: "10 seconds" })))
        }).pipe(Effect.provide([OidcProvider.layer, client]))
      )
    )
  }

  it.scopedLive("latency below the time limit is waited for", () =>
    Effect.gen(function* () {
      const { grants, issuer, port } = yield* OidcProvider
      const proxy = yield* faultProxy(port)
      yield* proxy.become({ _tag: "latency", millis: 300 })
      const server = { issuer, tokenEndpoint: `http://127.0.0.1:${proxy.port}/token` }
      yield* Effect.provide(
        read,
        TokenCache.layer({ api: OAuth2.clientCredentials({ server, ...basic }) }, { readTimeout: "10 seconds" })
      )
      assert.lengthOf(grants, 1)
    }).pipe(Effect.provide([OidcProvider.layer, client]))
  )

  const cold = {
    "a port that nobody listens on": Effect.map(freePort, (port) => `http://127.0.0.1:${port}/token`),
    "TLS to a plain port": Effect.map(OidcProvider, ({ port }) => `https://127.0.0.1:${port}/token`)
  }
  for (const [name, tokenEndpoint] of Object.entries(cold)) {
    it.scopedLive(`${name} is Unreachable, and a cold reader is told`, () =>
      without(secrets)((shown) =>
        Effect.gen(function* () {
          const server = { issuer: "https://issuer.example", tokenEndpoint: yield* tokenEndpoint }
          const api = OAuth2.clientCredentials({ server, ...basic })
          const error = yield* Effect.flip(read).pipe(
            Effect.provide(TokenCache.layer({ api }, { readTimeout: "20 seconds" }))
          )
          shown.push(print(error))
          assert.deepStrictEqual(
            [error.reason, error.lastError?.reason, error.lastError?.permanent],
            ["IssueFailed", "Unreachable", false]
          )
          assert.match(error.message, /issuer unreachable: \S.* at 127\.0\.0\.1:\d+ \(attempt 1, next in 3\ds\)/)
        }).pipe(Effect.provide([OidcProvider.layer, client]))
      )
    )
  }
})
