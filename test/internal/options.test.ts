import { assert, describe, it } from "@effect/vitest"
import { Duration, Redacted } from "effect"
import { invalidCount, invalidDuration, isBlank, redacted } from "../../src/internal/options.js"

describe("invalidDuration", () => {
  it.each([[undefined], [1], ["30 seconds"], [Duration.days(30)], [0.5]])("takes %s", (value) => {
    assert.isUndefined(invalidDuration("retryAfter", value))
  })

  it.each([
    [0, "0"],
    [-1, "0"],
    [Number.POSITIVE_INFINITY, "Infinity"],
    [Number.NaN, "0"],
    ["soon", "that"],
    [{}, "that"],
    [null, "that"]
  ])("refuses %s", (value, shown) => {
    assert.deepInclude(invalidDuration("retryAfter", value, "line"), {
      token: "line",
      option: "retryAfter",
      message: `retryAfter must be a finite duration of more than 0, such as "30 seconds", not ${shown}`
    })
  })
})

describe("invalidCount", () => {
  it.each([[1], [16]])("takes %s", (count) => {
    assert.isUndefined(invalidCount("concurrency", count))
  })

  it.each([[0], [-1], [1.5], [Number.NaN], [Number.POSITIVE_INFINITY]])("refuses %s", (count) => {
    assert.strictEqual(
      invalidCount("concurrency", count)?.message,
      `concurrency must be a whole number of at least 1, not ${count}`
    )
  })
})

describe("isBlank", () => {
  it.each([
    ["", true],
    [" \n\t", true],
    [undefined, true],
    [null, true],
    [0, true],
    [{}, true],
    ["a", false],
    [" a ", false]
  ])("%j: %s", (value, expected) => {
    assert.strictEqual(isBlank(value), expected)
  })
})

describe("redacted", () => {
  it("wraps a secret once", () => {
    const secret = redacted("s3cr3t")
    assert.strictEqual(Redacted.value(secret), "s3cr3t")
    assert.strictEqual(redacted(secret), secret)
  })
})
