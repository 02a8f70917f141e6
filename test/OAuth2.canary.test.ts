import { createPrivateKey } from "node:crypto"
import { FetchHttpClient, type HttpClient } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Fiber, type Layer, Redacted, Schedule, Stream } from "effect"
import { OAuth2, TokenCache } from "effect-token-cache"
import { SignJWT } from "jose"
import { type Answer, cutOff, hangUp, type Received, serve } from "./support/bearerApi.js"
import { exposedLogs, exposedSpans, found, metrics, print } from "./support/exposure.js"
import { fastClock } from "./support/fastClock.js"
import { clientKey } from "./support/keys.js"

const clientSecret = "canary0secret0123456789abcdef012"

const clients = { undici: NodeHttpClient.layerUndici, http: NodeHttpClient.layer, fetch: FetchHttpClient.layer }

const names = ["basic", "post", "key", "refresh", "unsaved", "bearer", "metadata"] as const

const json = (body: unknown, status = 200, headers: Record<string, string> = {}): Answer => ({
  status,
  headers: { "content-type": "application/json", ...headers },
  body: typeof body === "string" ? body : JSON.stringify(body)
})

let issued = 0

/** A token that is a canary, of a size that nothing else has. */
const good = (fields: Readonly<Record<string, unknown>> = {}) => ({
  access_token: `canary-access-token-${++issued}`,
  refresh_token: `canary-refresh-token-${issued}`,
  token_type: "Bearer",
  expires_in: 60,
  ...fields
})

/** What a server can echo: all that it was sent. */
const echo = ({ body, headers }: Received) =>
  `you sent ${headers.authorization} ${body} ${decodeURIComponent(body.replaceAll("+", " "))} ${clientSecret}`

const faults: Record<string, (request: Received) => Answer> = {
  none: () => json(good()),
  "a dropped connection": () => hangUp,
  "an answer that is cut off": () => cutOff,
  "HTML with 200": (request) => ({ status: 200, headers: { "content-type": "text/html" }, body: echo(request) }),
  "HTML that calls itself JSON": (request) => json(echo(request)),
  "an error with 200": (request) => json({ error: "invalid_grant", error_description: echo(request) }),
  "an error that is the secret": () => json({ error: clientSecret }, 400),
  "a refusal with an echo": (request) =>
    json({ error: "invalid_client", error_description: echo(request), error_uri: echo(request) }, 401, {
      "www-authenticate": `Basic realm="${clientSecret}", error="invalid_client", error_description="${clientSecret}"`
    }),
  "a refusal of a token": (request) =>
    json({ ...good(), error: "invalid_grant", error_description: echo(request) }, 400),
  "no expires_in": () => json(good({ expires_in: undefined })),
  "a strange expires_in": (request) => json(good({ expires_in: echo(request) })),
  "a strange token_type": (request) => json(good({ token_type: echo(request) })),
  "a scope that is no string": (request) => json(good({ scope: [echo(request)] })),
  "no access_token": (request) => json({ ...good(), access_token: undefined, echo: echo(request) }),
  "a redirect": (request) => json(echo(request), 307, { location: `/elsewhere?s=${clientSecret}` }),
  "a 404": (request) => json(echo(request), 404),
  "a 429": (request) => json(echo(request), 429, { "retry-after": "soon" }),
  "a 500 with an echo": (request) => json(echo(request), 500)
}

const sign = (audience: string) =>
  Effect.promise(async () => {
    const jwt = new SignJWT({ jti: crypto.randomUUID() }).setProtectedHeader({ alg: "RS256" }).setAudience(audience)
    return { assertion: Redacted.make(await jwt.sign(createPrivateKey(clientKey))) }
  })

