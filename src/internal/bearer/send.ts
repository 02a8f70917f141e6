import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpTraceContext from "@effect/platform/HttpTraceContext"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import { identity } from "effect/Function"
import * as Redacted from "effect/Redacted"
import type * as Tracer from "effect/Tracer"
import { drainTimeout, maxDrainSize } from "./drain.js"
import type { Hop } from "./redirect.js"

/** Sends one request and follows no redirect. The `attributes` are added to those of its span. */
export type Send = (
  hop: Hop,
  token?: Redacted.Redacted<string>,
  attributes?: Record<string, unknown>
) => Effect.Effect<Response, unknown>

/** Sends requests with a fetch. The `options` are those that all of them have in common. */
export const sender =
  (platform: typeof globalThis.fetch, options: RequestInit): Send =>
  (hop, token, attributes) =>
    Effect.useSpan(
      `http.client ${hop.method}`,
      { kind: "client", captureStackTrace: false, attributes: { ...attributesOf(hop), ...attributes } },
      (span) =>
        traceHeaders(span).pipe(
          Effect.flatMap((trace) =>
            Effect.tryPromise({ try: () => platform(hop.url, toInit(options, hop, trace, token)), catch: identity })
          ),
          Effect.tap(({ status }) => Effect.sync(() => span.attribute("http.response.status_code", status)))
        )
    )

const toInit = (
  options: RequestInit,
  { body, headers, method }: Hop,
  trace: Readonly<Record<string, string>>,
  token: Redacted.Redacted<string> | undefined
): RequestInit => ({
  ...options,
  method,
  headers: {
    ...headers,
    ...trace,
    ...(token === undefined ? undefined : { authorization: `Bearer ${Redacted.value(token)}` })
  },
  body,
  redirect: "manual"
})

/** The attributes that the spans of `HttpClient` have, without the query, which may hold a secret. */
const attributesOf = ({ method, url }: Hop) => ({
  "http.request.method": method,
  "server.address": url.origin,
  ...(url.port === "" ? undefined : { "server.port": Number(url.port) }),
  "url.full": `${url.origin}${url.pathname}`,
  "url.path": url.pathname,
  "url.scheme": url.protocol.slice(0, -1)
})

const traceHeaders = (span: Tracer.Span): Effect.Effect<Readonly<Record<string, string>>> =>
  Effect.zipWith(
    FiberRef.get(HttpClient.currentTracerPropagation),
    FiberRef.get(FiberRef.currentTracerEnabled),
    (propagates, traces) => (propagates && traces ? HttpTraceContext.toHeaders(span) : {})
  )

/** Reads the rest of an answer that nobody needs, so that its connection can be used again, or closes the connection. */
export const drain = ({ body }: Response): Effect.Effect<void> =>
  body === null
    ? Effect.void
    : Effect.tryPromise((signal) => body.pipeTo(limited(), { signal })).pipe(
        Effect.timeout(drainTimeout),
        Effect.ignore
      )

const limited = (): WritableStream<Uint8Array> => {
  let size = 0
  return new WritableStream({
    write: (chunk, controller) => {
      size += chunk.byteLength
      if (size > maxDrainSize) controller.error(new Error("the rest of the answer is too long to be read"))
    }
  })
}
