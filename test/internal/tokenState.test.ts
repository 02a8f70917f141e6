import { describe, expect, it } from "@effect/vitest"
import { Redacted } from "effect"
import type { AccessToken } from "../../src/IssuedToken.js"
import * as TokenState from "../../src/internal/cache/tokenState.js"
import { IssueError } from "../../src/TokenError.js"

const accessToken = (value: string, generation = 1): AccessToken => ({
  accessToken: Redacted.make(value),
  issuedAt: 1000,
  expiresAt: 61_000,
  usableUntil: 56_000,
  generation
})

const error = new IssueError({ reason: "Unreachable" })
const another = new IssueError({ reason: "Rejected" })

const starting = TokenState.initial(500)
const running = TokenState.running(starting)
const ready = TokenState.issued(running, accessToken("t1"), 40_000)
const degraded = TokenState.failed(TokenState.running(ready), error, 45_000, 0)
const replaced = TokenState.issued(TokenState.running(TokenState.invalidated(ready)), accessToken("t2", 2), 40_000)

describe("TokenState transitions", () => {
  it.each([
    ["initial", starting, { attempt: "none", token: undefined, nextAttemptAt: 500, generation: 0 }],
    ["queued", TokenState.queued(starting), { attempt: "queued", nextAttemptAt: TokenState.never }],
    ["running", running, { attempt: "running", nextAttemptAt: TokenState.never }],
    ["issued", ready, { attempt: "none", token: accessToken("t1"), nextAttemptAt: 40_000, generation: 1 }],
    ["failed keeps the token", degraded, { token: ready.token, lastError: error, consecutiveFailures: 1 }],
    [
      "failed counts on",
      TokenState.failed(TokenState.running(degraded), another, 50_000, 0),
      { lastError: another, consecutiveFailures: 2, nextAttemptAt: 50_000 }
    ],
    [
      "issued forgets the failures",
      TokenState.issued(TokenState.running(degraded), accessToken("t2", 2), 80_000),
      { lastError: undefined, consecutiveFailures: 0, notBefore: 0, failuresBeforeInvalidation: undefined }
    ],
    ["expired keeps the token", TokenState.expired(ready), { token: ready.token, expired: true }],
    ["invalidated", TokenState.invalidated(ready), { token: undefined, invalidatedToken: ready.token?.accessToken }],
    [
      "issued after an invalidation",
      replaced,
      { failuresBeforeInvalidation: 0, invalidatedToken: ready.token?.accessToken }
    ],
    [
      "invalidated again",
      TokenState.invalidatedAsFailure(replaced, another),
      { token: undefined, lastError: another, consecutiveFailures: 1, nextAttemptAt: TokenState.never }
    ],
    [
      "invalidated while failing keeps the issuer's error",
      TokenState.invalidatedAsFailure(degraded, another),
      { token: undefined, lastError: error, consecutiveFailures: 2 }
    ],
    [
      "stopped",
      TokenState.stopped(TokenState.running(ready)),
      { stopped: true, attempt: "none", token: undefined, nextAttemptAt: TokenState.never }
    ],
    [
      "shifted",
      TokenState.shifted(degraded, -500),
      { nextAttemptAt: 44_500, token: { ...accessToken("t1"), issuedAt: 500, expiresAt: 60_500, usableUntil: 55_500 } }
    ]
  ] as const)("%s", (_, state, expected) => {
    expect(state).toMatchObject(expected)
  })

  it("a Retry-After outlasts what is asked for sooner", () => {
    const throttled = TokenState.failed(running, error, 30_000, 20_000)
    expect(TokenState.scheduledAt(throttled, 10_000).nextAttemptAt).toBe(20_000)
    expect(TokenState.scheduledAt(throttled, 25_000).nextAttemptAt).toBe(25_000)
    expect(TokenState.failed(throttled, error, 30_000, 10_000).notBefore).toBe(20_000)
  })

  it("instants are whole milliseconds, rounded up", () => {
    expect(TokenState.scheduledAt(ready, 100.2).nextAttemptAt).toBe(101)
  })
})

describe("TokenState.name", () => {
  it.each([
    [starting, false, "starting"],
    [running, false, "starting"],
    [ready, true, "ready"],
    [ready, false, "down"],
    [degraded, true, "degraded"],
    [degraded, false, "down"],
    [TokenState.failed(running, error, 30_000, 0), false, "down"],
    [TokenState.stopped(ready), true, "stopped"]
  ])("row %#", (state, usable, expected) => {
    expect(TokenState.name(state, usable)).toBe(expected)
  })
})

describe("TokenState.onInvalidation", () => {
  const retryAfter = 30_000
  it.each([
    ["the first report issues at once", ready, 1001, "issue"],
    ["an attempt is on its way", TokenState.queued(ready), 1001, "wait"],
    ["an attempt is running", TokenState.running(degraded), 1001, "wait"],
    ["the issuer is failing", degraded, 50_000, "backOff"],
    ["the replacement is refused within retryAfter", replaced, 1000 + retryAfter - 1, "backOff"],
    ["the replacement served for retryAfter", replaced, 1000 + retryAfter, "issue"]
  ] as const)("%s", (_, state, now, expected) => {
    expect(TokenState.onInvalidation(state, retryAfter, now)).toBe(expected)
  })
})
