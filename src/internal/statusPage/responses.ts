import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import type * as Stream from "effect/Stream"
import * as PrometheusText from "../metrics/prometheusText.js"

type Response = HttpServerResponse.HttpServerResponse

interface Extra {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
}

export const text = (body: string, extra?: Extra): Response => respond(`${body}\n`, "text/plain; charset=utf-8", extra)

export const json = (body: string, extra?: Extra): Response => respond(body, "application/json; charset=utf-8", extra)

export const metrics = (body: string): Response => respond(body, PrometheusText.contentType)

/** An HTML page, in which only the script and the style with this nonce run. */
export const page = (html: string, nonce: string): Response =>
  respond(html, "text/html; charset=utf-8", { headers: { "content-security-policy": pagePolicy(nonce) } })

export const events = (stream: Stream.Stream<Uint8Array>): Response =>
  HttpServerResponse.stream(stream, {
    contentType: "text/event-stream; charset=utf-8",
    // Without this header nginx would hold the events back.
    headers: { ...security, "x-accel-buffering": "no" }
  })

/** A random text that tells the page's own script and style from those that somebody else puts into it. */
export const makeNonce = (): string => btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))))

const respond = (body: string, contentType: string, { headers, status = 200 }: Extra = {}): Response =>
  HttpServerResponse.text(body, { status, contentType, headers: { ...security, ...headers } })

const security = {
  "cache-control": "no-store",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff"
}

const pagePolicy = (nonce: string): string =>
  `default-src 'none'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'`
