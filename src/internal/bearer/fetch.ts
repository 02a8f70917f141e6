import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Runtime from "effect/Runtime"
import type { TokenCache } from "../../TokenCache.js"
import { refusesToken } from "./challenge.js"
import * as Redirect from "./redirect.js"
import { drain, type Send, sender } from "./send.js"
import * as Token from "./token.js"

/** What a fetch sends tokens with. */
export interface Bearer {
  readonly name: string
  readonly origins: ReadonlySet<string>
  readonly retryUnauthorized: boolean
  readonly cache: TokenCache["Type"]
  /** The fetch that sends the requests. */
  readonly platform: typeof globalThis.fetch
  /** What the requests run with, such as the tracer and the parent of their spans. */
  readonly runtime: Runtime.Runtime<never>
}

/** Makes a fetch that sends a token to its origins. */
export const make =
  (bearer: Bearer): typeof globalThis.fetch =>
  async (input, init) => {
    const request = new Request(input, init)
    const { signal } = request
    const send = sender(bearer.platform, {
      ...init,
      ...optionsOf(request),
      // Not the signal of `request`, which stops following the caller's once `request` is garbage.
      signal: init?.signal === undefined && input instanceof Request ? input.signal : (init?.signal ?? null)
    })
    const exit = signal.aborted
      ? Exit.interrupt(FiberId.none)
      : await Runtime.runPromiseExit(bearer.runtime)(follow(bearer, send, request, isStream(init?.body)), { signal })
    if (Exit.isSuccess(exit)) {
      return exit.value
    }
    const reason = signal.aborted ? signal.reason : Cause.originalError(Cause.squash(exit.cause))
    if (request.body?.locked === false) {
      request.body.cancel(reason).catch(() => {})
    }
    throw reason
  }

/** What a request says besides its URL, method, headers and body. */
const optionsOf = ({ cache, credentials, integrity, keepalive, mode, referrer, referrerPolicy }: Request) =>
  ({ cache, credentials, integrity, keepalive, mode, referrer, referrerPolicy }) satisfies RequestInit

const isStream = (body: unknown): boolean =>
  body instanceof ReadableStream || Predicate.hasProperty(body, Symbol.asyncIterator)

/** Sends a request and follows its redirects. A body that streams is sent once; any other is read to be sent again. */
const follow = (bearer: Bearer, send: Send, request: Request, streams: boolean): Effect.Effect<Response, unknown> =>
  Effect.gen(function* () {
    const body = streams || request.body === null ? request.body : yield* readBody(request)
    let hop = firstHop(request, body)
    while (true) {
      const response = yield* exchange(bearer, send, hop)
      const next = Redirect.next(hop, response, request.redirect)
      if (Option.isNone(next)) {
        return hop.redirects === 0 ? response : redirected(response, request, hop)
      }
      yield* drain(response)
      hop = yield* Either.mapLeft(next.value, failed)
    }
  })

const firstHop = (request: Request, body: Redirect.Hop["body"]): Redirect.Hop => {
  const headers: Record<string, string> = {}
  request.headers.forEach((value, name) => {
    headers[name] = value
  })
  return { url: new URL(request.url), method: request.method, headers, body, redirects: 0 }
}

const readBody = (request: Request): Effect.Effect<Uint8Array<ArrayBuffer>, TypeError> =>
  Effect.tryPromise({ try: async () => new Uint8Array(await request.arrayBuffer()), catch: failed })

/** Sends one request, with the token if it goes to one of its origins. After a 401 it is sent once more. */
const exchange = (bearer: Bearer, send: Send, hop: Redirect.Hop): Effect.Effect<Response, unknown> =>
  Effect.gen(function* () {
    const { cache, name, origins, retryUnauthorized } = bearer
    if (!origins.has(hop.url.origin)) {
      return yield* send(hop)
    }
    const readToken = Effect.mapError(Token.read(cache, name), unsendable)
    const token = yield* readToken
    const response = yield* send(hop, token)
    if (response.status !== 401 || !refusesToken(response.headers.get("www-authenticate"))) {
      return response
    }
    yield* cache.unauthorized(name, token)
    if (!retryUnauthorized || hop.body instanceof ReadableStream) {
      return response
    }
    const next = yield* readToken
    if (Equal.equals(next, token)) {
      // It is kept for others.
      return response
    }
    yield* drain(response)
    return yield* send(hop, next, { "http.request.resend_count": 1 })
  })

/** Says of a response what the platform cannot know, because it was asked for the last request alone. */
const redirected = (response: Response, request: Request, hop: Redirect.Hop): Response => {
  const clone = response.clone.bind(response)
  return Object.defineProperties(response, {
    redirected: { value: true },
    type: { value: hop.url.origin === new URL(request.url).origin ? "basic" : "cors" },
    clone: { value: () => redirected(clone(), request, hop) }
  })
}

const failed = (cause: unknown) => new TypeError("fetch failed", { cause })

const unsendable = ({ cause, description }: Token.Unsendable) =>
  new TypeError(`fetch failed: ${description}`, cause === undefined ? undefined : { cause: Cause.originalError(cause) })
