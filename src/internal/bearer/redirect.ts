import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Record from "effect/Record"

/** One request in a chain of redirects. */
export interface Hop {
  readonly url: URL
  readonly method: string
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  /** Bytes can be sent any number of times, a stream only once. */
  readonly body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null
  /** How many redirects led to it. */
  readonly redirects: number
}

const redirectStatuses: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

const maxRedirects = 20

const bodyHeaders = ["content-encoding", "content-language", "content-length", "content-location", "content-type"]

const originHeaders = ["authorization", "cookie", "host", "proxy-authorization"]

/**
 * The request that an answer redirects to, or why it cannot be followed (WHATWG Fetch section 4.4, "HTTP-redirect fetch").
 * None if the answer is not to be followed.
 */
export const next = (hop: Hop, response: Response, mode: RequestRedirect): Option.Option<Either.Either<Hop, Error>> => {
  const location = response.headers.get("location")
  if (mode === "manual" || !redirectStatuses.has(response.status)) {
    return Option.none()
  }
  if (mode === "error") {
    return refused("unexpected redirect")
  }
  return location === null ? Option.none() : follow(hop, response.status, location)
}

const follow = (hop: Hop, status: number, location: string): Option.Option<Either.Either<Hop, Error>> => {
  const url = parse(location, hop.url)
  if (url === undefined) {
    return refused("the URL of a redirect must be http or https, without user and password")
  }
  if (hop.redirects === maxRedirects) {
    return refused("redirect count exceeded")
  }
  if (status !== 303 && hop.body instanceof ReadableStream) {
    return refused("the body of a redirected request is a stream, which cannot be sent again")
  }
  const becomesGet = status === 303 ? !["GET", "HEAD"].includes(hop.method) : status < 303 && hop.method === "POST"
  const dropped = [...(becomesGet ? bodyHeaders : []), ...(url.origin === hop.url.origin ? [] : originHeaders)]
  const headers = Record.filter(hop.headers, (_, name) => !dropped.includes(name))
  const redirects = hop.redirects + 1
  return Option.some(
    Either.right(
      becomesGet ? { url, method: "GET", headers, body: null, redirects } : { ...hop, url, headers, redirects }
    )
  )
}

const parse = (location: string, base: URL): URL | undefined => {
  // A header is Latin-1 to a fetch, and servers write UTF-8.
  const text = Buffer.from(location, "latin1").toString("utf8")
  const url = URL.canParse(text, base) ? new URL(text, base) : undefined
  return url !== undefined && /^https?:$/.test(url.protocol) && `${url.username}${url.password}` === ""
    ? url
    : undefined
}

const refused = (message: string): Option.Option<Either.Either<never, Error>> =>
  Option.some(Either.left(new Error(message)))
