import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Redacted, TestClock } from "effect"
import { IssuedToken, TokenCache } from "effect-token-cache"

describe("IssuedToken.fromOAuth", () => {
  it.effect("decodes an answer, and ignores what it does not know", () =>
    Effect.gen(function* () {
      const token = yield* IssuedToken.fromOAuth({
        access_token: "secret",
        expires_in: 900,
        token_type: "bearer",
        scope: "read",
        key_id: "key",
        refresh_token: "other"
      })
      assert.strictEqual(Redacted.value(token.accessToken), "secret")
      assert.deepStrictEqual(
        { ...token, accessToken: "" },
        { accessToken: "", expiresIn: 900_000, scope: "read", keyId: "key" }
      )
    })
  )

  for (const expires_in of [900, "900", 0.5, "1.5", 1e308]) {
    it.effect(`takes expires_in: ${JSON.stringify(expires_in)}`, () =>
      Effect.gen(function* () {
        const token = yield* IssuedToken.fromOAuth({ access_token: "secret", expires_in })
        assert.strictEqual(token.expiresIn, Number(expires_in) * 1000)
      })
    )
  }

  const nonsense: ReadonlyArray<readonly [string, unknown]> = [
    ["undefined", undefined],
    ["null", null],
    ["a string", "canary"],
    ["an array", ["canary"]],
    ["an OAuth error", { error: "invalid_client", error_description: "canary" }],
    ["no access_token", { expires_in: 900, id_token: "canary" }],
    ["an empty access_token", { access_token: "", expires_in: 900 }],
    ["an access_token that is a number", { access_token: 42, expires_in: 900 }],
    ["another token_type", { access_token: "canary", token_type: "DPoP", expires_in: 900 }],
    ["a token_type that is no string", { access_token: "canary", token_type: 1, expires_in: 900 }],
    ...[0, -1, "0", "-1", "", "soon", "0x10", "1e3", " 900", true, [900], {}, Number.NaN, Number.POSITIVE_INFINITY].map(
      (expires_in) =>
        [
          `expires_in ${typeof expires_in} ${JSON.stringify(expires_in)}`,
          { access_token: "canary", expires_in }
        ] as const
    )
  ]
  for (const [name, body] of nonsense) {
    it.effect(`refuses ${name}, and prints nothing of it`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(IssuedToken.fromOAuth(body))
        assert.strictEqual(error.reason, "InvalidResponse")
        assert.notInclude(`${error} ${JSON.stringify(error)}`, "canary")
      })
    )
  }
})

describe("a lifetime", () => {
  const tenYears = Duration.toMillis("3650 days")
  const read = (issued: IssuedToken.IssuedToken, options: { readonly defaultLifetime?: Duration.DurationInput } = {}) =>
    TokenCache.accessToken("api").pipe(
      Effect.map(({ expiresAt, issuedAt }) => expiresAt - issuedAt),
      Effect.provide(TokenCache.layer({ api: { issue: Effect.succeed(issued), ...options } }))
    )

  it.effect("is capped at 10 years", () =>
    Effect.gen(function* () {
      const huge = yield* IssuedToken.fromOAuth({ access_token: "secret", expires_in: 1e308 })
      assert.strictEqual(yield* read(huge), tenYears)
      assert.strictEqual(
        yield* read(IssuedToken.make({ accessToken: "secret", expiresIn: Duration.infinity })),
        tenYears
      )
    })
  )

  it.effect("comes from defaultLifetime where the answer has none, and only then", () =>
    Effect.gen(function* () {
      const bare = yield* IssuedToken.fromOAuth({ access_token: "secret" })
      assert.strictEqual(yield* read(bare, { defaultLifetime: "1 hour" }), 3_600_000)
      const own = yield* IssuedToken.fromOAuth({ access_token: "secret", expires_in: 900 })
      assert.strictEqual(yield* read(own, { defaultLifetime: "1 hour" }), 900_000)
    })
  )

  it.effect("may be given as an instant, as a number or a Date", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_000_000)
      assert.strictEqual(yield* read(IssuedToken.make({ accessToken: "secret", expiresAt: 1_900_000 })), 900_000)
      assert.strictEqual(
        yield* read(IssuedToken.make({ accessToken: "secret", expiresAt: new Date(1_900_000) })),
        900_000
      )
    })
  )
})
