import { assert, describe } from "@effect/vitest"
import type { HTTPFetchError } from "@line/bot-sdk"
import { Cause, Effect, TestClock } from "effect"
import { lineChannelId } from "effect-token-cache/testing"
import { exportJWK, generateKeyPair } from "jose"
import {
  type AssertionParts,
  assertionType,
  emulated,
  invalidClient,
  issueV21,
  issueV21ByAssertion,
  keyPair,
  otherKeyPair,
  parametersInvalid,
  promised,
  publicJwk,
  refusal,
  sign,
  tokens,
  unknownKey
} from "../support/lineEmulator.js"

describe("LineEmulator: assertions", () => {
  /** Each breaks its own rule and all that follow, so that the order shows. */
  const broken: ReadonlyArray<{ rule: string; parts: AssertionParts; answer: { status: number; body: unknown } }> = [
    {
      rule: "kid",
      parts: { header: { kid: "unknown", typ: "JOSE" }, claims: { iss: "2" } },
      answer: unknownKey
    },
    {
      rule: "iss",
      parts: { header: { typ: "JOSE" }, claims: { iss: "2", exp: 0 } },
      answer: invalidClient("iss and clientId of key do not match")
    },
    {
      rule: "typ",
      parts: { header: { typ: "JOSE" }, key: otherKeyPair.privateKey },
      answer: invalidClient("Invalid typ")
    },
    {
      rule: "signature",
      parts: { claims: { sub: "2" }, key: otherKeyPair.privateKey },
      answer: invalidClient("Invalid signature")
    },
    { rule: "sub", parts: { claims: { sub: "2", aud: "elsewhere" } }, answer: invalidClient("Invalid sub") },
    {
      rule: "aud",
      parts: { claims: { aud: "https://api.line.me", exp: 0 } },
      answer: invalidClient("Invalid aud")
    },
    { rule: "exp", parts: { claims: { exp: 0, token_exp: 0 } }, answer: invalidClient("Invalid exp") },
    { rule: "token_exp", parts: { claims: { token_exp: 0 } }, answer: invalidClient("Invalid token_exp") }
  ]

  for (const { rule, parts, answer } of broken) {
    emulated(`are refused for their ${rule} before anything after it`, (line) =>
      Effect.gen(function* () {
        const kid = yield* line.registerKey(lineChannelId, publicJwk)
        const assertion = yield* sign(kid, parts)
        assert.deepStrictEqual(
          yield* refusal(() => tokens(line).issueChannelTokenByJWT("client_credentials", assertionType, assertion)),
          answer
        )
      })
    )
  }

  emulated("are refused for another algorithm", (line) =>
    Effect.gen(function* () {
      const kid = yield* line.registerKey(lineChannelId, publicJwk)
      const ps256 = yield* promised(() => generateKeyPair("PS256"))
      const assertion = yield* sign(kid, { header: { alg: "PS256" }, key: ps256.privateKey })
      assert.deepStrictEqual(
        yield* refusal(() => tokens(line).issueStatelessChannelTokenByJWTAssertion(assertion)),
        invalidClient("Invalid alg")
      )
    })
  )

  emulated("are refused when unsigned", (line) =>
    Effect.gen(function* () {
      const kid = yield* line.registerKey(lineChannelId, publicJwk)
      const assertion = yield* sign(kid)
      const unsigned = assertion.slice(0, assertion.lastIndexOf(".") + 1)
      assert.deepStrictEqual(
        yield* refusal(() => tokens(line).issueStatelessChannelTokenByJWTAssertion(unsigned)),
        invalidClient("Invalid signature")
      )
    })
  )

  emulated("are refused when they are no JWT", (line) =>
    Effect.gen(function* () {
      const base64url = (text: string) => Buffer.from(text).toString("base64url")
      const notJwts = ["jwt", "a.b", "a.b.c", "..", `${base64url("{}")}.${base64url("[]")}.c`, "%.%.%"]
      const answers = yield* Effect.forEach(notJwts, (notJwt) =>
        refusal(() => tokens(line).issueStatelessChannelTokenByJWTAssertion(notJwt))
      )
      assert.deepStrictEqual(
        answers,
        notJwts.map(() => invalidClient("Invalid client_assertion"))
      )
    })
  )

  emulated("are refused without their type, and when missing", (line) =>
    Effect.gen(function* () {
      const kid = yield* line.registerKey(lineChannelId, publicJwk)
      const assertion = yield* sign(kid)
      const answers = yield* Effect.all([
        refusal(() => tokens(line).issueChannelTokenByJWT("client_credentials", "jwt-bearer", assertion)),
        refusal(() => tokens(line).issueChannelTokenByJWT("client_credentials", assertionType, "")),
        refusal(() => tokens(line).getsAllValidChannelAccessTokenKeyIds("", assertion))
      ])
      assert.deepStrictEqual(answers, [parametersInvalid, parametersInvalid, parametersInvalid])
    })
  )

  emulated("live at most 30 minutes, to the second and one more", (line) =>
    Effect.gen(function* () {
      yield* TestClock.adjust("1 hour")
      const kid = yield* line.registerKey(lineChannelId, publicJwk)
      const statusFor = (exp: unknown) =>
        Effect.flatMap(sign(kid, { claims: { exp } }), (assertion) =>
          Effect.match(
            promised(() => tokens(line).issueStatelessChannelTokenByJWTAssertion(assertion)),
            { onSuccess: () => 200, onFailure: (error) => (error as HTTPFetchError).status }
          )
        )
      assert.deepStrictEqual(
        yield* Effect.forEach([3600, 3601, 5400, 5401, 5402], statusFor),
        [400, 200, 200, 200, 400]
      )
      assert.deepStrictEqual(yield* Effect.forEach(["3700", 3700.5, 3_700_000], statusFor), [400, 400, 400])
    })
  )

  emulated(
    "may be off by the skew of the options",
    (line) =>
      Effect.gen(function* () {
        yield* TestClock.adjust("1 hour")
        const kid = yield* line.registerKey(lineChannelId, publicJwk)
        for (const exp of [3541, 5460]) {
          const assertion = yield* sign(kid, { claims: { exp } })
          yield* promised(() => tokens(line).issueStatelessChannelTokenByJWTAssertion(assertion))
        }
      }),
    { assertionSkew: "1 minute" }
  )

  for (const token_exp of [undefined, "60", 1.5, -1, 2_592_001]) {
    emulated(`are refused for a token_exp of ${JSON.stringify(token_exp)}`, (line) =>
      Effect.gen(function* () {
        const kid = yield* line.registerKey(lineChannelId, publicJwk)
        const assertion = yield* sign(kid, { claims: { token_exp } })
        assert.deepStrictEqual(
          yield* refusal(() => tokens(line).issueChannelTokenByJWT("client_credentials", assertionType, assertion)),
          invalidClient("Invalid token_exp")
        )
      })
    )
  }

  emulated("of an unknown key or an expired one are refused by the key id list, too", (line) =>
    Effect.gen(function* () {
      const kid = yield* line.registerKey(lineChannelId, publicJwk)
      const [unknown, expired] = [yield* sign("unknown"), yield* sign(kid, { claims: { exp: 0 } })]
      assert.deepStrictEqual(
        yield* refusal(() => tokens(line).getsAllValidChannelAccessTokenKeyIds(assertionType, unknown)),
        unknownKey
      )
      assert.deepStrictEqual(
        yield* refusal(() => tokens(line).getsAllValidChannelAccessTokenKeyIds(assertionType, expired)),
        invalidClient("Invalid exp")
      )
    })
  )

  emulated("may be used again", (line) =>
    Effect.gen(function* () {
      const { assertion } = yield* issueV21(line)
      yield* issueV21ByAssertion(line, assertion)
      assert.lengthOf(yield* line.liveTokens(lineChannelId), 2)
    })
  )
})

