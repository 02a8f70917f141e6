import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Layer, Scope, Stream, TestClock } from "effect"
import { StatusPage, TokenCache } from "effect-token-cache"
import * as Sse from "../src/internal/statusPage/sse.js"
import * as View from "../src/internal/statusPage/view.js"
import { readEvents } from "./support/eventStream.js"
import { fail, scripted, succeed } from "./support/issuer.js"
import { settableClock } from "./support/settableClock.js"
import { until } from "./support/until.js"

const request = () => new Request("http://status.test/events")

const working = () => ({ issue: scripted(succeed("1 hour")).issue, jitter: 0 })

/** Opens a stream of the page and waits for its first message. */
const watch = (handler: (request: Request) => Promise<Response>) =>
  Effect.gen(function* () {
    const response = yield* Effect.promise(() => handler(request()))
    assert.deepStrictEqual([response.status, response.headers.get("x-accel-buffering")], [200, "no"])
    const stream = readEvents(response)
    yield* Effect.addFinalizer(() => Effect.promise(() => stream.cancel()))
    yield* until(() => stream.messages.length > 0)
    return stream
  })

const isDown = ({ summary }: Record<string, unknown>) => String(summary).includes("1 down")

/** The names in the rows of a message. */
const rowsOf = (data: unknown) =>
  Array.from(JSON.stringify(data).matchAll(/data-key=\\"([^"\\]*)\\"/g), ([, key]) => key)

