import { HttpClient, type HttpClientResponse } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { TokenCache } from "effect-token-cache"
import * as BearerClient from "effect-token-cache/BearerClient"
import * as Api from "./bearerApi.js"
import * as Issuer from "./issuer.js"

export const answers: Record<string, Api.Answer> = {
  "/ok": { status: 200, headers: { "content-type": "text/plain" }, body: "ok" },
  "/json": { status: 200, headers: { "content-type": "application/json" }, body: "{}" },
  "/not-json": { status: 200, headers: { "content-type": "application/json" }, body: "{" },
  "/401": { status: 401, headers: { "content-type": "text/plain" }, body: "who are you" },
  "/500": { status: 500, body: "trouble" },
  "/cut-off": Api.cutOff,
  "/hang-up": Api.hangUp,
  "/silent": Api.silent
}

export const hourly = () => Issuer.scripted(Issuer.succeed("1 hour"))

/** The token `api` from this issuer, and a client underneath. */
export const provide = (
  issuer: ReturnType<typeof Issuer.scripted>,
  http: Layer.Layer<HttpClient.HttpClient> = NodeHttpClient.layerUndici
) => Effect.provide(Layer.merge(TokenCache.layer({ api: { issue: issuer.issue } }), http))

/** An API, and a bearer client for it. */
export const setup = (
  answer: Parameters<typeof Api.serve>[0],
  options?: Partial<BearerClient.BearerClientOptions> & {
    readonly inside?: (client: HttpClient.HttpClient) => HttpClient.HttpClient
  }
) =>
  Effect.gen(function* () {
    const api = yield* Api.serve(answer)
    const client = yield* over(
      options?.inside,
      BearerClient.make("api", {
        origins: options?.origins ?? [api.url],
        retryUnauthorized: options?.retryUnauthorized
      })
    )
    return { api, client }
  })

/** Changes the client that the effect finds in its context. */
export const over = <A, E, R>(
  inside: ((client: HttpClient.HttpClient) => HttpClient.HttpClient) | undefined,
  self: Effect.Effect<A, E, R | HttpClient.HttpClient>
) =>
  Effect.flatMap(HttpClient.HttpClient, (client) =>
    Effect.provideService(self, HttpClient.HttpClient, inside === undefined ? client : inside(client))
  )

export const tokens = (api: { readonly received: ReadonlyArray<Api.Received> }) =>
  api.received.map(({ token }) => token)

export const text = Effect.flatMap((response: HttpClientResponse.HttpClientResponse) => response.text)
