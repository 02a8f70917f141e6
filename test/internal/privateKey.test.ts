import { generateKeyPairSync } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Either, Redacted } from "effect"
import * as PrivateKey from "../../src/internal/privateKey.js"

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 })
const pkcs8 = privateKey.export({ type: "pkcs8", format: "pem" }).toString()
const pkcs1 = privateKey.export({ type: "pkcs1", format: "pem" }).toString()
const jwk = { ...privateKey.export({ format: "jwk" }), alg: "RS256", kid: "key-1", use: "sig" }

const parse = (key: Parameters<typeof Redacted.make<string | typeof jwk>>[0]) => PrivateKey.parse(Redacted.make(key))

describe("PrivateKey.parse", () => {
  it.each([
    ["PKCS#8", pkcs8],
    ["PKCS#1", pkcs1],
    ["a PEM on one line", pkcs8.replaceAll("\n", "\\n")],
    ["a PEM on one line, from Windows", pkcs8.replaceAll("\n", "\\r\\n")],
    ["a PEM with space around it", `\n  ${pkcs8}  \n`]
  ])("reads %s", (_, text) => {
    const { algorithm, key, keyId } = Either.getOrThrow(parse(text))
    assert.isTrue(key.equals(privateKey))
    assert.deepStrictEqual([algorithm, keyId], [undefined, undefined])
  })

  it.each([
    ["a JWK", jwk],
    ["the text of a JWK", ` ${JSON.stringify(jwk)}`]
  ])("reads %s, with what it says about its use", (_, value) => {
    const { algorithm, key, keyId } = Either.getOrThrow(parse(value))
    assert.isTrue(key.equals(privateKey))
    assert.deepStrictEqual([algorithm, keyId], ["RS256", "key-1"])
  })

  it.each([
    ["nothing", ""],
    ["no key", "s3cr3t"],
    ["half a PEM", pkcs8.slice(0, 200)],
    ["half a JWK", JSON.stringify(jwk).slice(0, 200)],
    ["a public key", publicKey.export({ type: "spki", format: "pem" }).toString()]
  ])("says nothing of %s that it cannot read", (_, text) => {
    assert.deepStrictEqual(parse(text), Either.left(undefined))
  })
})
