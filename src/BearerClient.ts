/**
 * HTTP clients that send a token of the cache to an API, and replace the token when the API refuses it.
 *
 * @since 0.1.0
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Client from "./internal/bearer/client.js"
import * as BearerFetch from "./internal/bearer/fetch.js"
import * as Token from "./internal/bearer/token.js"
import { TokenCache } from "./TokenCache.js"

/**
 * Options of {@link make} and {@link fetch}.
 *
 * @since 0.1.0
 * @category models
 */
export interface BearerClientOptions {
  /**
   * The origins that the token is sent to, each a scheme, host and port such as `https://api.example.com`. There must
   * be at least one. A request to any other origin is sent as it is, without the token.
   */
  readonly origins: ReadonlyArray<string>
  /**
   * Whether a request that the API answers with 401 is sent once more, with a new token. With `false` the 401 is the
   * answer. The 401 is reported to the cache in either case, so that the next request has a new token. Default: `true`.
   */
  readonly retryUnauthorized?: boolean | undefined
  /**
   * Whether an origin may be plain `http:` although it is not on loopback. Anybody on the way can read the token then.
   * Default: `false`, such an origin is a defect, `InvalidOptions`.
   */
  readonly allowInsecure?: boolean | undefined
}

/**
 * Makes an `HttpClient` that sends the token `name` as `Authorization: Bearer` to the given origins. It sends its
 * requests through the client in the context.
 *
 * When the API answers 401, the client reports that with `TokenCache.unauthorized`, for the token that was sent and no
 * other. It then sends the request once more with the next token, and whatever the API answers is the answer. There are
 * three cases in which it does not send it again, so that the 401 is the answer: the cache keeps the token for others,
 * because a new one has not helped; the body can be read only once, because it is a `Stream` or a `Raw` that is not
 * plain data; or the `WWW-Authenticate` of the answer names an error other than `invalid_token`, such as
 * `insufficient_scope`. In that case nothing is reported either, because a new token would not help. A 400 or 403
 * changes nothing.
 *
 * Redirects are left to the caller, even if the client in the context is a `fetch` that follows them by default.
 *
 * If the cache has no token, a request fails with a `RequestError` of reason `Encode`, which has the `TokenUnavailable`
 * as its cause. `HttpClient.retryTransient` does not repeat such an error. No error and no response holds the token:
 * their `request` is the one from before it was added. An element of `origins` that is not an origin, or an empty list,
 * is a defect: `InvalidOptions`.
 *
 * `HttpClient.filterStatusOk` and `HttpClient.followRedirects` belong around this client. Inside of it, the first would
 * hide a 401 from it, and the second would take the token along to other origins. `HttpClient.withScope` around it does
 * not apply to the requests that carry a token.
 *
 * @example
 * ```ts
 * import { FetchHttpClient, HttpClient } from "@effect/platform"
 * import { Effect } from "effect"
 * import { IssuedToken, TokenCache } from "effect-token-cache"
 * import * as BearerClient from "effect-token-cache/BearerClient"
 *
 * const Tokens = TokenCache.layer({
 *   api: { issue: Effect.succeed(IssuedToken.make({ accessToken: "s3cr3t", expiresIn: "1 hour" })) }
 * })
 *
 * const program = Effect.gen(function* () {
 *   const bearer = yield* BearerClient.make("api", { origins: ["https://api.example.com"] })
 *   const client = bearer.pipe(HttpClient.followRedirects(), HttpClient.filterStatusOk)
 *   const response = yield* client.get("https://api.example.com/me")
 *   return yield* response.json
 * })
 *
 * program.pipe(Effect.provide([Tokens, FetchHttpClient.layer]), Effect.runPromise)
 * ```
 *
 * @see RFC 6750 sections 2.1, 3 and 3.1
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  name: string,
  options: BearerClientOptions
): Effect.Effect<HttpClient.HttpClient, never, HttpClient.HttpClient | TokenCache> =>
  Effect.gen(function* () {
    const origins = yield* Token.parseOrigins(name, options.origins, options.allowInsecure ?? false)
    return Client.make({
      name,
      origins,
      retryUnauthorized: options.retryUnauthorized ?? true,
      cache: yield* TokenCache,
      client: yield* HttpClient.HttpClient
    })
  })

/**
 * Makes a standard `fetch` for an SDK that accepts one. It sends the token `name` as `Authorization: Bearer` to the
 * given origins, and after a 401 it sends the request once more with the next token, as the client of {@link make}
 * does.
 *
 * It sends its requests through the `FetchHttpClient.Fetch` in the context, or through `globalThis.fetch` if there is
 * none. It does not use the `HttpClient` in the context: what your app adds to that client does not apply to the SDK's
 * calls.
 *
 * In all other respects it behaves like the `fetch` that it uses, with the same options, answers and errors. It follows
 * redirects itself, because each of them is judged anew: the token goes to the given origins only, and an
 * `Authorization` or `Cookie` header of the caller's does not go to another origin. Each request has a client span,
 * like those of `HttpClient`, whose parent is the span in which this effect ran.
 *
 * If the cache has no token, a call is rejected with a `TypeError` that has the `TokenUnavailable` as its cause. No
 * error and no response holds the token, unless a `FetchHttpClient.Fetch` of your own puts it there. An element of
 * `origins` that is not an origin, or an empty list, is a defect: `InvalidOptions`.
 *
 * Its limits:
 *
 * - The body is read into memory, so that it can be sent again after a 401 or a redirect. A stream that is given as
 *   `init.body` is not: it is sent once, and a 401 is the answer. (The `fetch` of Node.js 24.14 and 24.15 rejects such
 *   a call instead, see nodejs/undici#5018.)
 * - `integrity` applies to every answer, including a redirect and a 401.
 * - Browsers are not supported: their `fetch` does not show where a redirect leads.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { BearerClient, IssuedToken, TokenCache } from "effect-token-cache"
 *
 * // An SDK that brings no HTTP client of its own.
 * declare const makeSdk: (options: { fetch: typeof fetch }) => { me: () => Promise<{ name: string }> }
 *
 * const Tokens = TokenCache.layer({
 *   api: { issue: Effect.succeed(IssuedToken.make({ accessToken: "s3cr3t", expiresIn: "1 hour" })) }
 * })
 *
 * const program = Effect.gen(function* () {
 *   const sdk = makeSdk({ fetch: yield* BearerClient.fetch("api", { origins: ["https://api.example.com"] }) })
 *   return yield* Effect.tryPromise(() => sdk.me())
 * })
 *
 * program.pipe(Effect.provide(Tokens), Effect.runPromise)
 * ```
 *
 * @see WHATWG Fetch, sections 4.4 "HTTP-redirect fetch" and 5.6 "Fetch method"
 * @since 0.1.0
 * @category constructors
 */
export const fetch = (
  name: string,
  options: BearerClientOptions
): Effect.Effect<typeof globalThis.fetch, never, TokenCache> =>
  Effect.gen(function* () {
    const platform = yield* Effect.serviceOption(FetchHttpClient.Fetch)
    return BearerFetch.make({
      name,
      origins: yield* Token.parseOrigins(name, options.origins, options.allowInsecure ?? false),
      retryUnauthorized: options.retryUnauthorized ?? true,
      cache: yield* TokenCache,
      // Looked up at each call: what patches the global one may come later.
      platform: (input, init) => Option.getOrElse(platform, () => globalThis.fetch)(input, init),
      runtime: yield* Effect.runtime<never>()
    })
  })
