/**
 * A read-only status page of a cache, for operators and their tools.
 *
 * @since 0.1.0
 */
import * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Recorder from "./internal/metrics/recorder.js"
import * as RecentEvents from "./internal/statusPage/recentEvents.js"
import * as Routes from "./internal/statusPage/routes.js"
import * as Sse from "./internal/statusPage/sse.js"
import * as Url from "./internal/statusPage/url.js"
import * as View from "./internal/statusPage/view.js"
import { TokenCache } from "./TokenCache.js"

/**
 * The options of a status page, all of which may be left out.
 *
 * @since 0.1.0
 * @category models
 */
export interface StatusPageOptions {
  /** The heading of the page. Default: `"Access tokens"`. */
  readonly title?: string | undefined
  /**
   * Whether `/health/ready` lists the names of the tokens that are not usable, of which it shows at most 100. Default:
   * `false`.
   */
  readonly showNames?: boolean | undefined
  /**
   * The values of the `Host` header that are answered, in lower case and with the port if it is not that of the scheme,
   * such as `ops.example.com:8080`. Any other request gets 421. It keeps a page of somebody else, whose name is made to
   * lead to this server, from reading this one in a browser (DNS rebinding). Default: every host is answered.
   */
  readonly allowedHosts?: ReadonlyArray<string> | undefined
  /** How many clients may follow `/events` at once. Further ones get 503 with Retry-After. Default: 20. */
  readonly maxEventStreams?: number | undefined
}

/**
 * Makes an HTTP app that shows the state of the `TokenCache` in the context. It shows names, issuers and error texts, and
 * no token or anything derived from one. It has no access control of its own: mount it behind that of your app. It answers
 * GET and HEAD requests only, and turns on the metrics of the cache as `TokenMetrics.layer` does.
 *
 * | path | answer |
 * | --- | --- |
 * | `/` | the page, which is live where JavaScript runs and is otherwise reloaded every 10 seconds |
 * | `/status.json` | the same for programs, with instants in epoch milliseconds and durations in milliseconds |
 * | `/events` | the live updates of the page as server-sent events, at most one a second |
 * | `/metrics` | the metrics of `TokenMetrics.layer`, in the text format of Prometheus |
 * | `/health/ready` | 200 while every declared token is usable, and otherwise 503; tenants do not count |
 * | `/health/live` | 200 |
 *
 * All links are relative, so the app can be mounted under any path. It remembers the last 100 events since it was made. At
 * most 500 tokens are shown: declared ones before tenants, and the worst states first. Texts are cut at 200 characters.
 * Nothing is queued for a slow client of `/events`: when it reads on, it gets the difference between what it has seen and
 * what there is. Event streams end when the cache or the scope closes.
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
    yield* Recorder.enable(cache)
    const { all, closed } = yield* RecentEvents.make(cache.events)
    const view = Effect.zipWith(
      Effect.clockWith((clock) => clock.currentTimeMillis),
      cache.statuses,
      (now, statuses) => View.make(now, statuses, all())
    )
    const live = yield* Sse.make({ maxClients: maxEventStreams, title, view, closed })
    const routes = {
      "/": Routes.page(view, title),
      "/status.json": Routes.status(view),
      "/events": Routes.events(live),
      "/metrics": Routes.metrics(Recorder.publish(cache)),
      "/health/ready": Routes.ready(cache.statuses, showNames),
      "/health/live": Routes.live
    }
    return Routes.app(routes, options.allowedHosts)
  })

/**
 * Makes the same app as {@link make}, as a function from a web `Request` to a `Response` for other frameworks. `prefix` is
 * the path that it is mounted under; default: none. Leave it out if the framework takes it off the URL itself. Then the
 * page must be opened with a slash at the end of its path, because its links are relative.
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
  options: StatusPageOptions & {
    /** The path that the app is mounted under, such as `/ops/tokens`. Default: none. */
    readonly prefix?: string | undefined
  } = {}
): Effect.Effect<(request: Request) => Promise<Response>, never, TokenCache | Scope.Scope> =>
  Effect.zipWith(Effect.runtime<never>(), make(options), (runtime, app) => {
    const prefix = (options.prefix ?? "").replace(/\/+$/, "")
    const handler = HttpApp.toWebHandlerRuntime(runtime)(
      Effect.updateService(app, HttpServerRequest.HttpServerRequest, (request) =>
        request.modify({ url: Url.withoutPrefix(Url.pathOf(request.url), prefix) })
      )
    )
    return (request) => handler(request)
  })
