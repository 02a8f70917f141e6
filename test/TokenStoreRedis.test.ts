import { inspect } from "node:util"
import { Config, ConfigProvider, Effect, Exit, Fiber, Layer, Scope, TestClock, TestContext } from "effect"
import type { TokenCacheService } from "effect-token-cache"
import * as TokenStoreRedis from "effect-token-cache/TokenStoreRedis"
import { assert, describe, it } from "vitest"
import { faultProxy } from "./support/faultProxy.js"
import { freePort } from "./support/freePort.js"
import { heldTimers } from "./support/heldTimers.js"
import * as Issuer from "./support/issuer.js"
import { quiet, tell } from "./support/logs.js"
import { itWith } from "./support/parts.js"
import { type RedisServer, startRedis } from "./support/redisServer.js"
import { during, key, processWith } from "./support/sharing.js"
import { until } from "./support/until.js"

const itWithRedis = itWith("redis-server")

const redis = (options?: Parameters<typeof startRedis>[0]) =>
  Effect.acquireRelease(
    Effect.promise(() => startRedis(options)),
    (server) => Effect.promise(server.stop)
  )

const ask = (server: RedisServer, ...command: Parameters<RedisServer["ask"]>) =>
  Effect.promise(() => server.ask(...command))

/** The same for a command whose answer is a list, as those of KEYS and HGETALL are. */
const askForTexts = (server: RedisServer, ...command: Parameters<RedisServer["ask"]>) =>
  Effect.map(ask(server, ...command), (answer) => (Array.isArray(answer) ? answer.map(String) : []))

/** The tokens of two processes, and how the second one sees its own. */
const pair = (port: number, issuer = Issuer.scripted(Issuer.succeed("1 hour")), options = {}) =>
  Effect.map(
    Effect.forEach([1, 2], () =>
      processWith(
        { line: { ...issuer, identity: { client: "app" }, retryAfter: "1 second", jitter: 0 } },
        TokenStoreRedis.layer({ connection: `redis://127.0.0.1:${port}`, encryption: [key], ...options })
      )
    ),
    ([one, other]) => ({ one: one!, other: other!, issuer })
  )

const token = (cache: TokenCacheService) => Effect.map(cache.token("line"), Issuer.value)

const sharing = (cache: TokenCacheService) => Effect.map(cache.status("line"), ({ sharing }) => sharing)

/** Waits until both have one token out of the store. */
const agreed = ({ one, other }: { readonly one: TokenCacheService; readonly other: TokenCacheService }) =>
  Effect.gen(function* () {
    let same = false
    yield* until(() => {
      Effect.runSync(
        Effect.gen(function* () {
          const shared = (yield* sharing(one)) === "shared" && (yield* sharing(other)) === "shared"
          same = shared && (yield* token(one)) === (yield* token(other))
        })
      )
      return same
    })
  })

const run = (test: Effect.Effect<void, unknown, Scope.Scope>) =>
  test.pipe(Effect.provide(quiet), Effect.scoped, Effect.runPromise)

describe("a Redis that", () => {
  itWithRedis("refuses connections: each issues its own; once it is there they have one token", () =>
    run(
      Effect.gen(function* () {
        const port = yield* freePort
        const both = yield* pair(port)
        assert.notStrictEqual(yield* token(both.one), yield* token(both.other))
        assert.deepStrictEqual([yield* sharing(both.one), yield* sharing(both.other)], ["local", "local"])
        yield* redis({ port })
        yield* agreed(both)
        assert.strictEqual(both.issuer.calls.length, 2)
      })
    )
  )

  itWithRedis("is read-only: the same, until it can be written", () =>
    run(
      Effect.gen(function* () {
        const server = yield* redis()
        yield* ask(server, "REPLICAOF", "127.0.0.1", "1")
        const both = yield* pair(server.port)
        assert.notStrictEqual(yield* token(both.one), yield* token(both.other))
        assert.strictEqual(yield* sharing(both.one), "local")
        yield* ask(server, "REPLICAOF", "NO", "ONE")
        yield* agreed(both)
        assert.strictEqual(both.issuer.calls.length, 2)
      })
    )
  )

  itWithRedis("is flushed: the next refresh is for both again", () =>
    run(
      Effect.gen(function* () {
        const server = yield* redis()
        const both = yield* pair(server.port)
        yield* agreed(both)
        yield* ask(server, "FLUSHALL")
        yield* both.other.refresh("line")
        yield* agreed(both)
        assert.strictEqual(yield* token(both.one), "token-2")
        assert.strictEqual(both.issuer.calls.length, 2)
      })
    )
  )

  itWithRedis("is started anew, empty: the same", () =>
    run(
      Effect.gen(function* () {
        const server = yield* redis()
        const both = yield* pair(server.port)
        yield* agreed(both)
        yield* Effect.promise(server.stop)
        assert.strictEqual(yield* token(both.one), "token-1")
        yield* redis({ port: server.port })
        yield* both.one.refresh("line")
        yield* agreed(both)
        assert.strictEqual(yield* token(both.other), "token-2")
        assert.strictEqual(both.issuer.calls.length, 2)
      })
    )
  )

  itWithRedis("is slow: they share a token all the same", () =>
    run(
      Effect.gen(function* () {
        const server = yield* redis()
        const proxy = yield* faultProxy(server.port)
        yield* proxy.become({ _tag: "latency", millis: 200 })
        const both = yield* pair(proxy.port)
        yield* agreed(both)
        assert.strictEqual(both.issuer.calls.length, 1)
      })
    )
  )

  itWithRedis("is slower than a command may take: each issues its own, in time", () =>
    run(
      Effect.gen(function* () {
        const server = yield* redis()
        const proxy = yield* faultProxy(server.port)
        const both = yield* pair(proxy.port, undefined, { commandTimeout: "1 second" })
        yield* agreed(both)
        yield* ask(server, "CLIENT", "PAUSE", 4000)
        yield* Effect.all([both.one.refresh("line"), both.other.refresh("line")], { concurrency: "unbounded" })
        assert.strictEqual(both.issuer.calls.length, 3)
        yield* agreed(both)
        assert.strictEqual(both.issuer.calls.length, 3)
      })
    )
  )
})

