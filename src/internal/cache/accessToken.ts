import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as Redacted from "effect/Redacted"
import type { AccessToken, IssuedToken } from "../../IssuedToken.js"
import { IssueError } from "../../TokenError.js"
import { isBlank } from "../options.js"
import { fitsHeader } from "../text.js"

/** What an issued token is checked against. */
export interface Terms {
  /** When the attempt started, in epoch milliseconds, which is before the token was requested. */
  readonly startedAt: number
  /** The clock now, in epoch milliseconds. */
  readonly now: number
  /** How long before its expiry the token is no longer given out, in milliseconds. */
  readonly leeway: number
  /** The lifetime of a token whose issuer does not state one. */
  readonly defaultLifetime: Duration.DurationInput | undefined
  /** The generation that the token gets. */
  readonly generation: number
  /** The token that was invalidated last, which is refused if the issuer gives it out again. */
  readonly invalidated: Redacted.Redacted<string> | undefined
}

const tenYears = Duration.toMillis("3650 days")

/** Turns what an issuer returned into a token of the cache, or says why it cannot be used, without quoting it. */
export const fromIssued = (issued: IssuedToken, terms: Terms): Either.Either<AccessToken, IssueError> => {
  if (!isIssuedToken(issued)) {
    return invalid("the issuer did not return an IssuedToken")
  }
  if (!fitsHeader(Redacted.value(issued.accessToken))) {
    return invalid("the token has characters that an HTTP header cannot carry")
  }
  if (isInvalidated(issued.accessToken, terms.invalidated)) {
    return Either.left(returnedInvalidated)
  }
  const from = issuedAtOf(issued, terms)
  const lifetime = lifetimeOf(issued, from, terms.defaultLifetime)
  if (lifetime === undefined) {
    return invalid("the token has no lifetime: give the source a defaultLifetime")
  }
  if (!(lifetime > 0)) {
    return invalid("the token's lifetime is not a positive duration")
  }
  const capped = Math.min(lifetime, tenYears)
  const expiresAt = Math.ceil(from + capped)
  const usableUntil = Math.ceil(from + capped - Math.min(terms.leeway, capped / 10))
  if (usableUntil <= terms.now) {
    return invalid("the token had already expired when it arrived")
  }
  return Either.right({
    accessToken: issued.accessToken,
    issuedAt: from,
    expiresAt,
    usableUntil,
    generation: terms.generation,
    ...(typeof issued.keyId === "string" ? { keyId: issued.keyId } : undefined),
    ...(typeof issued.scope === "string" ? { scope: issued.scope } : undefined)
  })
}

/** Why an attempt fails whose token is the one that was invalidated last. */
export const returnedInvalidated = new IssueError({
  reason: "InvalidResponse",
  message: "the issuer returned the token that was just invalidated"
})

/** Whether a token is the one that was invalidated last. */
export const isInvalidated = (
  token: Redacted.Redacted<string>,
  invalidated: Redacted.Redacted<string> | undefined
): boolean => invalidated !== undefined && isSame(invalidated, token)

/** Whether two tokens are the same text. */
export const isSame = (one: Redacted.Redacted<string>, other: Redacted.Redacted<string>): boolean =>
  Equal.equals(one, other)

const invalid = (message: string) => Either.left(new IssueError({ reason: "InvalidResponse", message }))

// An issuer written in JavaScript, or behind a cast, can return anything.
const isIssuedToken = (issued: unknown): issued is IssuedToken =>
  typeof issued === "object" &&
  issued !== null &&
  "accessToken" in issued &&
  Redacted.isRedacted(issued.accessToken) &&
  !isBlank(Redacted.value(issued.accessToken))

/**
 * When the token was issued. It is never in the future, because the clock of the process that issued it may be ahead.
 */
const issuedAtOf = ({ issuedAt }: IssuedToken, { now, startedAt }: Terms): number =>
  Number.isFinite(issuedAt) ? Math.min(Math.floor(Number(issuedAt)), now) : startedAt

const lifetimeOf = (
  { expiresAt, expiresIn }: IssuedToken,
  from: number,
  defaultLifetime: Duration.DurationInput | undefined
): number | undefined =>
  expiresIn !== undefined
    ? toMillis(expiresIn)
    : expiresAt !== undefined
      ? expiresAt - from
      : defaultLifetime === undefined
        ? undefined
        : toMillis(defaultLifetime)

const toMillis = (duration: unknown): number => {
  const decoded = Duration.decodeUnknown(duration)
  return decoded._tag === "Some" ? Duration.toMillis(decoded.value) : Number.NaN
}
