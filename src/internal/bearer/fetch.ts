/**
 * A standard `fetch` over an `HttpClient`.
 *
 * @since 0.1.0
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Runtime from "effect/Runtime"
import { drain } from "./response.js"
import * as WebRequest from "./webRequest.js"
import * as WebResponse from "./webResponse.js"

/**
 * The fetch over the client that `makeClient` makes from the one in the context. It runs with the runtime of this effect.
 *
 * @internal
 */
export const make = <R>(
  makeClient: Effect.Effect<HttpClient.HttpClient, never, R>
): Effect.Effect<typeof globalThis.fetch, never, R | HttpClient.HttpClient> =>
  Effect.zipWith(
    Effect.updateService(makeClient, HttpClient.HttpClient, withoutRedirects),
    Effect.runtime<never>(),
    (client, runtime) => async (input, init) => {
      const request = new Request(input, init)
      return settle(
        runtime,
        request,
        WebRequest.make(request, isStream(init?.body)).pipe(
          Effect.flatMap((sent) => follow(client, request.redirect, sent)),
          Effect.flatMap((answer) => WebResponse.make(runtime, request, answer))
        )
      )
    }
  )

// Set inside of the client, where what its layer was given is in the context too: from outside this would hide it.
const withoutRedirects = HttpClient.mapRequestEffect((request) =>
  Effect.as(
    FiberRef.update(FiberRef.currentContext, (context) =>
      Context.add(context, FetchHttpClient.RequestInit, {
        ...Option.getOrUndefined(Context.getOption(context, FetchHttpClient.RequestInit)),
        redirect: "manual"
      })
    ),
    request
  )
)

/** Runs the effect until the request is aborted; then nobody waits for it to end. */
const settle = <A>(runtime: Runtime.Runtime<never>, request: Request, effect: Effect.Effect<A, unknown>): Promise<A> =>
  new Promise((resolve, reject) => {
    const fail = (reason: unknown) => {
      reject(reason)
      if (request.body?.locked === false) {
        request.body.cancel(reason).catch(() => {})
      }
    }
    if (request.signal.aborted) {
      return fail(request.signal.reason)
    }
    const fiber = Runtime.runFork(runtime)(effect)
    const abort = () => {
      fail(request.signal.reason)
      fiber.unsafeInterruptAsFork(FiberId.none)
    }
    request.signal.addEventListener("abort", abort, { once: true })
    fiber.addObserver((exit) => {
      request.signal.removeEventListener("abort", abort)
      Exit.match(exit, {
        onSuccess: resolve,
        onFailure: (cause) => fail(WebResponse.toTypeError("fetch failed", Cause.squash(cause)))
      })
    })
  })

const isStream = (body: unknown): boolean =>
  body instanceof ReadableStream || Predicate.hasProperty(body, Symbol.asyncIterator)

const maxRedirects = 20

const redirectStatuses: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

const follow = (
  client: HttpClient.HttpClient,
  mode: RequestRedirect,
  sent: HttpClientRequest.HttpClientRequest,
  redirects = 0
): Effect.Effect<WebResponse.Answer, unknown> =>
  Effect.flatMap(client.execute(sent), (response) => {
    const { location } = response.headers
    if (mode === "manual" || !redirectStatuses.has(response.status) || (mode === "follow" && location === undefined)) {
      return Effect.succeed({ sent, response, redirects })
    }
    const next =
      mode === "error" || location === undefined
        ? Either.left(new Error("unexpected redirect"))
        : redirects === maxRedirects
          ? Either.left(new Error("redirect count exceeded"))
          : WebRequest.redirect(sent, response.status, location)
    return Effect.zipRight(
      drain(response),
      Effect.flatMap(next, (next) => follow(client, mode, next, redirects + 1))
    )
  })
