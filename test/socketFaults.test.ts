import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Stream } from "effect"
import { type IssueError, LineChannel, TokenCache } from "effect-token-cache"
import { LineEmulator } from "effect-token-cache/testing"
import { faultProxy, type ProxyMode } from "./support/faultProxy.js"
import { freePort } from "./support/freePort.js"
import { httpClients } from "./support/httpClients.js"
import { lineChannel } from "./support/lineChannel.js"
import { quiet } from "./support/logs.js"

const read = Effect.map(TokenCache.token("line"), Redacted.value)

const pass: ProxyMode = { _tag: "pass" }

/** A channel behind a proxy. */
const proxied = Effect.gen(function* () {
  const channel = yield* lineChannel
  const proxy = yield* faultProxy(Number(new URL(channel.line.url).port))
  return { ...channel, proxy, bySecret: { ...channel.bySecret, baseUrl: `http://127.0.0.1:${proxy.port}` } }
})

interface Fault {
  readonly mode: ProxyMode
  readonly reason: IssueError["reason"]
  readonly message: RegExp
}

// An answer that does not come in time is cut short by the cache; anything else says so itself, long before.
const faults: Record<string, Fault> = {
  "a connection that is reset": { mode: { _tag: "reset" }, reason: "Unreachable", message: /^issuer unreachable: / },
  "a black hole": { mode: { _tag: "blackHole" }, reason: "Timeout", message: /did not answer in time/ },
  "an answer that comes too late": {
    mode: { _tag: "latency", millis: 5000 },
    reason: "Timeout",
    message: /did not answer in time/
  },
  "an answer cut in its headers": {
    mode: { _tag: "cut", at: "headers" },
    reason: "Unreachable",
    message: /^issuer unreachable: /
  },
  "an answer cut in its body, after the 200": {
    mode: { _tag: "cut", at: "body" },
    reason: "Unreachable",
    message: /^issuer unreachable: /
  },
  "an answer that stops in its headers": {
    mode: { _tag: "stall", at: "headers" },
    reason: "Timeout",
    message: /did not answer in time/
  },
  "an answer that stops in its body, after the 200": {
    mode: { _tag: "stall", at: "body" },
    reason: "Timeout",
    message: /did not answer in time/
  }
}

const issueTimeout = (reason: IssueError["reason"]) => (reason === "Timeout" ? "400 millis" : "10 seconds")

describe.each(Object.entries(httpClients))("over %s,", (_name, client) => {
  for (const [name, { message, mode, reason }] of Object.entries(faults)) {
    it.scopedLive(`${name} is ${reason}; the old token is kept, and the next attempt succeeds`, () =>
      Effect.gen(function* () {
        const { bySecret, proxy } = yield* proxied
        yield* Effect.gen(function* () {
          const old = yield* read
          yield* proxy.become(mode)
          const error = yield* Effect.flip(TokenCache.refresh("line"))
          assert.strictEqual(error.lastError?._tag, "IssueError")
          assert.strictEqual(error.lastError?.reason, reason)
          assert.match(error.lastError?.message ?? "", message)
          assert.isFalse(error.lastError?.permanent)
          assert.strictEqual((yield* TokenCache.status("line")).state, "degraded")
          assert.strictEqual(yield* read, old)
          yield* proxy.become(pass)
          yield* Effect.retry(TokenCache.refresh("line"), { times: 5 })
          assert.notStrictEqual(yield* read, old)
          assert.strictEqual((yield* TokenCache.status("line")).state, "ready")
        }).pipe(
          Effect.provide(
            TokenCache.layer(
              { line: { ...LineChannel.stateless(bySecret), issueTimeout: issueTimeout(reason) } },
              { readTimeout: "10 seconds" }
            )
          )
        )
      }).pipe(Effect.provide([LineEmulator.layer(), client, quiet]))
    )
  }

  it.scopedLive("latency below the time limit is waited for", () =>
    Effect.gen(function* () {
      const { bySecret, line, proxy } = yield* proxied
      yield* proxy.become({ _tag: "latency", millis: 300 })
      yield* Effect.gen(function* () {
        yield* read
        assert.lengthOf(yield* line.requests, 1)
      }).pipe(
        Effect.provide(TokenCache.layer({ line: LineChannel.stateless(bySecret) }, { readTimeout: "10 seconds" }))
      )
    }).pipe(Effect.provide([LineEmulator.layer(), client, quiet]))
  )

  const cold = {
    "a port that nobody listens on": Effect.map(freePort, (port) => `http://127.0.0.1:${port}`),
    "TLS to a plain port": Effect.map(proxied, ({ proxy }) => `https://127.0.0.1:${proxy.port}`)
  }
  for (const [name, baseUrl] of Object.entries(cold)) {
    it.scopedLive(`${name} is Unreachable, and a cold reader is told`, () =>
      Effect.gen(function* () {
        const { bySecret } = yield* lineChannel
        const line = LineChannel.stateless({ ...bySecret, baseUrl: yield* baseUrl })
        const error = yield* Effect.flip(read).pipe(
          Effect.provide(TokenCache.layer({ line }, { readTimeout: "20 seconds" }))
        )
        assert.deepStrictEqual(
          [error.reason, error.lastError?.reason, error.lastError?.permanent],
          ["IssueFailed", "Unreachable", false]
        )
        assert.match(error.message, /issuer unreachable: \S.* at 127\.0\.0\.1:\d+ \(attempt 1, next in 3\ds\)/)
      }).pipe(Effect.provide([LineEmulator.layer(), client, quiet]))
    )
  }
})

describe("after an outage", () => {
  it.scopedLive("the cache finds the issuer again by itself", () =>
    Effect.gen(function* () {
      const { bySecret, proxy } = yield* proxied
      yield* proxy.become({ _tag: "reset" })
      const line = { ...LineChannel.stateless(bySecret), retryAfter: "1 second", jitter: 0 } as const
      yield* Effect.gen(function* () {
        assert.strictEqual((yield* Effect.flip(read)).lastError?.reason, "Unreachable")
        yield* proxy.become(pass)
        yield* Stream.runDrain(Stream.takeUntil(TokenCache.changes("line"), ({ state }) => state === "ready"))
        assert.match(yield* read, /^eyJ/)
      }).pipe(Effect.provide(TokenCache.layer({ line }, { readTimeout: "20 seconds" })))
    }).pipe(Effect.provide([LineEmulator.layer(), NodeHttpClient.layerUndici, quiet]))
  )
})
