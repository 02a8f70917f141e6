import { assert, describe, it } from "@effect/vitest"
import { refusesToken } from "../../src/internal/bearer/challenge.js"

describe("refusesToken", () => {
  it.each([
    [undefined, true],
    [null, true],
    ["", true],
    ["Bearer", true],
    ['Bearer realm="api"', true],
    ['Bearer realm="api", error="invalid_token", error_description="expired, or revoked"', true],
    ["Bearer error=invalid_token", true],
    ['bearer ERROR = "invalid_token"', true],
    ['Bearer realm="api", error="insufficient_scope", scope="a b"', false],
    ["Bearer error=insufficient_scope", false],
    ['Bearer error="invalid_request"', false],
    ['DPoP error="use_dpop_nonce", algs="ES256"', false],
    ['Basic realm="x", error="no", Bearer realm="api"', true],
    ['Basic realm="x", Bearer error="insufficient_scope"', false],
    ['Bearer error="invalid_token", DPoP error="use_dpop_nonce"', true],
    ['Bearer realm="error=\\"insufficient_scope\\", error=\'x\'"', true],
    ["Negotiate abc==, Bearer error=insufficient_scope", false],
    ['Bearer error_description="insufficient_scope"', true]
  ])("%s: %s", (header, expected) => {
    assert.strictEqual(refusesToken(header), expected)
  })
})