describe("a lease in Redis that", () => {
  for (const [what, command] of Object.entries({
    "never runs out": ["SET"],
    "runs for longer than any process asks for": ["PSETEX", 86_400_000]
  } satisfies Record<string, [string, ...Array<number>]>)) {
    itWithRedis(`${what} is taken by the next who issues`, () =>
      run(
        Effect.gen(function* () {
          const server = yield* redis()
          const both = yield* pair(server.port)
          yield* agreed(both)
          const [name = ""] = yield* askForTexts(server, "KEYS", "*:token:*")
          const [verb, ...timeToLive] = command
          yield* ask(server, verb, name.replace(/:token:.*/, ":lease"), ...timeToLive, "gone")
          yield* both.one.refresh("line")
          yield* agreed(both)
          assert.strictEqual(yield* token(both.other), "token-2")
        })
      )
    )
  }
})

describe("a generation in Redis that is no number of a token", () => {
  for (const generation of ["text", "nan", "inf", "1e999", "-1", "1.5", "0x7fffffff", "9007199254740993"]) {
    itWithRedis(`does not keep the next token from being stored: ${generation}`, () =>
      run(
        Effect.gen(function* () {
          const server = yield* redis()
          const both = yield* pair(server.port)
          yield* agreed(both)
          const [name = ""] = yield* askForTexts(server, "KEYS", "*:token:*")
          yield* ask(server, "HSET", name, "generation", generation)
          yield* both.one.refresh("line")
          yield* agreed(both)
          assert.strictEqual(yield* token(both.other), "token-2")
          assert.strictEqual(yield* ask(server, "HGET", name, "generation"), "2")
        })
      )
    )
  }
})

