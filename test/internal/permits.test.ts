import { assert, describe, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import * as Entry from "../../src/internal/cache/entry.js"
import * as Permits from "../../src/internal/cache/permits.js"
import * as TokenState from "../../src/internal/cache/tokenState.js"

const queued = (name: string) => {
  const entry = Entry.make(name, { issue: Effect.never }, Context.unsafeMake(new Map()), 0)
  entry.state = TokenState.queued(entry.state)
  entry.demand = { trigger: "read", urgent: true }
  return entry
}

const attempt = (): Entry.Attempt => ({
  startedAt: 0,
  startedAtNanos: 0n,
  fiber: undefined,
  holdsPermit: false,
  trigger: "startup",
  awaitingLease: false,
  span: undefined,
  acceptedSkew: 0
})

describe("Permits.next", () => {
  it("passes over a token that got one from another process, and gives the next that a reader waits for", () => {
    const permits = Permits.make(1)
    permits.take(attempt())
    const taken = queued("taken over")
    const waits = queued("waits")
    permits.enqueue(taken)
    permits.enqueue(waits)
    taken.state = TokenState.running(taken.state)
    taken.demand = undefined
    assert.strictEqual(permits.next(), waits)
    assert.strictEqual(permits.next(), undefined)
  })
})
