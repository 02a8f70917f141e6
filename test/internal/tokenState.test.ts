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

const kept = TokenState.kept(replaced, another, 35_000)

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
      { lastError: undefined, consecutiveFailures: 0, notBefore: Number.NEGATIVE_INFINITY, reportedInRow: 0 }
    ],
    ["expired keeps the token", TokenState.expired(ready), { token: ready.token, expired: true }],
    ["invalidated", TokenState.invalidated(ready), { token: undefined, invalidatedToken: ready.token?.accessToken }],
    [
      "issued after an invalidation",
      replaced,
      { reportedInRow: 1, kept: false, invalidatedToken: ready.token?.accessToken }
    ],
    [
      "reported again",
      TokenState.reportedAgain(replaced, another, 70_000),
      { token: replaced.token, lastError: another, consecutiveFailures: 1, reportedInRow: 2, nextAttemptAt: 70_000 }
    ],
    [
      "reported while failing keeps the issuer's error",
      TokenState.reportedAgain(degraded, another, 70_000),
      { lastError: error, consecutiveFailures: 2 }
    ],
    [
      "kept is refreshed when it was due, at the latest",
      TokenState.kept(replaced, another, 70_000),
      { token: replaced.token, kept: true, lastError: another, nextAttemptAt: 40_000 }
    ],
    [
      "invalidated after it was kept",
      TokenState.invalidated(kept),
      { token: undefined, kept: false, reportedInRow: 2 }
    ],
    [
      "issued after one was kept",
      TokenState.issued(TokenState.running(kept), accessToken("t3", 3), 80_000),
      { kept: false, reportedInRow: 2, lastError: undefined, consecutiveFailures: 0 }
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

describe("TokenState.onReport", () => {
  it.each([
    ["the first report", ready, "issue", "issue"],
    ["an attempt is queued", TokenState.queued(ready), "wait", "wait"],
    ["an attempt is running while the issuer fails", TokenState.running(degraded), "wait", "wait"],
    ["an attempt is running to replace a new token", TokenState.running(replaced), "wait", "ignore"],
    ["an attempt is running to replace a kept token", TokenState.running(kept), "wait", "ignore"],
    ["the issuer is failing", degraded, "backOff", "ignore"],
    ["the token answered a report", replaced, "backOff", "keep"],
    ["the token is kept", kept, "drop", "ignore"]
  ] as const)("%s", (_, state, invalidate, unauthorized) => {
    expect(TokenState.onReport(state, "invalidate")).toBe(invalidate)
    expect(TokenState.onReport(state, "unauthorized")).toBe(unauthorized)
  })
})

describe("TokenState.afterAcceptance", () => {
  const maxRetryAfter = 30_000
  it.each([
    ["a token in use for so long", replaced, 1000 + maxRetryAfter, 0],
    ["a token in use for less", replaced, 1000 + maxRetryAfter - 1, 1],
    ["a token that is kept", kept, 1000 + maxRetryAfter, 2],
    ["no token", TokenState.invalidated(replaced), 1000 + maxRetryAfter, 1]
  ] as const)("%s", (_, state, now, reportedInRow) => {
    expect(TokenState.afterAcceptance(state, maxRetryAfter, now).reportedInRow).toBe(reportedInRow)
  })
})