describe("TokenStoreRedis", () => {
  itWithRedis("takes over nothing that was copied from another prefix", () =>
    run(
      Effect.gen(function* () {
        const server = yield* redis()
        const issuer = Issuer.scripted(Issuer.succeed("1 hour"))
        yield* agreed(yield* pair(server.port, issuer, { prefix: "staging" }))
        const [name = ""] = yield* askForTexts(server, "KEYS", "*:token:*")
        yield* ask(server, "COPY", name, name.replace("staging", "production"))
        const both = yield* pair(server.port, issuer, { prefix: "production" })
        yield* agreed(both)
        assert.strictEqual(yield* token(both.one), "token-2")
      })
    )
  )

  itWithRedis("keeps apart what has another prefix", () =>
    run(
      Effect.gen(function* () {
        const server = yield* redis()
        const issuer = Issuer.scripted(Issuer.succeed("1 hour"))
        yield* agreed(yield* pair(server.port, issuer, { prefix: "a" }))
        yield* agreed(yield* pair(server.port, issuer, { prefix: "b" }))
        assert.strictEqual(issuer.calls.length, 2)
        assert.isTrue((yield* askForTexts(server, "KEYS", "*")).every((key) => /^[ab]:\{/.test(key)))
      })
    )
  )

  itWithRedis("holds no token, secret or client in clear, and nothing without end but secrets", () =>
    run(
      Effect.gen(function* () {
        const server = yield* redis()
        const issuer = Issuer.scripted(Issuer.succeed("1 hour", "s3cr3t-token"))
        const app = processWith(
          { "s3cr3t-name": { ...issuer, identity: { client: "s3cr3t-client" } } },
          TokenStoreRedis.layer({ connection: server.url, encryption: [key] })
        )
        yield* during(app, (cache) => cache.token("s3cr3t-name"))
        const keys = yield* askForTexts(server, "KEYS", "*")
        assert.strictEqual(keys.length, 1)
        const dump = [...keys, ...(yield* askForTexts(server, "HGETALL", keys[0]!))].join()
        assert.notInclude(dump, "s3cr3t")
        for (const part of dump.split(/[.,:]/)) {
          assert.notInclude(Buffer.from(part, "base64url").toString(), "s3cr3t")
        }
        assert.isAbove(Number(yield* ask(server, "PTTL", keys[0]!)), 0)
      })
    )
  )

  itWithRedis("is waited for by many tokens without a word", () =>
    run(
      Effect.gen(function* () {
        const server = yield* redis()
        const warnings: Array<Error> = []
        const note = (warning: Error) => void warnings.push(warning)
        process.on("warning", note)
        yield* Effect.addFinalizer(() => Effect.sync(() => process.off("warning", note)))
        const names = Array.from({ length: 100 }, (_, index) => `token ${index}`)
        const { issue } = Issuer.scripted(Issuer.succeed("1 hour"))
        const cache = yield* processWith(
          Object.fromEntries(names.map((name) => [name, { issue, identity: { client: "app" } }])),
          TokenStoreRedis.layer({ connection: server.url, encryption: [key] })
        )
        yield* Effect.forEach(names, cache.token, { concurrency: "unbounded" })
        // Where the machine is too busy for Redis to answer in time, a token is shared later.
        yield* Effect.repeat(Effect.delay(cache.statuses, "20 millis"), {
          until: (statuses) => statuses.every(({ sharing }) => sharing === "shared")
        })
        assert.deepStrictEqual(warnings, [])
      })
    )
  )

  itWithRedis("leaves no connection behind", () =>
    run(
      Effect.gen(function* () {
        const server = yield* redis()
        const connections = Effect.map(ask(server, "CLIENT", "LIST"), (list) => String(list).trim().split("\n").length)
        const before = yield* connections
        yield* Effect.scoped(Effect.flatMap(pair(server.port), agreed))
        yield* Effect.repeat(Effect.delay(connections, "20 millis"), { until: (count) => count === before })
      })
    )
  )

  it("does not hold up the closing of the layer while it cannot be reached", () =>
    run(
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const { one } = yield* Scope.extend(pair(yield* freePort), scope)
        const reading = yield* Effect.fork(token(one))
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.join(reading)
        // Then the token of this process is to be brought into the store, whose time does not go on from here.
        yield* TestClock.adjust("5 seconds")
        yield* heldTimers
        yield* Scope.close(scope, Exit.void)
      }).pipe(Effect.provide(TestContext.TestContext))
    ))

  it("says nothing of the password, whatever is wrong with the address", async () => {
    for (const connection of [
      "redis://user:s3cr3t@127.0.0.1:1",
      "rediss://user:s3cr3t@127.0.0.1:1/0?tls=s3cr3t",
      "redis://user:s3cr3t@127.0.0.1:port",
      "s3cr3t://127.0.0.1"
    ]) {
      const shown: Array<unknown> = []
      const exit = await processWith(
        { line: { ...Issuer.scripted(Issuer.succeed("1 hour")), identity: { client: "app" } } },
        TokenStoreRedis.layerConfig({ connection: Config.redacted("REDIS_URL"), encryption: Config.succeed([key]) })
      ).pipe(
        Effect.flatMap((cache) => Effect.zip(cache.token("line"), cache.statuses)),
        Effect.scoped,
        Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["REDIS_URL", connection]]))),
        Effect.provide(tell((entry) => shown.push(entry))),
        Effect.runPromiseExit
      )
      assert.notInclude(inspect([exit, shown], { depth: 20 }), "s3cr3t")
    }
  })

  it("refuses options that cannot work", async () => {
    const connection = "redis://127.0.0.1:1"
    for (const [option, options] of Object.entries({
      prefix: { connection, prefix: "a b" },
      commandTimeout: { connection, commandTimeout: 0 },
      leaseTimeToLive: { connection, leaseTimeToLive: -1 }
    })) {
      const exit = await Effect.runPromiseExit(
        Effect.scoped(Layer.build(TokenStoreRedis.layer({ ...options, encryption: [key] })))
      )
      assert.isTrue(Exit.isFailure(exit))
      assert.include(String(exit), option)
    }
  })
})
