/**
 * A read-only status page of the cache, for operators and their tools.
 *
 * @since 0.1.0
 */
import * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import * as PrometheusText from "./internal/metrics/prometheusText.js"
import * as Html from "./internal/statusPage/html.js"
import * as Json from "./internal/statusPage/json.js"
import * as RecentEvents from "./internal/statusPage/recentEvents.js"
import * as Sse from "./internal/statusPage/sse.js"
import * as View from "./internal/statusPage/view.js"
import { TokenCache } from "./TokenCache.js"
import * as TokenMetrics from "./TokenMetrics.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface StatusPageOptions {
  /** The heading of the page. Default: `"Access tokens"`. */
  readonly title?: string | undefined
  /** Whether `/health/ready` names the tokens that are not usable. Default: `false`. */
  readonly showNames?: boolean | undefined
  /** How many clients may watch `/events` at once; more are answered 503 with Retry-After. Default: 20. */
  readonly maxEventStreams?: number | undefined
}

/**
 * An app for GET requests that shows the `TokenCache` in the context: no token and nothing derived from one, but names,
 * issuers and error texts. It has no access control of its own: mount it behind the app's.
 *
 * | path | answer |
 * | --- | --- |
 * | `/` | the page; live where JavaScript runs, else refreshed every 10 seconds |
 * | `/status.json` | the same for programs, instants in epoch milliseconds |
 * | `/events` | the page's live updates (server-sent events), at most one a second |
 * | `/metrics` | the metrics of `TokenMetrics.layer`, in the text format of Prometheus |
 * | `/health/ready` | 200 while each declared token is usable, else 503; tenants do not count |
 * | `/health/live` | 200 |
 *
 * It can be mounted under any path, as its links are relative, and remembers the last 100 events from when it is made
 * until the scope closes. Of many tokens 500 are shown: declared ones before tenants, of both those in the worst state.
 * Texts are cut at 200 characters. What a client of `/events` has not read is not kept for it: it gets the difference to
 * what it has seen. These end when the cache or the scope closes.
 *
 * @example
 * ```ts
 * import { HttpMiddleware, HttpRouter, HttpServer, HttpServerRequest, HttpServerResponse } from "@effect/platform"
 * import { Effect, Layer } from "effect"
 * import { StatusPage } from "effect-token-cache"
 *
 * declare const isOperator: (authorization: string | undefined) => Effect.Effect<boolean>
 *
 * const guarded = HttpMiddleware.make((page) =>
 *   Effect.gen(function* () {
 *     const { headers } = yield* HttpServerRequest.HttpServerRequest
 *     return (yield* isOperator(headers.authorization)) ? yield* page : HttpServerResponse.empty({ status: 401 })
 *   })
 * )
 *
 * const Server = Layer.unwrapScoped(
 *   Effect.map(StatusPage.make(), (page) =>
 *     HttpRouter.empty.pipe(HttpRouter.mountApp("/ops/tokens", guarded(page)), HttpServer.serve())
 *   )
 * )
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: StatusPageOptions = {}
): Effect.Effect<HttpApp.Default, never, TokenCache | Scope.Scope> =>
  Effect.gen(function* () {
    const { maxEventStreams = 20, showNames = false, title = "Access tokens" } = options
    const cache = yield* TokenCache
    yield* TokenMetrics.enable
    const { all, closed } = yield* RecentEvents.make
    const view = Effect.zipWith(
      Effect.clockWith((clock) => clock.currentTimeMillis),
      cache.statuses,
      (now, statuses) => View.make(now, statuses, all())
    )
    const live = yield* Sse.make({ maxClients: maxEventStreams, title, view, closed })

    const routes: Readonly<Record<string, Route>> = {
      "/": (request) =>
        Effect.map(view, (view) => {
          const nonce = makeNonce()
          const html = Html.page(view, { title, base: baseOf(request.originalUrl), nonce })
          return answer(html, "text/html; charset=utf-8", { headers: { "content-security-policy": pagePolicy(nonce) } })
        }),
      "/status.json": () => Effect.map(view, (view) => answer(Json.status(view), json)),
      "/events": ({ source }) =>
        Effect.sync(() =>
          live.isFull()
            ? answer("too many event streams\n", text, { status: 503, headers: { "retry-after": "10" } })
            : HttpServerResponse.stream(live.stream(source), {
                contentType: "text/event-stream; charset=utf-8",
                // nginx would hold the events back.
                headers: { ...security, "x-accel-buffering": "no" }
              })
        ),
      "/metrics": () =>
        Effect.map(
          Effect.zipRight(Effect.provideService(TokenMetrics.publish, TokenCache, cache), Metric.snapshot),
          (all) => {
            const ours = all.filter(({ metricKey }) => metricKey.name.startsWith("token_cache_"))
            return answer(PrometheusText.render(ours), PrometheusText.contentType)
          }
        ),
      "/health/ready": () =>
        Effect.map(cache.statuses, (statuses) => {
          const { body, ready } = Json.readiness(statuses, showNames)
          return answer(body, json, { status: ready ? 200 : 503 })
        }),
      "/health/live": () => Effect.sync(() => answer('{"live":true}', json))
    }

    return Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
      if (request.method !== "GET" && request.method !== "HEAD") {
        return Effect.succeed(answer("read only\n", text, { status: 405, headers: { allow: "GET, HEAD" } }))
      }
      const route = routes[pathOf(request.url)]
      return route === undefined ? Effect.succeed(answer("not found\n", text, { status: 404 })) : route(request)
    })
  })

/**
 * The same as a function from `Request` to `Response`, for any framework that speaks these. `prefix` is the path that it
 * is mounted under. Where the framework takes that off itself there is no prefix, and the page is at the path with a
 * slash at its end: its links are relative.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { StatusPage } from "effect-token-cache"
 *
 * declare const isOperator: (request: Request) => Promise<boolean>
 *
 * const handler = Effect.map(
 *   StatusPage.toWebHandler({ prefix: "/ops/tokens" }),
 *   (page) => async (request: Request) => (await isOperator(request)) ? page(request) : new Response(null, { status: 401 })
 * )
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const toWebHandler = (
  options: StatusPageOptions & { readonly prefix?: string | undefined } = {}
): Effect.Effect<(request: Request) => Promise<Response>, never, TokenCache | Scope.Scope> =>
  Effect.zipWith(Effect.runtime<never>(), make(options), (runtime, app) => {
    const prefix = (options.prefix ?? "").replace(/\/+$/, "")
    const handler = HttpApp.toWebHandlerRuntime(runtime)(
      Effect.updateService(app, HttpServerRequest.HttpServerRequest, (request) =>
        request.modify({ url: withoutPrefix(pathOf(request.url), prefix) })
      )
    )
    return (request) => handler(request)
  })

type Route = (request: HttpServerRequest.HttpServerRequest) => Effect.Effect<HttpServerResponse.HttpServerResponse>

const text = "text/plain; charset=utf-8"

const json = "application/json; charset=utf-8"

const security = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff"
}

const pagePolicy = (nonce: string): string =>
  `default-src 'none'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'`

const makeNonce = (): string => btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))))

const answer = (
  body: string,
  contentType: string,
  options: { readonly status?: number; readonly headers?: Readonly<Record<string, string>> } = {}
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(body, {
    status: options.status ?? 200,
    contentType,
    headers: { ...security, ...options.headers }
  })

/** It begins with a slash, and so is no name of a property that every object has. */
const pathOf = (url: string): string => {
  const path = url.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, "").replace(/[?#].*$/s, "")
  return path.startsWith("/") ? path : `/${path}`
}

// What is outside the prefix goes to a path that is no route.
const withoutPrefix = (path: string, prefix: string): string =>
  path === prefix ? "/" : path.startsWith(`${prefix}/`) ? path.slice(prefix.length) : "/outside"

/** What links on the page begin with: a browser takes them relative to the directory of its address. */
const baseOf = (originalUrl: string): string => {
  const path = pathOf(originalUrl)
  return path.endsWith("/") ? "./" : `./${path.slice(path.lastIndexOf("/") + 1)}/`
}
