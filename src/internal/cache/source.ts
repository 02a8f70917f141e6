import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { invalidOption } from "../../RefreshPolicy.js"
import { InvalidOptions } from "../../TokenError.js"
import type { TokenSource } from "../../TokenSource.js"
import { invalidDuration, isBlank } from "../options.js"
import { clean, hasControls } from "../text.js"

/** Gives the source of a token, which is made first if it is an effect. Its options are checked before any request. */
export const make = <E1, R1, E, R>(
  name: string,
  source: TokenSource<E1, R1> | Effect.Effect<TokenSource<E1, R1>, E, R>
): Effect.Effect<TokenSource<E1, R1>, InvalidOptions | E, R> =>
  Effect.flatMap(Effect.isEffect(source) ? source : Effect.succeed(source), (made) => {
    const invalid = validate(name, made)
    return invalid === undefined ? Effect.succeed(made) : Effect.fail(invalid)
  })

const validate = (name: string, source: TokenSource<unknown, unknown>): InvalidOptions | undefined =>
  isBlank(name) || hasControls(name)
    ? new InvalidOptions({
        token: isBlank(name) ? name : clean(name),
        option: "name",
        message: "a token needs a name that is not empty and has no control characters"
      })
    : (invalidIssue(name, source) ??
      invalidIssuer(name, source) ??
      invalidIdentity(name, source) ??
      invalidSchedule(name, source) ??
      invalidOption(source, name) ??
      invalidDuration("issueTimeout", source.issueTimeout, name) ??
      invalidDuration("defaultLifetime", source.defaultLifetime, name))

const invalidIssue = (token: string, source: TokenSource<unknown, unknown>): InvalidOptions | undefined =>
  Predicate.hasProperty(source, "issue") && Effect.isEffect(source.issue)
    ? undefined
    : new InvalidOptions({ token, option: "issue", message: `"${token}" needs an issue effect` })

const invalidIssuer = (token: string, { issuer }: TokenSource<unknown, unknown>): InvalidOptions | undefined =>
  issuer === undefined || (typeof issuer === "string" && !hasControls(issuer))
    ? undefined
    : new InvalidOptions({
        token,
        option: "issuer",
        message: `the issuer of "${token}" must be a string without control characters`
      })

const invalidIdentity = (token: string, { identity }: TokenSource<unknown, unknown>): InvalidOptions | undefined =>
  identity === undefined || (Predicate.isRecord(identity) && !isBlank(identity.client))
    ? undefined
    : new InvalidOptions({
        token,
        option: "identity",
        message: `the identity of "${token}" needs a client that is not empty`
      })

const policyOptions = ["refreshBefore", "retryAfter", "maxRetryAfter", "jitter"] as const

const invalidSchedule = (token: string, source: TokenSource<unknown, unknown>): InvalidOptions | undefined => {
  const both = source.schedule === undefined ? undefined : policyOptions.find((option) => source[option] !== undefined)
  return both === undefined
    ? undefined
    : new InvalidOptions({
        token,
        option: both,
        message: `"${token}" has a schedule and ${both}: give ${both} to RefreshPolicy.make, or leave schedule out`
      })
}
