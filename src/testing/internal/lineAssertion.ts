import { type KeyObject, verify } from "node:crypto"
import * as Either from "effect/Either"
import { decodeJwt, decodeProtectedHeader } from "jose"
import { type LineResponse, messageError, oauthError, parametersInvalid } from "./lineReply.js"
import type { Channel, LineState } from "./lineState.js"

/** A valid client assertion. */
export interface Assertion {
  readonly channel: Channel
  readonly claims: Readonly<Record<string, unknown>>
}

/**
 * Checks `client_assertion_type` and `client_assertion` (LINE, "Generate JSON Web Token"). The first rule that is broken
 * decides on the answer.
 */
export const check = (
  state: LineState,
  fields: ReadonlyMap<string, string>,
  now: number
): Either.Either<Assertion, LineResponse> => {
  const assertion = fields.get("client_assertion")
  if (fields.get("client_assertion_type") !== assertionType || assertion === undefined) {
    return Either.left(parametersInvalid)
  }
  const decoded = decode(assertion)
  if (decoded === undefined) {
    return refused("Invalid client_assertion")
  }
  const { header, claims } = decoded
  const registered = typeof header.kid === "string" ? state.keys.get(header.kid) : undefined
  if (registered === undefined) {
    return Either.left(messageError(404, "Cannot find channel key that satisfies the conditions"))
  }
  const { channel, key } = registered
  if (claims.iss !== channel.channelId) {
    return refused("iss and clientId of key do not match")
  }
  if (header.alg !== "RS256") {
    return refused("Invalid alg")
  }
  if (header.typ !== "JWT") {
    return refused("Invalid typ")
  }
  if (!isSignedBy(key, assertion)) {
    return refused("Invalid signature")
  }
  if (claims.sub !== claims.iss) {
    return refused("Invalid sub")
  }
  if (claims.aud !== audience) {
    return refused("Invalid aud")
  }
  if (!isTimely(claims.exp, now, state.settings.assertionSkew)) {
    return refused("Invalid exp")
  }
  return Either.right({ channel, claims })
}

/** The claim `token_exp` of an assertion for a v2.1 token: the lifetime of the token in seconds. */
export const tokenExp = ({ claims }: Assertion): Either.Either<number, LineResponse> =>
  typeof claims.token_exp === "number" &&
  Number.isInteger(claims.token_exp) &&
  claims.token_exp >= 1 &&
  claims.token_exp <= maxTokenLifetime
    ? Either.right(claims.token_exp)
    : refused("Invalid token_exp")

/** The `kid` of the key that an assertion claims to be signed with. */
export const claimedKeyId = (assertion: string): string | undefined => {
  const kid = decode(assertion)?.header.kid
  return typeof kid === "string" ? kid : undefined
}

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
const audience = "https://api.line.me/"

/** 30 minutes, in seconds. */
const maxAssertionLifetime = 1800

/** 30 days, in seconds. */
const maxTokenLifetime = 2_592_000

const refused = (description: string) => Either.left(oauthError("invalid_client", description))

/** An assertion that is not trusted yet. Its members can be anything, whatever the types of jose say. */
interface Decoded {
  readonly header: Readonly<Record<string, unknown>>
  readonly claims: Readonly<Record<string, unknown>>
}

const decode = (assertion: string): Decoded | undefined => {
  try {
    return { header: { ...decodeProtectedHeader(assertion) }, claims: decodeJwt(assertion) }
  } catch {
    return undefined
  }
}

// Not with jose, whose answer has to be awaited: meanwhile another request could take the last of the 30 tokens.
const isSignedBy = (key: KeyObject, assertion: string): boolean => {
  const signatureAt = assertion.lastIndexOf(".")
  return verify(
    "RSA-SHA256",
    Buffer.from(assertion.slice(0, signatureAt)),
    key,
    Buffer.from(assertion.slice(signatureAt + 1), "base64url")
  )
}

/** One second more is accepted at the far end, because clients round their clocks. */
const isTimely = (exp: unknown, now: number, skew: number): boolean =>
  typeof exp === "number" &&
  Number.isInteger(exp) &&
  exp * 1000 > now - skew &&
  exp * 1000 <= now + skew + (maxAssertionLifetime + 1) * 1000
