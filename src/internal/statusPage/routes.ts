import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import type * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { TokenStatus } from "../../TokenStatus.js"
import * as PrometheusText from "../metrics/prometheusText.js"
import * as Html from "./html.js"
import * as Json from "./json.js"
import * as Responses from "./responses.js"
import type { LiveStreams } from "./sse.js"
import * as Url from "./url.js"
import type { View } from "./view.js"

/** Answers GET and HEAD requests for one path. */
type Route = (request: HttpServerRequest.HttpServerRequest) => Effect.Effect<HttpServerResponse.HttpServerResponse>

/** Answers each request with the route of its path. */
export const app = (
  routes: Readonly<Record<string, Route>>,
  allowedHosts: ReadonlyArray<string> | undefined
): HttpApp.Default =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    if (allowedHosts !== undefined && !allowedHosts.includes((request.headers.host ?? "").toLowerCase())) {
      return Effect.succeed(Responses.text("this host is not served here", { status: 421 }))
    }
    if (request.method !== "GET" && request.method !== "HEAD") {
      return Effect.succeed(Responses.text("read only", { status: 405, headers: { allow: "GET, HEAD" } }))
    }
    const route = routes[Url.pathOf(request.url)]
    return route === undefined ? Effect.succeed(Responses.text("not found", { status: 404 })) : route(request)
  })

export const page =
  (view: Effect.Effect<View>, title: string): Route =>
  (request) =>
    Effect.map(view, (view) => {
      const nonce = Responses.makeNonce()
      return Responses.page(Html.page(view, { title, base: Url.baseOf(request.originalUrl), nonce }), nonce)
    })

export const status =
  (view: Effect.Effect<View>): Route =>
  () =>
    Effect.map(view, (view) => Responses.json(Json.status(view)))

export const events =
  ({ isFull, stream }: LiveStreams): Route =>
  ({ source }) =>
    Effect.sync(() =>
      isFull()
        ? Responses.text("too many event streams", { status: 503, headers: { "retry-after": "10" } })
        : Responses.events(stream(source))
    )

/** Publishes the metrics, and writes those of this library out of all that the process has. */
export const metrics =
  (publish: Effect.Effect<void>): Route =>
  () =>
    Effect.map(Effect.zipRight(publish, Metric.snapshot), (all) =>
      Responses.metrics(PrometheusText.render(all.filter(({ metricKey }) => metricKey.name.startsWith("token_cache_"))))
    )

export const ready =
  (statuses: Effect.Effect<ReadonlyArray<TokenStatus>>, showNames: boolean): Route =>
  () =>
    Effect.map(statuses, (statuses) => {
      const { body, ready } = Json.readiness(statuses, showNames)
      return Responses.json(body, { status: ready ? 200 : 503 })
    })

export const live: Route = () => Effect.sync(() => Responses.json('{"live":true}'))