/** Meets one fault with each source, and gives what was shown, and the secrets that must not be in it. */
const exposeUnder = (fault: (request: Received) => Answer, client: Layer.Layer<HttpClient.HttpClient>) => {
  const shown: Array<string> = []
  const refreshTokens: Array<string> = ["canary-first-refresh-token"]
  return Effect.gen(function* () {
    let isFine = true
    const answers: Array<string> = []
    const api = yield* serve((request): Answer => {
      if (request.path.includes("well-known")) {
        const { host } = request.headers
        return json({ issuer: `http://${host}`, token_endpoint: `http://${host}/token`, echo: echo(request) })
      }
      const answer = isFine ? json(good()) : fault(request)
      answers.push(typeof answer === "function" ? "" : (answer.body ?? ""))
      return answer
    })
    const server = { issuer: api.url, tokenEndpoint: `${api.url}/token` }
    const bySecret = { server, clientId: "svc", clientSecret: Redacted.make(clientSecret) }
    const sources = {
      basic: yield* OAuth2.clientCredentials({ ...bySecret }),
      post: yield* OAuth2.clientCredentials({ ...bySecret, authMethod: "client_secret_post" }),
      key: yield* OAuth2.clientCredentials({ server, clientId: "svc", privateKey: Redacted.make(clientKey) }),
      refresh: yield* OAuth2.refreshToken({
        ...bySecret,
        refreshToken: Redacted.make("canary-first-refresh-token"),
        persist: (token) => Effect.sync(() => refreshTokens.push(Redacted.value(token)))
      }),
      unsaved: yield* OAuth2.refreshToken({
        ...bySecret,
        refreshToken: "canary-first-refresh-token",
        // An error as careless as a store's may be.
        persist: (token) => (isFine ? Effect.void : Effect.fail(new Error(`cannot store ${Redacted.value(token)}`)))
      }),
      bearer: yield* OAuth2.grant({ ...bySecret, grantType: "g", parameters: sign(api.url) }),
      metadata: yield* OAuth2.clientCredentials({ ...bySecret, server: api.url })
    }
    shown.push(
      print(sources),
      print(yield* OAuth2.discover(api.url).pipe(Effect.map(({ tokenEndpoint }) => tokenEndpoint)))
    )
    const watching = yield* Effect.gen(function* () {
      const events = yield* Effect.fork(Stream.runCollect(TokenCache.events))
      // On a fast clock a slow machine may miss a time limit.
      const first = yield* Effect.forEach(names, (name) =>
        Effect.map(Effect.retry(TokenCache.token(name), Schedule.spaced("1 second")), (old) => ({ name, old }))
      )
      isFine = false
      const exits = yield* Effect.forEach(
        first,
        ({ name, old }) =>
          Effect.gen(function* () {
            const refreshed = yield* Effect.exit(TokenCache.refresh(name))
            const record = yield* Effect.exit(TokenCache.accessToken(name))
            yield* TokenCache.invalidate(name, old)
            const read = yield* Effect.exit(TokenCache.token(name))
            yield* Effect.logTrace("exits", refreshed, record, read)
            return [refreshed, record, read]
          }),
        { concurrency: "unbounded" }
      )
      shown.push(...exits.flat().map(print))
      shown.push(print(yield* TokenCache.statuses), yield* metrics)
      return events
    }).pipe(Effect.provide(TokenCache.layer(sources, { readTimeout: "2 minutes" })))
    const events = Chunk.toArray(yield* Fiber.join(watching))
    assert.isNotEmpty(events)
    shown.push(...events.map(print))
    return { shown, secrets: secretsOf(api.received, answers, refreshTokens) }
  }).pipe(
    Effect.scoped,
    Effect.provide(client),
    exposedSpans(shown),
    exposedLogs(shown),
    Effect.withClock(fastClock(100))
  )
}

/** Each secret that went over the wire, and the lines of the key, by name. */
const secretsOf = (
  received: ReadonlyArray<Received>,
  answers: ReadonlyArray<string>,
  refreshTokens: ReadonlyArray<string>
) => {
  const fields = received.map(({ body }) => new URLSearchParams(body))
  const assertions = fields.flatMap((all) => [...all.getAll("client_assertion"), ...all.getAll("assertion")])
  const headers = received.flatMap(({ headers }) => headers.authorization?.replace("Basic ", "") ?? [])
  const tokens = answers.flatMap((answer) => answer.match(/canary-(access|refresh)-token-\d+/g) ?? [])
  const sent = fields.flatMap((all) => all.getAll("refresh_token"))
  const named = (name: string, values: ReadonlyArray<string>) => {
    assert.isNotEmpty(values, name)
    return [...new Set(values)].map((value, index) => [`${name} ${index}`, value] as const)
  }
  return Object.fromEntries([
    ["client secret", clientSecret],
    ...named("line of the private key", clientKey.trim().split("\n").slice(1, -1)),
    ...named("assertion", assertions),
    ...named("header", headers),
    ...named("token", tokens),
    ...named("refresh token", [...sent, ...refreshTokens])
  ])
}

describe("no secret of OAuth2 is in any log, span, metric, status, event, result or source", () => {
  for (const [name, fault] of Object.entries(faults)) {
    // What a server answers is read the same way through each client; how a connection fails is each one's own.
    const isSocketFault = name.includes("connection") || name.includes("cut off")
    for (const [over, client] of Object.entries(clients).slice(0, isSocketFault ? 3 : 1)) {
      it.live(`under ${name}, over ${over}`, () =>
        Effect.gen(function* () {
          const { secrets, shown } = yield* exposeUnder(fault, client)
          assert.isTrue(shown.some((text) => text.includes("level=TRACE")))
          assert.isTrue(shown.some((text) => text.includes("TokenCache.refresh")))
          assert.isTrue(shown.some((text) => text.includes("http.client POST")))
          assert.deepStrictEqual(found(secrets, shown), [])
        })
      )
    }
  }
})
