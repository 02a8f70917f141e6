/**
 * Where an authorization server's token endpoint is.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as oauth from "oauth4webapi"
import { InvalidOptions, IssueError } from "../../TokenError.js"
import * as Url from "../http/url.js"
import * as OAuth2Error from "./advice.js"
import * as OAuth2Request from "./tokenRequest.js"

/**
 * An authorization server.
 *
 * @since 0.1.0
 * @category models
 */
export interface Server {
  /** The issuer identifier, which is the audience of client assertions. */
  readonly issuer: string
  /** https, or http on loopback. */
  readonly tokenEndpoint: string
}

/**
 * What a server says of itself.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServerMetadata extends Server {
  /** All members as the server gave them (RFC 8414 section 2), such as `revocation_endpoint`. */
  readonly metadata: Readonly<Record<string, unknown>>
}

/**
 * Asks an issuer for its metadata: at `.well-known/openid-configuration`, and where there is none, at
 * `.well-known/oauth-authorization-server`. The metadata has to be of that issuer, and its token endpoint https, or http
 * on loopback; redirects are not followed.
 *
 * Fails with `InvalidOptions` for an issuer that is not https, or http on loopback, and with an `IssueError` otherwise.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { OAuth2, TokenCache } from "effect-token-cache"
 *
 * // Builds no layer without the server; give the issuer itself as `server` to have it found at the first attempt.
 * const source = Effect.flatMap(OAuth2.discover("https://issuer.example"), (server) =>
 *   OAuth2.clientCredentials({ server, clientId: "my-service", clientSecret: process.env.CLIENT_SECRET ?? "" })
 * )
 * const Tokens = TokenCache.layer({ api: source })
 * ```
 *
 * @see RFC 8414 section 3, OpenID Connect Discovery 1.0 section 4
 * @since 0.1.0
 * @category servers
 */
export const discover = (
  issuer: string
): Effect.Effect<ServerMetadata, InvalidOptions | IssueError, HttpClient.HttpClient> =>
  Effect.flatMap(parseIssuer(issuer), find)

/**
 * Gives the server, and forgets what it found out about it when told to.
 *
 * @internal
 */
export interface Finder {
  readonly find: Effect.Effect<Server, IssueError, HttpClient.HttpClient>
  readonly forget: Effect.Effect<void>
}

/**
 * A server that is given, or one that is found at the first attempt, and again after an attempt that failed: its token
 * endpoint may have moved.
 *
 * @internal
 */
export const finder = (server: string | Server): Either.Either<Finder, InvalidOptions> => {
  if (typeof server !== "string") {
    return Either.map(checkServer(server), () => ({ find: Effect.succeed(server), forget: Effect.void }))
  }
  return Either.map(parseIssuer(server), (issuer) => {
    let found: Server | undefined
    const remember = Effect.tap(find(issuer), (server) => Effect.sync(() => (found = server)))
    return {
      find: Effect.suspend(() => (found === undefined ? remember : Effect.succeed(found))),
      forget: Effect.sync(() => (found = undefined))
    }
  })
}

const find = (issuer: URL): Effect.Effect<ServerMetadata, IssueError, HttpClient.HttpClient> =>
  Effect.catchIf(
    findBy(issuer, "oidc"),
    ({ reason }) => reason === "Rejected",
    () => findBy(issuer, "oauth2")
  )

const findBy = (
  issuer: URL,
  algorithm: "oidc" | "oauth2"
): Effect.Effect<ServerMetadata, IssueError, HttpClient.HttpClient> =>
  Effect.gen(function* () {
    const request = yield* OAuth2Request.capture((options) => oauth.discoveryRequest(issuer, { ...options, algorithm }))
    const answer = yield* OAuth2Request.send(request)
    if (answer.status !== 200) {
      return yield* OAuth2Error.refusal(answer, () => checkIssuer)
    }
    const metadata = yield* OAuth2Request.validate(answer, (response) =>
      oauth.processDiscoveryResponse(issuer, response)
    )
    const { token_endpoint: tokenEndpoint } = metadata
    if (tokenEndpoint === undefined || Url.parseEndpoint(tokenEndpoint) === undefined) {
      return yield* new IssueError({
        reason: "InvalidResponse",
        message: "token_endpoint of the metadata is missing, or neither https nor on loopback",
        advice: checkIssuer
      })
    }
    return { issuer: metadata.issuer, tokenEndpoint, metadata }
  })

const checkIssuer = "Check the issuer."

const parseIssuer = (issuer: string): Either.Either<URL, InvalidOptions> => {
  const url = Url.parseBaseUrl(issuer)
  return url !== undefined
    ? Either.right(url)
    : Either.left(
        new InvalidOptions({
          option: "server",
          message: "the issuer must be an https URL, or http on loopback, without user, query or fragment"
        })
      )
}

const checkServer = ({ issuer, tokenEndpoint }: Server): Either.Either<void, InvalidOptions> => {
  if (typeof issuer !== "string" || issuer === "") {
    return Either.left(new InvalidOptions({ option: "server", message: "issuer must be a string that is not empty" }))
  }
  return Url.parseEndpoint(tokenEndpoint) !== undefined
    ? Either.right(undefined)
    : Either.left(
        new InvalidOptions({
          option: "server",
          message: "tokenEndpoint must be an https URL, or http on loopback, without user or fragment"
        })
      )
}
