import { once } from "node:events"
import type { ServerResponse } from "node:http"
import { connect } from "node:net"
import { HttpRouter } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope, TestClock } from "effect"
import { StatusPage, TokenCache } from "effect-token-cache"
import { serve } from "../examples/main/serve.js"
import { readEvents } from "./support/eventStream.js"
import { scripted, succeed } from "./support/issuer.js"
import { linksOf } from "./support/statusPage.js"
import { until } from "./support/until.js"

const working = () => ({ issue: scripted(succeed("1 hour")).issue, jitter: 0 })

describe("mounting", () => {
  it.scopedLive("works under any path of a router, with and without the slash at the end", () =>
    Effect.gen(function* () {
      const page = yield* StatusPage.make()
      const router = HttpRouter.empty.pipe(HttpRouter.mountApp("/ops/tokens", page), HttpRouter.mountApp("/two", page))
      const { url } = yield* serve(router)
      yield* TokenCache.token("api")
      for (const [address, prefix] of [
        ["/ops/tokens", "/ops/tokens"],
        ["/ops/tokens/", "/ops/tokens"],
        ["/ops/tokens?q=/x/", "/ops/tokens"],
        ["/two", "/two"]
      ] as const) {
        const html = yield* Effect.promise(async () => (await fetch(url + address)).text())
        const links = linksOf(html, url + address)
        assert.deepStrictEqual(
          links,
          ["events", "status.json", "metrics", "health/ready", "health/live"].map((path) => `${prefix}/${path}`)
        )
        for (const link of links) {
          const { body, status } = yield* Effect.promise(() => fetch(url + link))
          yield* Effect.promise(async () => body?.cancel())
          assert.strictEqual(status, 200, link)
        }
      }
    }).pipe(Effect.provide(TokenCache.layer({ api: working() })))
  )
})

describe("a client that never reads", () => {
  const names = Array.from({ length: 500 }, (_, index) => `${index}-${"n".repeat(180)}`)
  const Tokens = TokenCache.layer(Object.fromEntries(names.map((name) => [name, working()])))
  const megabyte = 1_000_000

  it.scoped("costs two messages at most, delays nobody, and is dropped", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const page = yield* Scope.extend(StatusPage.make(), scope)
      const { server, url } = yield* serve(page)
      const responses: Array<ServerResponse> = []
      server.on("request", (_, response) => responses.push(response))

      const stuck = connect(Number(new URL(url).port), "127.0.0.1")
      yield* Effect.addFinalizer(() => Effect.sync(() => stuck.destroy()))
      stuck.write("GET /events HTTP/1.1\r\nHost: status.test\r\n\r\n")
      yield* until(() => responses.length === 1)
      const reading = readEvents(yield* Effect.promise(() => fetch(`${url}/events`)))
      yield* until(() => reading.messages.length === 1)

      for (let seconds = 1; seconds <= 60; seconds++) {
        yield* Effect.forEach(names, TokenCache.token, { discard: true })
        yield* TestClock.adjust("1 second")
        yield* until(() => reading.messages.length === seconds + 1)
      }
      const sent = reading.chunks.reduce((sum, length) => sum + length, 0)
      assert.isAbove(sent, 30 * megabyte)
      const [response] = responses
      // What the kernel takes for itself is not ours; the rest is one message that it did not take.
      assert.isBelow(response!.writableLength, 2 * megabyte)
      assert.isBelow(response!.socket!.bytesWritten, sent / 3)

      // It is the page that broke the connection: the server is still open.
      yield* Effect.promise(async () => {
        if (!response!.destroyed) await once(response!, "close")
      })
      assert.strictEqual(yield* Effect.promise(() => connections(server)), 1)
      yield* Scope.close(scope, Exit.void)
      yield* Effect.promise(() => reading.ended)
      assert.isTrue(server.listening)
    }).pipe(Effect.provide(Tokens))
  )
})

const connections = (server: { getConnections: (done: (error: Error | null, count: number) => void) => unknown }) =>
  new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)))
