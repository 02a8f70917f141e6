import { FetchHttpClient, HttpClient } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { BearerClient, TokenCache } from "effect-token-cache"
import * as Api from "./support/bearerApi.js"
import * as Issuer from "./support/issuer.js"

/** How an API is called: through an `HttpClient`, or by the fetch of an SDK. Each gives the status and the body. */
const callers = {
  "BearerClient.make": (origin: string) =>
    Effect.map(
      BearerClient.make("api", { origins: [origin] }),
      (client) => (url: string) =>
        client.get(url).pipe(
          Effect.flatMap((response) => Effect.map(response.text, (body) => [response.status, body] as const)),
          Effect.orDie
        )
    ),
  "BearerClient.fetch": (origin: string) =>
    Effect.map(
      BearerClient.fetch("api", { origins: [origin] }),
      (fetch) => (url: string) =>
        Effect.promise(async () => {
          const response = await fetch(url)
          return [response.status, await response.text()] as const
        })
    )
}

const cacheOf = () => {
  const issuer = Issuer.scripted(Issuer.succeed("30 days"))
  return { issuer, layer: TokenCache.layer({ api: { issue: issuer.issue, jitter: 0 } }) }
}

const refused = (challenge?: string): Api.Answer => ({
  status: 401,
  body: "no",
  headers: challenge === undefined ? {} : { "www-authenticate": challenge }
})

for (const [name, caller] of Object.entries(callers)) {
  describe(`${name}, answered 401`, () => {
    it.scopedLive("by one endpoint alone, leaves the token to all others", () => {
      const { issuer, layer } = cacheOf()
      return Effect.gen(function* () {
        const api = yield* Api.serve(({ path, token }) =>
          path === "/bad" ? refused('Bearer error="invalid_token"') : { status: 200, body: token ?? "" }
        )
        const call = yield* caller(api.url)
        for (let round = 0; round < 20; round++) {
          assert.deepStrictEqual(yield* call(`${api.url}/bad`), [401, "no"])
          assert.deepStrictEqual(yield* call(`${api.url}/good`), [200, "token-2"])
        }
        assert.strictEqual(issuer.calls.length, 2)
        // The first call is sent once more, with a new token; a token that is kept is not sent again.
        assert.strictEqual(api.received.length, 20 + 20 + 1)
      }).pipe(Effect.provide(layer), Effect.provide(NodeHttpClient.layerUndici))
    })

    for (const challenge of [
      'Bearer realm="api", error="insufficient_scope", scope="write"',
      "Bearer error=invalid_request",
      'DPoP error="use_dpop_nonce"'
    ]) {
      it.scopedLive(`with ${challenge}, hands the answer on and reports nothing`, () => {
        const { issuer, layer } = cacheOf()
        return Effect.gen(function* () {
          const api = yield* Api.serve(() => refused(challenge))
          const call = yield* caller(api.url)
          assert.deepStrictEqual(yield* call(api.url), [401, "no"])
          assert.strictEqual(Issuer.value(yield* TokenCache.token("api")), "token-1")
          assert.strictEqual(issuer.calls.length, 1)
          assert.strictEqual(api.received.length, 1)
        }).pipe(Effect.provide(layer), Effect.provide(NodeHttpClient.layerUndici))
      })
    }
  })
}

describe("BearerClient.make over fetch", () => {
  it.scopedLive("leaves a redirect to its caller: a 401 of another origin is none of the token's", () => {
    const { issuer, layer } = cacheOf()
    return Effect.gen(function* () {
      const other = yield* Api.serve(() => refused())
      const api = yield* Api.serve(() => ({ status: 302, headers: { location: other.url } }))
      const bearer = yield* BearerClient.make("api", { origins: [api.url] })
      assert.strictEqual((yield* bearer.get(api.url)).status, 302)
      assert.strictEqual(other.received.length, 0)
      const followed = yield* HttpClient.followRedirects(bearer).get(api.url)
      assert.strictEqual(followed.status, 401)
      assert.deepStrictEqual(
        other.received.map(({ token }) => token),
        [undefined]
      )
      assert.strictEqual(Issuer.value(yield* TokenCache.token("api")), "token-1")
      assert.strictEqual(issuer.calls.length, 1)
    }).pipe(
      Effect.provide(layer),
      Effect.provide(FetchHttpClient.layer),
      Effect.provideService(FetchHttpClient.RequestInit, { keepalive: true })
    )
  })
})
