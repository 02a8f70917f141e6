import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import { InvalidOptions } from "../../TokenError.js"
import * as Url from "../http/url.js"

/**
 * An authorization server whose token endpoint is known. `OAuth2.discover` finds one by its issuer identifier.
 *
 * @since 0.1.0
 * @category models
 */
export interface Server {
  /** The issuer identifier (RFC 8414 section 2). Client assertions are made out to it, as their audience. */
  readonly issuer: string
  /** The URL that tokens are requested from: https, or http on loopback, without a user, a password or a fragment. */
  readonly tokenEndpoint: string
}

/**
 * An authorization server, with all that it publishes about itself.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServerMetadata extends Server {
  /** All members of the metadata, as the server gave them (RFC 8414 section 2), such as `revocation_endpoint`. */
  readonly metadata: Readonly<Record<string, unknown>>
}

/** Parses an issuer identifier, to which the paths of discovery are appended. */
export const parseIssuer = (issuer: string): Either.Either<URL, InvalidOptions> =>
  Either.fromNullable(Url.parseBaseUrl(issuer), () =>
    invalid("the issuer must be an https URL, or http on loopback, without user, query or fragment")
  )

/** Gives the server itself, if it can be used. */
export const validate = (server: Server): Either.Either<Server, InvalidOptions> => {
  if (!Predicate.isRecord(server)) {
    return Either.left(invalid("server must be the issuer's URL, or an object with issuer and tokenEndpoint"))
  }
  if (typeof server.issuer !== "string" || server.issuer === "") {
    return Either.left(invalid("issuer must be a string that is not empty"))
  }
  return Url.parseEndpoint(server.tokenEndpoint) === undefined
    ? Either.left(invalid("tokenEndpoint must be an https URL, or http on loopback, without user or fragment"))
    : Either.right(server)
}

const invalid = (message: string) => new InvalidOptions({ option: "server", message })
