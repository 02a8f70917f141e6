import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"

/**
 * Makes a client leave redirects to its caller, where it is a `fetch` that follows them by default: they may lead to
 * anybody, and would take the secret along. What else the `RequestInit` of the client or of the context says is kept.
 */
export const withoutRedirects: <E, R>(client: HttpClient.HttpClient.With<E, R>) => HttpClient.HttpClient.With<E, R> =
  // Inside of the client, where what its layer was given is in the context too.
  HttpClient.mapRequestEffect((request) =>
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

/** A client was about to follow a redirect to a URL that must not get the secret. */
export class Redirected extends Data.TaggedError("Redirected") {}

/**
 * Lets an effect send requests to the URLs for which `mayGet` holds, and fails with {@link Redirected} before it sends
 * one to another. A client that follows redirects by itself, as with `HttpClient.followRedirects`, sends each hop below
 * what wraps it, with the secret in it. Whether to trace a request is asked for each hop, and nothing else is.
 */
export const sendingOnlyTo =
  (mayGet: (url: URL) => boolean) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | Redirected, R> =>
    Effect.flatMap(FiberRef.get(FiberRef.currentTracerEnabled), (isTracing) =>
      effect.pipe(
        Effect.withTracerEnabled(true),
        Effect.locallyWith(HttpClient.currentTracerDisabledWhen, (isDisabledFor) => (request) => {
          if (Option.exists(urlOf(request), (url) => !mayGet(url))) {
            throw new Redirected()
          }
          return !isTracing || isDisabledFor(request)
        }),
        Effect.catchSomeDefect((defect) =>
          defect instanceof Redirected ? Option.some(Effect.fail(defect)) : Option.none()
        )
      )
    )

/** The URL that a request goes to. `None` if its parts make no URL: it cannot be sent. */
export const urlOf = ({ hash, url, urlParams }: HttpClientRequest.HttpClientRequest): Option.Option<URL> =>
  Either.getRight(UrlParams.makeUrl(url, urlParams, hash))
