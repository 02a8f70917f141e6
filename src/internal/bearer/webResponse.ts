import * as Cookies from "@effect/platform/Cookies"
import * as Headers from "@effect/platform/Headers"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import type * as Runtime from "effect/Runtime"
import * as Stream from "effect/Stream"
import { drain } from "./response.js"

/**
 * The last answer, and the request that it is for.
 *
 * @internal
 */
export interface Answer {
  readonly sent: HttpClientRequest.HttpClientRequest
  readonly response: HttpClientResponse.HttpClientResponse
  readonly redirects: number
}

const nullBodyStatuses: ReadonlySet<number> = new Set([204, 205, 304])

/**
 * The platform's response for one of the client.
 *
 * @internal
 */
export const make = (runtime: Runtime.Runtime<never>, request: Request, { redirects, response, sent }: Answer) => {
  const isEmpty = sent.method === "HEAD" || nullBodyStatuses.has(response.status)
  return Effect.try({
    try: () =>
      describe(
        new Response(isEmpty ? null : toReadableStream(runtime, request, response), {
          status: response.status,
          headers: toWebHeaders(response)
        }),
        {
          url: sent.url,
          redirected: redirects > 0,
          type: new URL(sent.url).origin === new URL(request.url).origin ? "basic" : "cors"
        }
      ),
    catch: identity
  }).pipe(
    Effect.tapError(() => drain(response)),
    Effect.zipLeft(isEmpty ? drain(response) : Effect.void)
  )
}

/** Sets what the constructor of `Response` has no options for. */
const describe = (response: Response, properties: Pick<Response, "url" | "redirected" | "type">): Response => {
  const clone = response.clone.bind(response)
  const values = { ...properties, clone: () => describe(clone(), properties) }
  for (const [name, value] of Object.entries(values)) {
    Object.defineProperty(response, name, { value })
  }
  return response
}

const toWebHeaders = ({ cookies, headers }: HttpClientResponse.HttpClientResponse): globalThis.Headers => {
  // The client's headers are a record: it has one cookie at most.
  const webHeaders = new globalThis.Headers(Object.entries(Headers.remove(headers, "set-cookie")))
  for (const cookie of Cookies.toSetCookieHeaders(cookies)) {
    webHeaders.append("set-cookie", cookie)
  }
  return webHeaders
}

const toReadableStream = (
  runtime: Runtime.Runtime<never>,
  request: Request,
  response: HttpClientResponse.HttpClientResponse
): ReadableStream<Uint8Array> => {
  const bytes = response.stream.pipe(
    Stream.catchAll((error) => (error.reason === "EmptyBody" ? Stream.empty : Stream.fail(error))),
    // A stream of bytes refuses an empty chunk.
    Stream.filter((chunk) => chunk.length > 0)
  )
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  // Not before somebody reads: only what was not begun does the client give up when it is garbage.
  const open = () => (reader ??= Stream.toReadableStreamRuntime(bytes, runtime).getReader())
  return new ReadableStream({
    type: "bytes",
    start: (controller) => {
      // No signal without its request: the request's is held by nothing else.
      const abort = () => {
        controller.error(request.signal.reason)
        open()
          .cancel()
          .catch(() => {})
      }
      request.signal.addEventListener("abort", abort, { once: true })
    },
    pull: async (controller) => {
      const { done, value } = await open()
        .read()
        .catch((error) => {
          throw toTypeError("terminated", error)
        })
      if (request.signal.aborted) {
        return
      }
      if (done) {
        controller.close()
        controller.byobRequest?.respond(0)
      } else {
        // A copy, for the stream takes the memory of what it is given, and that may be shared.
        controller.enqueue(new Uint8Array(value))
      }
    },
    cancel: () => open().cancel()
  })
}

/**
 * What a fetch rejects with. The client's error holds the request and the response; only its cause is for callers.
 *
 * @internal
 */
export const toTypeError = (message: string, error: unknown): TypeError => {
  if (!HttpClientError.isHttpClientError(error)) {
    return new TypeError(message, { cause: Cause.originalError(error) })
  }
  const { description } = error
  const cause = Cause.originalError(error.cause)
  return new TypeError(description === undefined ? message : `${message}: ${description}`, {
    // Of a client that is a fetch itself, the cause is a `TypeError` around that of the transport.
    cause: cause instanceof TypeError && cause.cause !== undefined ? Cause.originalError(cause.cause) : cause
  })
}
