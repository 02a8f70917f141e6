import { createPublicKey, generateKeyPairSync, type JsonWebKey, type KeyObject, verify } from "node:crypto"
import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Redacted, TestClock } from "effect"
import { IssueError } from "effect-token-cache"
import * as LineAssertion from "effect-token-cache/LineAssertion"
import { decodeJwt, decodeProtectedHeader, jwtVerify } from "jose"

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 })
const pkcs8 = rsa.privateKey.export({ type: "pkcs8", format: "pem" }).toString()
const pkcs1 = rsa.privateKey.export({ type: "pkcs1", format: "pem" }).toString()
const jwk = rsa.privateKey.export({ format: "jwk" })

const channelId = "1234567890"
const keyId = "9869e446-3489-4516-a83f-ec9214ad94d0"

const sign = (options: Partial<LineAssertion.LineAssertionOptions> = {}) =>
  Effect.map(LineAssertion.sign({ channelId, keyId, privateKey: pkcs8, ...options }), Redacted.value)

const isSignedBy = (publicKey: KeyObject, assertion: string): boolean => {
  const [header, payload, signature] = assertion.split(".")
  return verify("RSA-SHA256", Buffer.from(`${header}.${payload}`), publicKey, Buffer.from(signature!, "base64url"))
}

const refusal = (options: Partial<LineAssertion.LineAssertionOptions>) => Effect.flip(sign(options))

const pem = (key: KeyObject) => key.export({ type: "pkcs8", format: "pem" }).toString()

