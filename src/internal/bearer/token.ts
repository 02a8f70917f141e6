import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type { TokenCache } from "../../TokenCache.js"
import { InvalidOptions, type TokenUnavailable } from "../../TokenError.js"
import { isSecureOrigin } from "../http/url.js"

/** Why there is no token to send. */
export interface Unsendable {
  readonly description: string
  readonly cause?: TokenUnavailable
}

/** Reads a token that a header can carry. */
export const read = (cache: TokenCache["Type"], name: string): Effect.Effect<Redacted.Redacted<string>, Unsendable> =>
  cache.token(name).pipe(
    Effect.mapError((cause): Unsendable => ({ description: cause.message, cause })),
    Effect.filterOrFail(fitsHeader, () => ({
      description: `the token "${name}" has characters other than visible ASCII`
    }))
  )

// The error of a client that cannot send a header prints the value of that header.
const fitsHeader = (token: Redacted.Redacted<string>): boolean => /^[\x21-\x7e]+$/.test(Redacted.value(token))

/**
 * The origins that a token may go to. It dies with `InvalidOptions` if one of them is not an origin, or is one over plain
 * http that is not on loopback and that no option allows.
 */
export const parseOrigins = (
  name: string,
  origins: ReadonlyArray<string>,
  allowInsecure: boolean
): Effect.Effect<ReadonlySet<string>> =>
  Effect.suspend(() => {
    const parsed = Arr.map(origins, parseOrigin)
    const insecure = parsed.findIndex((origin) => origin !== undefined && !allowInsecure && !isSecureOrigin(origin))
    if (insecure >= 0) {
      return Effect.die(
        new InvalidOptions({
          token: name,
          option: "origins",
          message: `origins[${insecure}] must be https, or http on loopback: over plain http anybody on the way reads the token. Set allowInsecure if that is all right`
        })
      )
    }
    const invalid = parsed.indexOf(undefined)
    return parsed.length > 0 && invalid < 0
      ? Effect.succeed(new Set(Arr.filter(parsed, Predicate.isNotUndefined)))
      : Effect.die(
          new InvalidOptions({
            token: name,
            option: "origins",
            message: `${parsed.length === 0 ? "origins is empty" : `origins[${invalid}] is not an origin`}: give a scheme, host and port, such as "https://api.example.com"`
          })
        )
  })

const parseOrigin = (text: string): string | undefined =>
  Either.try(() => new URL(text)).pipe(
    Either.map((url) => (url.href === `${url.origin}/` ? url.origin : undefined)),
    Either.getOrUndefined
  )
