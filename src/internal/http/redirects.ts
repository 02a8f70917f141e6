import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
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
