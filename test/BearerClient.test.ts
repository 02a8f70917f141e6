import { FetchHttpClient, HttpClient, HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Option } from "effect"
import { InvalidOptions, IssuedToken, TokenCache, TokenUnavailable } from "effect-token-cache"
import * as BearerClient from "effect-token-cache/BearerClient"
import * as Api from "./support/bearerApi.js"
import { hourly, over, provide, setup, text, tokens } from "./support/bearerClient.js"
import * as Probe from "./support/bearerProbe.js"
import { httpClientLayers } from "./support/httpClients.js"
import * as Issuer from "./support/issuer.js"
import { until } from "./support/until.js"

describe("BearerClient.make", () => {
  describe("where the token goes", () => {
    /** The Authorization that each request would go out with; nothing leaves this process. */
    const recorded = (
      requests: ReadonlyArray<HttpClientRequest.HttpClientRequest>,
      inside?: (client: HttpClient.HttpClient) => HttpClient.HttpClient
    ) =>
      Effect.gen(function* () {
        const authorizations: Array<string | undefined> = []
        const stub = HttpClient.make((request) => {
          authorizations.push(request.headers.authorization)
          return Effect.succeed(HttpClientResponse.fromWeb(request, new Response("ok")))
        })
        const client = yield* over(inside, BearerClient.make("api", { origins: ["https://api.example.com"] })).pipe(
          Effect.provideService(HttpClient.HttpClient, stub)
        )
        yield* Effect.forEach(requests, client.execute)
        return authorizations
      }).pipe(Effect.provide(TokenCache.layerTest({ api: "the-token" })))

    it.scopedLive("a listed origin gets it as a bearer token", () =>
      Effect.gen(function* () {
        const { api, client } = yield* setup(() => Api.ok)
        yield* client.get(`${api.url}/me`)
        assert.deepStrictEqual(
          api.received.map(({ headers }) => headers.authorization),
          ["Bearer token-1"]
        )
      }).pipe(provide(hourly()))
    )

    it.scopedLive("each request reads it anew", () =>
      Effect.gen(function* () {
        const { api, client } = yield* setup(() => Api.ok)
        yield* client.get(api.url)
        yield* TokenCache.refresh("api")
        yield* client.get(api.url)
        assert.deepStrictEqual(tokens(api), ["token-1", "token-2"])
      }).pipe(provide(hourly()))
    )

    it.effect.each([
      "https://api.example.com.evil.com/",
      "https://api.example.com@evil.com/",
      "https://api.example.com:443@evil.com/",
      "https://evil.com\\@api.example.com/",
      "https://evil.com/https://api.example.com/",
      "https://evil.com?https://api.example.com/",
      "https://evil.com#https://api.example.com/",
      "https://api.example.com:8443/",
      "http://api.example.com/",
      "http://api.example.com:443/",
      "https://api.example.com./",
      "https://sub.api.example.com/",
      "https://example.com/"
    ])("%s does not get it", (url) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* recorded([HttpClientRequest.get(url)]), [undefined])
      })
    )

    it.effect.each([
      "https://api.example.com",
      "HTTPS://API.EXAMPLE.COM:443/me",
      "https://user:password@api.example.com/me",
      "https://api.example.com/redirect?to=https://evil.com"
    ])("%s gets it", (url) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* recorded([HttpClientRequest.get(url)]), ["Bearer the-token"])
      })
    )

    it.effect("the URL that counts is the one that the client inside sends", () =>
      Effect.gen(function* () {
        const relative = yield* recorded(
          [HttpClientRequest.get("/me")],
          HttpClient.mapRequest(HttpClientRequest.prependUrl("https://api.example.com"))
        )
        const rerouted = yield* recorded(
          [HttpClientRequest.get("https://api.example.com/me")],
          HttpClient.mapRequest(HttpClientRequest.setUrl("https://evil.com"))
        )
        assert.deepStrictEqual([relative, rerouted], [["Bearer the-token"], [undefined]])
      })
    )

    it.effect("a request to another origin keeps its own Authorization, one to a listed origin does not", () =>
      Effect.gen(function* () {
        const authorizations = yield* recorded([
          HttpClientRequest.get("https://other.example.com").pipe(HttpClientRequest.bearerToken("other")),
          HttpClientRequest.get("https://api.example.com").pipe(HttpClientRequest.bearerToken("other"))
        ])
        assert.deepStrictEqual(authorizations, ["Bearer other", "Bearer the-token"])
      })
    )

    it.scopedLive("another origin needs no token, and its 401 invalidates none", () => {
      const issuer = hourly()
      return Effect.gen(function* () {
        const other = yield* Api.serve(() => ({ status: 401, body: "no" }))
        const client = yield* BearerClient.make("api", { origins: ["https://api.example.com"] })
        const nameless = yield* BearerClient.make("no such token", { origins: ["https://api.example.com"] })
        assert.strictEqual(yield* text(client.get(other.url)), "no")
        assert.strictEqual(yield* text(nameless.get(other.url)), "no")
        assert.deepStrictEqual(tokens(other), [undefined, undefined])
        assert.strictEqual(issuer.calls.length, 1)
      }).pipe(provide(issuer))
    })

    it.effect.each([
      { origins: [] },
      { origins: ["api.example.com"] },
      { origins: [""] },
      { origins: ["https://api.example.com", "https://api.example.com/v1"] },
      { origins: ["https://api.example.com?version=1"] },
      { origins: ["https://api.example.com#top"] },
      { origins: ["https://user:hunter2@api.example.com"] },
      { origins: ["data:,api"] },
      { origins: ["*"] }
    ])("%j is a defect, InvalidOptions", ({ origins }) =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(BearerClient.make("api", { origins }))
        const defect = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.dieOption(exit.cause)) : undefined
        assert.instanceOf(defect, InvalidOptions)
        assert.deepStrictEqual([defect.token, defect.option], ["api", "origins"])
        assert.match(defect.message, /^origins(\[\d\] is not an origin| is empty): give a scheme, host and port/)
        assert.notInclude(defect.message, "hunter2")
      }).pipe(provide(hourly(), FetchHttpClient.layer))
    )

    it.scopedLive("an origin may be spelled like a URL's", () =>
      Effect.gen(function* () {
        const api = yield* Api.serve(() => Api.ok)
        const client = yield* BearerClient.make("api", { origins: [`${api.url.toUpperCase()}/`] })
        yield* client.get(api.url)
        assert.deepStrictEqual(tokens(api), ["token-1"])
      }).pipe(provide(hourly()))
    )
  })

  describe("without a token", () => {
    it.scopedLive("the request fails with reason Encode and the TokenUnavailable as its cause", () =>
      Effect.gen(function* () {
        const { api, client } = yield* setup(() => Api.ok)
        const request = HttpClientRequest.get(api.url)
        const error = yield* Effect.flip(client.execute(request))
        assert.deepInclude(error, { _tag: "RequestError", reason: "Encode" })
        assert.strictEqual(error.request, request)
        assert.instanceOf(error.cause, TokenUnavailable)
        assert.strictEqual(error.cause.reason, "IssueFailed")
        assert.include(error.message, error.cause.message)
        assert.strictEqual(api.received.length, 0)
      }).pipe(provide(Issuer.scripted(Issuer.fail())))
    )

    it.scopedLive("retryTransient does not repeat the request", () =>
      Effect.gen(function* () {
        let tries = 0
        const { api, client } = yield* setup(() => Api.ok, {
          inside: HttpClient.mapRequest((request) => {
            tries++
            return request
          })
        })
        yield* Effect.flip(HttpClient.retryTransient(client, { times: 3 }).get(api.url))
        assert.strictEqual(tries, 1)
      }).pipe(provide(Issuer.scripted(Issuer.fail())))
    )

    it.scopedLive.each(httpClientLayers)(
      "that a header can carry, the request fails without printing it: %s",
      ([, http]) =>
        Effect.gen(function* () {
          const { api, client } = yield* setup(() => Api.ok)
          const exit = yield* Effect.exit(client.get(api.url))
          const error = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.failureOption(exit.cause)) : undefined
          assert.deepInclude(error, { _tag: "RequestError", reason: "Encode" })
          assert.include(error?.message, "the token has characters that an HTTP header cannot carry")
          assert.deepStrictEqual(Probe.leaks("canary", exit), [])
        }).pipe(provide(Issuer.scripted(Issuer.succeed("1 hour", "two\nlines of canary")), http))
    )
  })

  describe("with other combinators", () => {
    const redirecting = (options: { readonly outside?: (client: HttpClient.HttpClient) => HttpClient.HttpClient }) =>
      Effect.gen(function* () {
        const other = yield* Api.serve(() => ({ status: 200, body: "landed" }))
        const { api, client } = yield* setup(({ path }) => ({
          status: 302,
          headers: { location: path === "/away" ? other.url : "/away" }
        }))
        const body = yield* text((options.outside?.(client) ?? client).get(`${api.url}/start`))
        assert.strictEqual(body, "landed")
        return { here: tokens(api), there: tokens(other) }
      })

    it.scopedLive("followRedirects outside: each origin gets what it should", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* redirecting({ outside: HttpClient.followRedirects() }), {
          here: ["token-1", "token-1"],
          there: [undefined]
        })
      }).pipe(provide(hourly()))
    )

    for (const [how, isTracing] of [
      ["traced", true],
      ["not traced", false]
    ] as const) {
      it.scopedLive(`followRedirects inside, ${how}: the token stays at its origin`, () =>
        Effect.gen(function* () {
          const other = yield* Api.serve(() => Api.ok)
          const { api, client } = yield* setup(
            ({ path }) => ({ status: 302, headers: { location: path === "/away" ? other.url : "/away" } }),
            { inside: HttpClient.followRedirects() }
          )
          const error = yield* Effect.flip(client.get(`${api.url}/start`))
          assert.deepInclude(error, { _tag: "RequestError", reason: "InvalidUrl" })
          assert.include(error.message, "a redirect leads to an origin that does not get the token")
          assert.deepStrictEqual(
            { here: tokens(api), there: other.received },
            { here: ["token-1", "token-1"], there: [] }
          )
        }).pipe(Effect.withTracerEnabled(isTracing), provide(hourly()))
      )
    }

    it.scopedLive("filterStatusOk outside: it sees the second answer", () =>
      Effect.gen(function* () {
        const { api, client } = yield* setup(Api.refusing("token-1"))
        assert.strictEqual(yield* text(HttpClient.filterStatusOk(client).get(api.url)), "token-2")
      }).pipe(provide(hourly()))
    )

    it.scopedLive("filterStatusOk inside: the 401 is an error, and nobody sees to it", () => {
      const issuer = hourly()
      return Effect.gen(function* () {
        const { api, client } = yield* setup(Api.refusing("token-1"), { inside: HttpClient.filterStatusOk })
        const error = yield* Effect.flip(client.get(api.url))
        assert.deepInclude(error, { _tag: "ResponseError", reason: "StatusCode" })
        assert.deepStrictEqual(tokens(api), ["token-1"])
        assert.strictEqual(issuer.calls.length, 1)
      }).pipe(provide(issuer))
    })
  })

  describe("when the caller is interrupted", () => {
    it.scopedLive.each(httpClientLayers)("the request is aborted: %s", ([, http]) =>
      Effect.gen(function* () {
        const { api, client } = yield* setup(() => Api.silent)
        const fiber = yield* Effect.fork(client.get(api.url))
        yield* until(() => api.received.length === 1)
        assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
        yield* until(() => api.received[0]!.socket.destroyed)
      }).pipe(provide(hourly(), http))
    )

    it.scopedLive.each(httpClientLayers)(
      "a 401 that is being read is aborted, and nothing is sent again: %s",
      ([, http]) =>
        Effect.gen(function* () {
          const { api, client } = yield* setup(() => Api.endless(401))
          const fiber = yield* Effect.fork(client.get(api.url))
          yield* until(() => api.received.length === 1)
          yield* Effect.sleep("100 millis")
          assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
          yield* until(() => api.received[0]!.socket.destroyed)
          assert.deepStrictEqual(tokens(api), ["token-1"])
        }).pipe(provide(hourly(), http))
    )

    it.scopedLive("the attempt that it waits for goes on", () =>
      Effect.gen(function* () {
        const gate = yield* Deferred.make<void>()
        const issuer = Issuer.scripted(
          Issuer.run(Effect.as(Deferred.await(gate), IssuedToken.make({ accessToken: "token-1", expiresIn: "1 hour" })))
        )
        yield* Effect.gen(function* () {
          const { api, client } = yield* setup(() => Api.ok)
          const fiber = yield* Effect.fork(client.get(api.url))
          yield* until(() => issuer.calls.length === 1)
          assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
          yield* Deferred.succeed(gate, undefined)
          yield* client.get(api.url)
          assert.deepStrictEqual(tokens(api), ["token-1"])
          assert.strictEqual(issuer.calls.length, 1)
        }).pipe(provide(issuer))
      })
    )
  })
})