describe("LineEmulator.registerKey", () => {
  const rules: ReadonlyArray<readonly [rule: string, jwk: () => Promise<object>]> = [
    ["kid", async () => ({ ...publicJwk, kid: "mine" })],
    ["kty", async () => ({ ...(await exportJWK((await generateKeyPair("ES256", { extractable: true })).publicKey)) })],
    ["private", async () => ({ ...publicJwk, ...(await exportJWK(keyPair.privateKey)) })],
    ["alg", async () => ({ ...publicJwk, alg: "RS512" })],
    ["use", async () => ({ ...publicJwk, use: "enc" })],
    ["use", async () => ({ ...publicJwk, use: undefined, key_ops: ["verify", "sign"] })],
    ["malformed", async () => ({ ...publicJwk, n: undefined, e: 1 })],
    [
      "modulus",
      async () => ({
        ...publicJwk,
        ...(await exportJWK((await generateKeyPair("RS256", { extractable: true, modulusLength: 3072 })).publicKey))
      })
    ]
  ]

  for (const [rule, jwk] of rules) {
    emulated(`names the broken rule: ${rule}`, (line) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(line.registerKey(lineChannelId, yield* promised(jwk)))
        assert.strictEqual(error._tag, "LineKeyRejected")
        assert.strictEqual(error.rule, rule)
        assert.include(error.message, "LINE does not register this key")
      })
    )
  }

  emulated("takes key_ops for use", (line) =>
    line.registerKey(lineChannelId, { ...publicJwk, use: undefined, key_ops: ["verify"] })
  )

  emulated("gives each key its own kid", (line) =>
    Effect.gen(function* () {
      const first = yield* line.registerKey(lineChannelId, publicJwk)
      assert.notStrictEqual(yield* line.registerKey(lineChannelId, publicJwk), first)
    })
  )

  emulated("dies for a channel that the emulator does not have", (line) =>
    Effect.gen(function* () {
      const cause = yield* Effect.flip(Effect.sandbox(line.registerKey("999", publicJwk)))
      assert.include(Cause.pretty(cause), 'no channel "999"')
    })
  )
})