describe("LineAssertion.sign", () => {
  it.effect("makes the header and the claims that LINE documents", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_700_000_000_999)
      const assertion = yield* sign({ tokenLifetime: "30 days" })
      assert.deepStrictEqual(decodeProtectedHeader(assertion), { alg: "RS256", typ: "JWT", kid: keyId })
      assert.deepStrictEqual(decodeJwt(assertion), {
        iss: channelId,
        sub: channelId,
        aud: "https://api.line.me/",
        exp: 1_700_000_300,
        token_exp: 2_592_000
      })
    })
  )

  it.effect("leaves token_exp out unless a token lifetime is given", () =>
    Effect.gen(function* () {
      assert.notProperty(decodeJwt(yield* sign()), "token_exp")
    })
  )

  it.effect("is verified by jose and by node:crypto", () =>
    Effect.gen(function* () {
      const assertion = yield* sign()
      const verified = yield* Effect.promise(() =>
        jwtVerify(assertion, rsa.publicKey, {
          algorithms: ["RS256"],
          typ: "JWT",
          issuer: channelId,
          subject: channelId,
          audience: "https://api.line.me/",
          currentDate: new Date(0)
        })
      )
      assert.strictEqual(verified.payload.exp, 300)
      assert.isTrue(isSignedBy(rsa.publicKey, assertion))
      assert.isFalse(isSignedBy(generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey, assertion))
    })
  )

  it.effect("gives the same key the same signature, whatever form it comes in", () =>
    Effect.gen(function* () {
      const expected = yield* sign({ privateKey: pkcs8 })
      const forms: Record<string, LineAssertion.PrivateKey> = {
        "PKCS#1": pkcs1,
        "PKCS#8 with literal \\n": pkcs8.replaceAll("\n", "\\n"),
        "PKCS#8 with literal \\r\\n": pkcs8.replaceAll("\n", "\\r\\n"),
        "PKCS#8 with space around": `\n  ${pkcs8}\n`,
        JWK: jwk,
        "JWK with more members": { ...jwk, alg: "RS256", use: "sig", kid: "mine", key_ops: ["sign"], ext: true },
        "JWK as text": JSON.stringify(jwk),
        "redacted PEM": Redacted.make(pkcs8),
        "redacted JWK": Redacted.make(jwk)
      }
      for (const [form, privateKey] of Object.entries(forms)) {
        assert.strictEqual(yield* sign({ privateKey }), expected, form)
      }
    })
  )

  it.effect("accepts an assertion of 30 minutes and a token of 30 days, and not a second more", () =>
    Effect.gen(function* () {
      assert.strictEqual(decodeJwt(yield* sign({ expiresIn: "30 minutes" })).exp, 1800)
      for (const expiresIn of ["1801 seconds", "999 millis", 0, Number.NaN, Duration.infinity] as const) {
        const error = yield* refusal({ expiresIn })
        assert.strictEqual(
          error.message,
          "expiresIn must be at least 1 second and at most 1800, which is LINE's maximum"
        )
      }
      assert.strictEqual(decodeJwt(yield* sign({ tokenLifetime: "30 days" })).token_exp, 2_592_000)
      const error = yield* refusal({ tokenLifetime: Duration.seconds(2_592_001) })
      assert.strictEqual(
        error.message,
        "tokenLifetime must be at least 1 second and at most 2592000, which is LINE's maximum"
      )
    })
  )

  it.effect("cuts lifetimes to whole seconds", () =>
    Effect.gen(function* () {
      const claims = decodeJwt(yield* sign({ expiresIn: "1500 millis", tokenLifetime: "2999 millis" }))
      assert.deepStrictEqual([claims.exp, claims.token_exp], [1, 2])
    })
  )

  it.effect("refuses an empty channelId or keyId, and says where to look", () =>
    Effect.gen(function* () {
      const noChannel = yield* refusal({ channelId: " " })
      const noKey = yield* refusal({ keyId: "" })
      assert.deepStrictEqual(
        [noChannel.message, noChannel.advice, noKey.message, noKey.advice],
        [
          "channelId must be a string that is not empty",
          "Check LINE_CHANNEL_ID.",
          "keyId must be a string that is not empty",
          "Check LINE_KEY_ID."
        ]
      )
    })
  )

  it.effect("refuses keys of another type or size, which node:crypto would sign with all the same", () =>
    Effect.gen(function* () {
      const keys = {
        "the private key is of type ec, but LINE accepts only RSA": pem(
          generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey
        ),
        "the private key is of type ed25519, but LINE accepts only RSA": pem(generateKeyPairSync("ed25519").privateKey),
        "the private key is of type rsa-pss, but LINE accepts only RSA": pem(
          generateKeyPairSync("rsa-pss", { modulusLength: 2048 }).privateKey
        ),
        "the private key has 1024 bits, but LINE accepts only 2048": pem(
          generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey
        ),
        "the private key has 3072 bits, but LINE accepts only 2048": pem(
          generateKeyPairSync("rsa", { modulusLength: 3072 }).privateKey
        )
      }
      for (const [message, privateKey] of Object.entries(keys)) {
        assert.strictEqual((yield* refusal({ privateKey })).message, message)
      }
    })
  )

  it.effect("refuses what is no private key", () =>
    Effect.gen(function* () {
      const publicJwk = createPublicKey(rsa.publicKey.export({ type: "spki", format: "pem" })).export({ format: "jwk" })
      const unreadable: ReadonlyArray<string | JsonWebKey> = [
        "",
        "not a key",
        "{",
        "{}",
        '{"kty":"oct","k":"AAAA"}',
        pkcs8.slice(0, 400),
        rsa.publicKey.export({ type: "spki", format: "pem" }).toString(),
        publicJwk,
        { ...jwk, d: "!" },
        rsa.privateKey.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "hunter2" }).toString()
      ]
      for (const privateKey of unreadable) {
        assert.match((yield* refusal({ privateKey })).message, /^the private key cannot be read: give an unencrypted/)
      }
    })
  )

  it.effect("fails with a permanent IssueError that holds nothing of the key", () =>
    Effect.gen(function* () {
      const secret = jwk.d!.slice(20, 60)
      for (const privateKey of [
        { ...jwk, n: "AAAA" },
        JSON.stringify(jwk).slice(0, -1),
        `${pkcs8}${secret}`.slice(30)
      ]) {
        const exit = yield* Effect.exit(sign({ privateKey }))
        assert.isTrue(Exit.isFailure(exit))
        const error = yield* Effect.flip(exit)
        assert.instanceOf(error, IssueError)
        assert.deepStrictEqual([error.reason, error.permanent], ["Rejected", true])
        const printed = [String(error), inspect(exit, { depth: 20, showHidden: true }), JSON.stringify(exit)]
        if (Exit.isFailure(exit)) {
          printed.push(Cause.pretty(exit.cause))
        }
        for (const text of printed) {
          assert.notInclude(text, secret)
          assert.notInclude(text, pkcs8.slice(60, 100))
        }
      }
    })
  )
})
