import { Headers, HttpClientError, HttpClientRequest } from "@effect/platform"
import { Duration } from "effect"
import type { IssueErrorReason } from "effect-token-cache/TokenError"
import { assert, describe, it } from "vitest"
import type { Answer } from "../../src/internal/http/exchange.js"
import * as IssuerError from "../../src/internal/http/issuerError.js"

const receivedAt = Date.UTC(2026, 0, 1, 12)

const answerOf = (status: number, body?: unknown, headers: Record<string, string> = {}): Answer => ({
  status,
  body,
  isTooLong: false,
  headers: Headers.fromInput(headers),
  receivedAt
})

const errorOf = (...args: Parameters<typeof answerOf>) =>
  IssuerError.fromAnswer(answerOf(...args), () => ({ advice: "Check it." }))

describe("an answer without a token", () => {
  const table: ReadonlyArray<readonly [status: number, code: string | undefined, reason: IssueErrorReason]> = [
    [200, undefined, "InvalidResponse"],
    [200, "invalid_client", "Rejected"],
    [200, "temporarily_unavailable", "Unreachable"],
    [201, "invalid_client", "InvalidResponse"],
    [302, undefined, "InvalidResponse"],
    [302, "invalid_client", "InvalidResponse"],
    [400, undefined, "Rejected"],
    [400, "invalid_request", "Rejected"],
    [400, "temporarily_unavailable", "Unreachable"],
    [400, "server_error", "Unreachable"],
    [400, "slow_down", "Throttled"],
    [400, "constructor", "Rejected"],
    [400, "__proto__", "Rejected"],
    [401, "invalid_client", "Rejected"],
    [403, undefined, "Rejected"],
    [404, undefined, "Rejected"],
    [408, undefined, "Unreachable"],
    [429, undefined, "Throttled"],
    [429, "server_error", "Unreachable"],
    [499, undefined, "Rejected"],
    [500, "invalid_client", "Unreachable"],
    [503, undefined, "Unreachable"],
    [599, undefined, "Unreachable"]
  ]

  it.each(table)("of status %i with code %s is %s", (status, code, reason) => {
    const error = errorOf(status, code === undefined ? undefined : { error: code })
    assert.deepStrictEqual([error.reason, error.status, error.code], [reason, status, code])
    assert.strictEqual(error.permanent, reason === "Rejected")
    assert.strictEqual(error.message, ["issuer answered", status, code].filter((part) => part !== undefined).join(" "))
    const hasAdvice = reason === "Rejected" || reason === "InvalidResponse"
    assert.strictEqual(error.advice, hasAdvice ? "Check it." : undefined)
  })

  it("is explained by what it says", () => {
    const body = { error: "invalid_scope" }
    const error = IssuerError.fromAnswer(answerOf(400, body), (refusal) => {
      assert.deepStrictEqual(refusal, { reason: "Rejected", status: 400, code: "invalid_scope", body })
      return { advice: "Check scope.", message: "no such scope" }
    })
    assert.deepStrictEqual([error.message, error.advice], ["no such scope", "Check scope."])
  })
})

describe("an error code", () => {
  it.each<readonly [body: unknown, code: string | undefined]>([
    [{ error: "invalid_client" }, "invalid_client"],
    [{ error: "InvalidClient" }, "InvalidClient"],
    [{ error: "x".repeat(64) }, "x".repeat(64)],
    [{ error: "x".repeat(65) }, undefined],
    [{ error: "" }, undefined],
    [{ error: "hunter2" }, undefined],
    [{ error: "invalid client" }, undefined],
    [{ error: "<script>" }, undefined],
    [{ error: "invalid_client\n" }, undefined],
    [{ error: 1 }, undefined],
    [{ error: null }, undefined],
    [{ error: { code: "invalid_client" } }, undefined],
    [{}, undefined],
    [[], undefined],
    ["invalid_client", undefined],
    [null, undefined],
    [undefined, undefined]
  ])("of %j is %s", (body, code) => {
    assert.strictEqual(IssuerError.errorCode(body), code)
  })
})

describe("a request id", () => {
  const uuid = "123e4567-e89b-12d3-a456-426655440002"

  it.each<readonly [headers: Record<string, string>, id: string | undefined]>([
    [{ "x-line-request-id": uuid }, uuid],
    [{ "x-request-id": uuid }, uuid],
    [{ "x-ms-request-id": uuid.toUpperCase() }, uuid.toUpperCase()],
    [{ "x-request-id": "hunter2", "x-ms-request-id": uuid }, uuid],
    [{ "x-request-id": `${uuid} hunter2` }, undefined],
    [{ "x-request-id": "hunter2" }, undefined],
    [{ "x-trace-id": uuid }, undefined],
    [{}, undefined]
  ])("of %j is %s", (headers, id) => {
    assert.strictEqual(IssuerError.requestId(answerOf(400, undefined, headers)), id)
    assert.strictEqual(errorOf(400, undefined, headers).requestId, id)
    assert.strictEqual(IssuerError.invalidResponse(answerOf(200, undefined, headers), undefined).requestId, id)
  })
})

describe("Retry-After", () => {
  it.each<readonly [value: string | undefined, seconds: number | undefined]>([
    ["0", 0],
    ["20", 20],
    ["Thu, 01 Jan 2026 12:01:00 GMT", 60],
    ["Thu, 01 Jan 2026 11:00:00 GMT", 0],
    ["-1", undefined],
    ["1.5", undefined],
    ["1 minute", undefined],
    ["soon", undefined],
    ["2026-01-01T12:01:00Z", undefined],
    ["Someday GMT", undefined],
    ["", undefined],
    [undefined, undefined]
  ])("%s is %s seconds", (value, seconds) => {
    const { retryAfter } = errorOf(503, undefined, value === undefined ? {} : { "retry-after": value })
    assert.deepStrictEqual(retryAfter, seconds === undefined ? undefined : Duration.seconds(seconds))
  })
})

describe("a request without an answer", () => {
  const request = HttpClientRequest.post("https://issuer.example:8443/token?client_secret=hunter2")

  it.each<readonly [cause: unknown, message: string]>([
    [Object.assign(new Error("hunter2"), { code: "ECONNREFUSED" }), "ECONNREFUSED at issuer.example:8443"],
    [new TypeError("fetch failed", { cause: { code: "UND_ERR_SOCKET" } }), "UND_ERR_SOCKET at issuer.example:8443"],
    [{ code: "hunter2" }, "no answer at issuer.example:8443"],
    [{ code: 1 }, "no answer at issuer.example:8443"],
    [new Error("hunter2"), "no answer at issuer.example:8443"],
    [undefined, "no answer at issuer.example:8443"]
  ])("because of %s says so", (cause, message) => {
    const failure = new HttpClientError.RequestError({ request, reason: "Transport", cause })
    const error = IssuerError.fromTransport(failure, request.url)
    assert.deepStrictEqual(
      { reason: error.reason, message: error.message, permanent: error.permanent },
      { reason: "Unreachable", message: `issuer unreachable: ${message}`, permanent: false }
    )
    assert.notInclude(JSON.stringify(error), "hunter2")
  })
})
