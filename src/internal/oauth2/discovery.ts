import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as oauth from "oauth4webapi"
import { type InvalidOptions, IssueError } from "../../TokenError.js"
import * as IssuerError from "../http/issuerError.js"
import * as Url from "../http/url.js"
import { parseIssuer, type Server, type ServerMetadata, validate } from "./server.js"
import * as TokenRequest from "./tokenRequest.js"

/**
 * Fetches the metadata of an authorization server from `<issuer>/.well-known/openid-configuration`, and if there is none,
 * from `/.well-known/oauth-authorization-server`. Redirects are not followed.
 *
 * Fails with `InvalidOptions` if the issuer is not an https URL, or http on loopback. Fails with an `IssueError` if the
 * server does not answer, has no metadata, or publishes metadata that names another issuer or has a token endpoint that
 * is neither https nor on loopback.
 *
 * A source needs no discovery of its own: given the issuer as its `server`, it discovers the token endpoint at its first
 * attempt. Discover it here to fail the layer if the server cannot be reached, or to read other members of the metadata.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { OAuth2, TokenCache } from "effect-token-cache"
 *
 * // The layer fails if the server cannot be reached.
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

/** The server of one source, discovered once and kept until it is invalidated. */
export interface ServerCache {
  /** Gives the server, which it discovers if it is not known. */
  readonly find: Effect.Effect<Server, IssueError, HttpClient.HttpClient>
  /** Has the server discovered anew by the next `find`: after a failed attempt its token endpoint may have moved. */
  readonly invalidate: Effect.Effect<void>
}

/** Makes the cache for a server, or for an issuer whose server is discovered at the first attempt. */
export const serverCache = (server: string | Server): Either.Either<ServerCache, InvalidOptions> =>
  typeof server === "string"
    ? Either.map(parseIssuer(server), discovering)
    : Either.map(validate(server), (server) => ({ find: Effect.succeed(server), invalidate: Effect.void }))

const discovering = (issuer: URL): ServerCache => {
  let found: Server | undefined
  const keep = Effect.tap(find(issuer), (server) => Effect.sync(() => (found = server)))
  return {
    find: Effect.suspend(() => (found === undefined ? keep : Effect.succeed(found))),
    invalidate: Effect.sync(() => (found = undefined))
  }
}

const find = (issuer: URL): Effect.Effect<ServerMetadata, IssueError, HttpClient.HttpClient> =>
  Effect.catchIf(
    fetchMetadata(issuer, "oidc"),
    ({ reason }) => reason === "Rejected",
    () => fetchMetadata(issuer, "oauth2")
  )

const fetchMetadata = (
  issuer: URL,
  algorithm: "oidc" | "oauth2"
): Effect.Effect<ServerMetadata, IssueError, HttpClient.HttpClient> =>
  Effect.gen(function* () {
    const request = yield* TokenRequest.buildRequest((options) =>
      oauth.discoveryRequest(issuer, { ...options, algorithm })
    )
    const answer = yield* TokenRequest.send(request)
    if (answer.status !== 200) {
      return yield* IssuerError.fromAnswer(answer, () => ({ advice: checkIssuer }))
    }
    const metadata = yield* TokenRequest.validate(answer, (response) =>
      oauth.processDiscoveryResponse(issuer, response)
    )
    const { token_endpoint: tokenEndpoint } = metadata
    if (tokenEndpoint === undefined || !Url.mayBeNamedBy(issuer, tokenEndpoint)) {
      return yield* new IssueError({
        reason: "InvalidResponse",
        message: "the metadata has no token_endpoint, or one that secrets must not be sent to",
        advice: checkIssuer
      })
    }
    return { issuer: metadata.issuer, tokenEndpoint, metadata }
  })

const checkIssuer = "Check the issuer."
