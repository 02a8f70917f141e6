import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Redacted } from "effect"
import * as Entry from "../../src/internal/cache/entry.js"
import * as TokenState from "../../src/internal/cache/tokenState.js"

const token = {
  accessToken: Redacted.make("token"),
  issuedAt: 0,
  expiresAt: 60_000,
  usableUntil: 55_000,
  generation: 1
}

const make = (idle?: Entry.Idle) =>
  Entry.make("line", { issue: Effect.never, issueTimeout: 2000.5 }, Context.unsafeMake(new Map()), 100, idle)

const attempt = (holdsPermit: boolean): Entry.Attempt => ({
  startedAt: 100,
  startedAtNanos: 0n,
  fiber: undefined,
  holdsPermit,
  trigger: "startup",
  awaitingLease: false,
  span: undefined,
  acceptedSkew: 0
})

const idle = { timeToLive: 1000.5, readAt: 100, readAtNanos: 0n, waiting: 0, released: () => {} }

describe("Entry.nextDeadline", () => {
  it("of a new token is now", () => {
    assert.strictEqual(Entry.nextDeadline(make(), 1000.5), 100)
  })

  it("of an attempt is when it has to give its permit back, and then its time limit", () => {
    const entry = make()
    entry.state = TokenState.running(entry.state)
    entry.attempt = attempt(true)
    assert.strictEqual(Entry.nextDeadline(entry, 1000.5), 1101)
    entry.attempt = attempt(false)
    assert.strictEqual(Entry.nextDeadline(entry, 1000.5), 2101)
  })

  it("of a token is its next attempt or its end", () => {
    const entry = make()
    entry.state = TokenState.issued(entry.state, token, 40_000)
    assert.strictEqual(Entry.nextDeadline(entry, 1000.5), 40_000)
    entry.state = TokenState.queued(entry.state)
    assert.strictEqual(Entry.nextDeadline(entry, 1000.5), 55_000)
  })

  it("of a tenant is the end of its idle time, in whole milliseconds", () => {
    const entry = make(idle)
    entry.state = TokenState.issued(entry.state, token, 40_000)
    assert.strictEqual(Entry.nextDeadline(entry, 1000.5), 1101)
    entry.state = TokenState.stopped(entry.state)
    assert.strictEqual(Entry.nextDeadline(entry, 1000.5), TokenState.never)
  })
})

describe("Entry.usableToken", () => {
  it("is the token until either clock has reached its end", () => {
    const entry = make()
    entry.state = TokenState.issued(entry.state, token, 40_000)
    entry.usableUntilNanos = 55n
    assert.strictEqual(Entry.usableToken(entry, 54_999, 54n), token)
    assert.strictEqual(Entry.usableToken(entry, 55_000, 54n), undefined)
    assert.strictEqual(Entry.usableToken(entry, 54_999, 55n), undefined)
  })
})
