import { assert, describe, it } from "@effect/vitest"
import { Chunk, Deferred, Effect, Fiber, Queue, Stream, TestClock } from "effect"
import { StatusPage, TokenCache } from "effect-token-cache"
import * as Sse from "../src/internal/statusPage/sse.js"
import * as View from "../src/internal/statusPage/view.js"

const cache = TokenCache.layerTest({ line: "t" })

describe("StatusPageOptions.allowedHosts", () => {
  const ask = (handler: (request: Request) => Promise<Response>, host: string) =>
    Effect.promise(() => handler(new Request("http://ops.example:8080/status.json", { headers: { host } })))

  it.scoped("answers these hosts, and no other", () =>
    Effect.gen(function* () {
      const handler = yield* StatusPage.toWebHandler({ allowedHosts: ["ops.example:8080"] })
      for (const [host, status] of [
        ["ops.example:8080", 200],
        ["OPS.example:8080", 200],
        ["ops.example", 421],
        ["evil.example", 421]
      ] as const) {
        const response = yield* ask(handler, host)
        assert.strictEqual(response.status, status, host)
        assert.strictEqual((yield* Effect.promise(() => response.text())).includes("line"), status === 200)
      }
    }).pipe(Effect.provide(cache))
  )

  it.scoped("answers every host by default", () =>
    Effect.gen(function* () {
      const handler = yield* StatusPage.toWebHandler()
      assert.strictEqual((yield* ask(handler, "evil.example")).status, 200)
    }).pipe(Effect.provide(cache))
  )
})

describe("the status page", () => {
  it.scoped("is kept apart from the windows and documents of other origins", () =>
    Effect.gen(function* () {
      const handler = yield* StatusPage.toWebHandler()
      for (const path of ["/", "/status.json", "/metrics", "/health/ready", "/nowhere"]) {
        const { headers } = yield* Effect.promise(() => handler(new Request(`http://localhost${path}`)))
        assert.strictEqual(headers.get("cross-origin-opener-policy"), "same-origin", path)
        assert.strictEqual(headers.get("cross-origin-resource-policy"), "same-origin", path)
      }
    }).pipe(Effect.provide(cache))
  )
})

describe("a client of /events that does not read", () => {
  it.scoped("is dropped after 30 seconds, and another one gets its place", () =>
    Effect.gen(function* () {
      const closed = yield* Deferred.make<void>()
      const view = Effect.clockWith((clock) => Effect.map(clock.currentTimeMillis, (now) => View.make(now, [], [])))
      const live = yield* Sse.make({ maxClients: 1, title: "t", view, closed })
      let destroyed = 0
      const connection = { socket: { destroy: () => destroyed++ } }
      const read = yield* Queue.unbounded<string>()
      const hangs = live.stream(connection).pipe(
        Stream.decodeText(),
        Stream.tap((text) => Queue.offer(read, text)),
        Stream.mapEffect(() => Effect.never),
        Stream.runDrain
      )
      yield* Effect.forkScoped(hangs)
      assert.include(yield* Queue.take(read), "event: view")
      assert.isTrue(live.isFull())
      yield* TestClock.adjust("29 seconds")
      assert.isTrue(live.isFull())
      yield* TestClock.adjust("11 seconds")
      assert.isFalse(live.isFull())
      assert.strictEqual(destroyed, 1)
    })
  )

  it.scoped("stays while it reads", () =>
    Effect.gen(function* () {
      const closed = yield* Deferred.make<void>()
      const view = Effect.clockWith((clock) => Effect.map(clock.currentTimeMillis, (now) => View.make(now, [], [])))
      const live = yield* Sse.make({ maxClients: 1, title: "t", view, closed })
      const reader = yield* Effect.forkScoped(Stream.runCollect(Stream.decodeText(live.stream(undefined))))
      yield* TestClock.adjust("2 minutes")
      assert.isTrue(live.isFull())
      yield* Deferred.succeed(closed, undefined)
      yield* TestClock.adjust("1 second")
      assert.isAtLeast(Chunk.size(yield* Fiber.join(reader)), 5)
    })
  )
})