describe("/events", () => {
  it.scoped("begins with all rows, and then sends what has changed, at most once a second", () =>
    Effect.gen(function* () {
      const handler = yield* StatusPage.toWebHandler()
      yield* Effect.all([TokenCache.token("one"), TokenCache.token("two")])
      const { messages } = yield* watch(handler)
      // Nothing happens: no message.
      yield* TestClock.adjust("5 seconds")
      // Much happens to one token within a second: one message.
      for (let times = 0; times < 50; times++) {
        yield* TokenCache.token("two")
      }
      yield* TokenCache.refresh("two")
      yield* TestClock.adjust("1 second")
      yield* until(() => messages.length === 2)
      yield* TokenCache.token("one")
      yield* TestClock.adjust("1 second")
      yield* until(() => messages.length === 3)
      assert.deepStrictEqual(
        messages.map(({ data, event }) => [event, rowsOf(data)]),
        [
          ["view", ["one", "two"]],
          ["view", ["two"]],
          ["view", ["one"]]
        ]
      )
      const [first, second, third] = messages.map(({ data }) => data as Record<string, unknown>) // of this test's own page
      assert.deepStrictEqual(first?.keys, ["one", "two"])
      assert.match(String(first?.summary), /2 tokens, all usable/)
      assert.deepStrictEqual(Object.keys(second ?? {}), ["now", "rows", "events"])
      assert.match(String(second?.rows), /data-label="Reads"><div>51</)
      assert.match(String(second?.events), /issued<\/b> <bdi>two/)
      assert.deepStrictEqual(third?.events, [])
    }).pipe(Effect.provide(TokenCache.layer({ one: working(), two: working() })))
  )

  it.scoped("says every 15 seconds that it is still there", () =>
    Effect.gen(function* () {
      const handler = yield* StatusPage.toWebHandler()
      yield* TokenCache.token("one")
      const { messages } = yield* watch(handler)
      yield* TestClock.adjust("14 seconds")
      yield* TestClock.adjust("1 second")
      yield* until(() => messages.length === 2)
      yield* TestClock.adjust("15 seconds")
      yield* until(() => messages.length === 3)
      assert.deepStrictEqual(
        messages.slice(1).map(({ data, event }) => [event, data]),
        [
          ["heartbeat", 15_000],
          ["heartbeat", 30_000]
        ]
      )
    }).pipe(Effect.provide(TokenCache.layer({ one: working() })))
  )

  it.scoped("shows an expiry that nobody reads, and the new order of the rows", () =>
    Effect.gen(function* () {
      const issuer = scripted(succeed("10 minutes"), fail())
      yield* Effect.gen(function* () {
        const handler = yield* StatusPage.toWebHandler()
        yield* Effect.all([TokenCache.token("steady"), TokenCache.token("failing")])
        const { messages } = yield* watch(handler)
        yield* TestClock.adjust("11 minutes")
        // Of this test's own page.
        const views = () => messages.map(({ data }) => data as Record<string, unknown>)
        yield* until(() => views().some(isDown))
        const { rows, title } = views().find(isDown) ?? {}
        const orders = views().flatMap(({ keys }) => (keys === undefined ? [] : [keys]))
        assert.deepStrictEqual(orders, [
          ["steady", "failing"],
          ["failing", "steady"]
        ])
        assert.strictEqual(title, "1 down · Access tokens")
        assert.match(String(rows), /<tr role="row" class="down" data-key="failing">/)
      }).pipe(Effect.provide(TokenCache.layer({ steady: working(), failing: { issue: issuer.issue, jitter: 0 } })))
    })
  )

  it.scoped("sends a client that comes back to it what there is by then, not each step on the way", () =>
    Effect.gen(function* () {
      const handler = yield* StatusPage.toWebHandler()
      yield* TokenCache.token("one")
      const response = yield* Effect.promise(() => handler(request()))
      for (let seconds = 0; seconds < 60; seconds++) {
        yield* TokenCache.token("one")
        yield* TestClock.adjust("1 second")
      }
      const { cancel, messages } = readEvents(response)
      yield* Effect.addFinalizer(() => Effect.promise(() => cancel()))
      yield* until(() => messages.some(({ data }) => JSON.stringify(data).includes(">61<")))
      // What was on the way already, and the difference.
      assert.isAtMost(messages.length, 4)
    }).pipe(Effect.provide(TokenCache.layer({ one: working() })))
  )

  it.scoped("spends no more than a twentieth of the time on rendering", () =>
    Effect.gen(function* () {
      const { adjust, clock } = yield* settableClock
      const statuses = yield* TokenCache.statuses
      let renderings = 0
      let nanos = 0n
      const view = Effect.sync(() => {
        renderings++
        nanos += 100_000_000n
        return View.make(0, statuses, [])
      })
      const { stream } = yield* Sse.make({ maxClients: 2, title: "", view, closed: yield* Deferred.make<void>() })
      const slow = { ...clock, unsafeCurrentTimeNanos: () => nanos }
      const watching = Effect.forkScoped(Stream.runDrain(stream(undefined)))
      yield* Effect.withClock(Effect.zipRight(watching, watching), slow)
      yield* adjust("60 seconds")
      // One takes 100 ms, and the next comes at the first full second that is more than 2 seconds later.
      assert.strictEqual(renderings, 21)
    }).pipe(Effect.provide(TokenCache.layer({ one: working() })))
  )

  it.scoped("takes a limited number of clients; more are told when to come back", () =>
    Effect.gen(function* () {
      const handler = yield* StatusPage.toWebHandler({ maxEventStreams: 2 })
      const first = yield* watch(handler)
      yield* watch(handler)
      const refused = yield* Effect.promise(() => handler(request()))
      assert.deepStrictEqual([refused.status, refused.headers.get("retry-after")], [503, "10"])
      assert.strictEqual(refused.headers.get("cache-control"), "no-store")
      yield* Effect.promise(() => first.cancel())
      yield* watch(handler)
    }).pipe(Effect.provide(TokenCache.layer({ one: working() })))
  )

  it.scoped("takes 20 clients by default, also when they all come at once", () =>
    Effect.gen(function* () {
      const handler = yield* StatusPage.toWebHandler()
      const responses = yield* Effect.promise(() => Promise.all(Array.from({ length: 30 }, () => handler(request()))))
      const streams = responses.filter(({ status }) => status === 200).map(readEvents)
      yield* Effect.addFinalizer(() => Effect.promise(() => Promise.all(streams.map((stream) => stream.cancel()))))
      const served = () => streams.filter(({ messages }) => messages.length > 0).length
      yield* until(() => served() + streams.filter(({ state }) => state.ended).length === streams.length)
      assert.strictEqual(served(), 20)
    }).pipe(Effect.provide(TokenCache.layer({ one: working() })))
  )

  it.scoped("takes none where the limit is not a number", () =>
    Effect.gen(function* () {
      const handler = yield* StatusPage.toWebHandler({ maxEventStreams: Number.NaN })
      assert.strictEqual((yield* Effect.promise(() => handler(request()))).status, 503)
    }).pipe(Effect.provide(TokenCache.layer({ one: working() })))
  )

  it.scoped("ends when the cache closes, for new clients too", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(TokenCache.layer({ one: working() }), scope)
      const handler = yield* Effect.provide(StatusPage.toWebHandler(), context)
      const { ended } = yield* watch(handler)
      yield* Scope.close(scope, Exit.void)
      yield* Effect.promise(() => ended)
      const late = readEvents(yield* Effect.promise(() => handler(request())))
      yield* Effect.promise(() => late.ended)
      assert.deepStrictEqual(late.messages, [])
    })
  )

  it.scoped("ends when the page's scope closes", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const handler = yield* Scope.extend(StatusPage.toWebHandler(), scope)
      const { ended } = yield* watch(handler)
      yield* Scope.close(scope, Exit.void)
      yield* Effect.promise(() => ended)
    }).pipe(Effect.provide(TokenCache.layer({ one: working() })))
  )
})
