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

  it.each([
    ["the start of the attempt", {}, 1000],
    ["what the issuer says", { issuedAt: 500.9 }, 500],
    ["no later than now", { issuedAt: 5000 }, 2000],
    ["the start of the attempt, if the issuer says nonsense", { issuedAt: Number.NaN }, 1000]
  ] as const)("counts from %s", (_, issued, from) => {
    const token = Either.getOrThrow(accept({ expiresIn: "1 minute", ...issued }))
    expect(token).toEqual({
      accessToken: Redacted.make("t1"),
      issuedAt: from,
      expiresAt: from + 60_000,
      usableUntil: from + 55_000,
      generation: 1
    })
  })

  it.each([
    ["expiresIn goes before expiresAt", { expiresIn: "1 minute", expiresAt: 5000 }, 61_000],
    ["expiresAt goes before defaultLifetime", { expiresAt: 31_000 }, 31_000],
    ["defaultLifetime is for who says neither", {}, 3_601_000]
  ] as const)("%s", (_, issued, expiresAt) => {
    expect(Either.getOrThrow(accept(issued, { defaultLifetime: "1 hour" })).expiresAt).toBe(expiresAt)
  })

  it("keeps scope and key id, if they are texts", () => {
    const issued = { expiresIn: "1 hour" } as const
    expect(Either.getOrThrow(accept({ ...issued, scope: "read", keyId: "k1" }))).toMatchObject({
      scope: "read",
      keyId: "k1"
    })
    // What an issuer written without types might return.
    const odd = { ...issued, scope: 1, keyId: null } as unknown as Partial<IssuedToken>
    expect(Object.keys(Either.getOrThrow(accept(odd)))).not.toContain("scope")
    expect(Object.keys(Either.getOrThrow(accept(odd)))).not.toContain("keyId")
  })

  it("takes a token that can be given out for one millisecond", () => {
    expect(Either.isRight(accept({ expiresIn: "10 seconds" }, { now: 9999 }))).toBe(true)
    expect(Either.isRight(accept({ expiresIn: "10 seconds" }, { now: 10_000 }))).toBe(false)
  })

  it("takes another token than the one that was invalidated", () => {
    expect(Either.isRight(accept({ expiresIn: "1 hour" }, { invalidated: Redacted.make("t0") }))).toBe(true)
  })

  it.each([" a~", "a\u007f", "a\u00e9", "a\n"])("refuses what no header can carry: %j", (text) => {
    const result = accept({ accessToken: Redacted.make(text), expiresIn: "1 hour" })
    expect(Either.isRight(result)).toBe(text === " a~")
  })

  it.each([[undefined], [null], ["t1"], [{}], [{ accessToken: "t1" }], [{ accessToken: Redacted.make(1) }]])(
    "refuses %o",
    (issued) => {
      const result = AccessToken.fromIssued(issued as unknown as IssuedToken, {
        ...{ startedAt: 1000, now: 2000, leeway: 5000, generation: 1 },
        defaultLifetime: "1 hour",
        invalidated: undefined
      })
      expect(Either.getLeft(result)).toMatchObject({
        value: { message: "the issuer did not return an IssuedToken" }
      })
    }
  )
})
