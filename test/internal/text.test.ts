import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { clean, cut, hasControls, maxTextLength } from "../../src/internal/text.js"

describe("cut", () => {
  it.each([
    ["", ""],
    ["a".repeat(200), "a".repeat(200)],
    ["a".repeat(201), `${"a".repeat(199)}…`],
    [`${"a".repeat(198)}\n\n\n`, `${"a".repeat(198)}\u{fffd}…`]
  ])("row %#", (text, expected) => {
    assert.strictEqual(cut(text), expected)
  })

  it("leaves no text that is too long, or that has a control character", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
        assert.isAtMost(cut(text).length, maxTextLength)
        assert.isFalse(hasControls(cut(text)))
        assert.strictEqual(clean(text).length, text.length)
      })
    )
  })
})

describe("clean", () => {
  it.each([
    ["C0", "\u0000\u001b\n\r\t\u001f"],
    ["DEL and C1", "\u007f\u0080\u0085\u009b\u009f"],
    ["line separators", "\u2028\u2029"],
    ["what changes the direction of text", "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"]
  ])("replaces %s", (_, controls) => {
    assert.isTrue(hasControls(controls))
    assert.strictEqual(clean(`a${controls}b`), `a${"\u{fffd}".repeat(controls.length)}b`)
  })

  it("leaves all other text as it is", () => {
    const text = 'Ünïcödé, 日本語, العربية, 👩‍👩‍👧 & <b> "quotes" \\'
    assert.isFalse(hasControls(text))
    assert.strictEqual(clean(text), text)
  })
})
