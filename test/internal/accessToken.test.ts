import { describe, expect, it } from "@effect/vitest"
import { Either, Redacted } from "effect"
import type { IssuedToken } from "../../src/IssuedToken.js"
import * as AccessToken from "../../src/internal/cache/accessToken.js"

describe("AccessToken.fromIssued", () => {
  const accept = (issued: Partial<IssuedToken>, terms: Partial<AccessToken.Terms> = {}) =>
    AccessToken.fromIssued(
      { accessToken: Redacted.make("t1"), ...issued },
      {
        startedAt: 1000,
        now: 2000,
        leeway: 5000,
        defaultLifetime: undefined,
        generation: 1,
        invalidated: undefined,
        ...terms
      }
    )

  it.each([
    ["leeway of 5 s", { expiresIn: "1 minute" }, 61_000, 56_000],
    ["leeway of a tenth", { expiresIn: "20 seconds" }, 21_000, 19_000],
    ["an instant", { expiresAt: 31_000 }, 31_000, 28_000],
    ["a fraction of a millisecond", { expiresIn: 10_000.4 }, 11_001, 10_001],
    ["for ever is ten years", { expiresIn: Number.POSITIVE_INFINITY }, 315_360_001_000, 315_359_996_000]
  ] as const)("%s", (_, issued, expiresAt, usableUntil) => {
    const token = Either.getOrThrow(accept(issued))
    expect({ expiresAt: token.expiresAt, usableUntil: token.usableUntil }).toEqual({ expiresAt, usableUntil })
  })

  it.each([
    ["no lifetime", accept({}), "the token has no lifetime: give the source a defaultLifetime"],
    ["zero", accept({ expiresIn: 0 }), "the token's lifetime is not a positive duration"],
    ["not a number", accept({ expiresAt: Number.NaN }), "the token's lifetime is not a positive duration"],
    ["in the past", accept({ expiresAt: 999 }), "the token's lifetime is not a positive duration"],
    [
      "gone on arrival",
      accept({ expiresIn: "1 second" }, { now: 1900 }),
      "the token had already expired when it arrived"
    ],
    [
      "empty",
      accept({ accessToken: Redacted.make(""), expiresIn: "1 hour" }),
      "the issuer did not return an IssuedToken"
    ],
    [
      "blank",
      accept({ accessToken: Redacted.make(" "), expiresIn: "1 hour" }),
      "the issuer did not return an IssuedToken"
    ],
    [
      "the invalidated one",
      accept({ expiresIn: "1 hour" }, { invalidated: Redacted.make("t1") }),
      "the issuer returned the token that was just invalidated"
    ]
  ] as const)("refuses: %s", (_, result, message) => {
    expect(Either.getLeft(result)).toMatchObject({ value: { reason: "InvalidResponse", message } })
  })
})
