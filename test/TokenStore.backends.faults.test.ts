import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { FileSystem, Error as PlatformError } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Logger, Redacted, Stream } from "effect"
import { IssuedToken, TokenCache } from "effect-token-cache"
import * as TokenStoreRedis from "effect-token-cache/TokenStoreRedis"
import * as File from "../src/store/file.js"
import { freePort } from "./support/redisServer.js"

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "tokens-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
)

/** A file system that does some things in another way. */
const changed = (change: (fs: FileSystem.FileSystem) => Partial<FileSystem.FileSystem>) =>
  Layer.merge(
    NodeContext.layer,
    Layer.effect(
      FileSystem.FileSystem,
      Effect.map(FileSystem.FileSystem, (fs) => ({ ...fs, ...change(fs) }))
    ).pipe(Layer.provide(NodeContext.layer))
  )

describe("TokenStore.layerFile", () => {
  it.live("gives no lease to who was stopped while it took it, and went on when others had it", () =>
    Effect.gen(function* () {
      const place = yield* directory
      const others = yield* Effect.provide(File.make(place), NodeContext.layer)
      const meanwhile = Effect.gen(function* () {
        yield* others.acquire("group", "second", 60_000)
        yield* others.release("group", "second")
        yield* others.acquire("group", "third", 60_000)
      }).pipe(Effect.orDie)
      const stopped = yield* Effect.provide(
        File.make(place),
        changed((fs) => ({ link: (from, to) => Effect.zipRight(meanwhile, fs.link(from, to)) }))
      )
      assert.isFalse(yield* stopped.acquire("group", "first", 60_000))
      assert.isTrue(yield* others.renew("group", "third", 60_000))
    }).pipe(Effect.scoped)
  )

  it.live("goes on telling of what is written after one file could not be read", () =>
    Effect.gen(function* () {
      const place = yield* directory
      let failures = 0
      const fails = new PlatformError.SystemError({
        reason: "Busy",
        module: "FileSystem",
        method: "readDirectory",
        pathOrDescriptor: "there"
      })
      const backend = yield* Effect.provide(
        File.make(place),
        changed((fs) => ({
          readDirectory: (path, options) =>
            Effect.suspend(() => (failures-- > 0 ? Effect.fail(fails) : fs.readDirectory(path, options)))
        }))
      )
      const other = yield* Effect.provide(File.make(place), NodeContext.layer)
      const key = { group: "group", id: "id" }
      const heard = yield* Effect.fork(
        Stream.runHead(Stream.filter(backend.changes, ({ generation }) => generation === 2))
      )
      yield* Effect.sleep("200 millis")
      yield* other.acquire("group", "other", 60_000)
      failures = 1
      yield* other.write(key, "other", { generation: 1, value: "a", timeToLive: 60_000 })
      yield* Effect.sleep("200 millis")
      yield* other.write(key, "other", { generation: 2, value: "b", timeToLive: 60_000 })
      const change = yield* Effect.timeout(Fiber.join(heard), "3 seconds")
      assert.strictEqual(change._tag, "Some")
    }).pipe(Effect.scoped)
  )
})

describe("TokenStoreRedis", () => {
  const encryption = [{ id: "test", key: Redacted.make(Buffer.alloc(32, 7).toString("base64")) }]

  /** Of a port where nothing listens. */
  const tokens = (count: number) =>
    Effect.map(Effect.promise(freePort), (port) =>
      TokenCache.layer(
        Object.fromEntries(
          Array.from({ length: count }, (_, index) => [
            `token ${index}`,
            {
              identity: { client: "app" },
              issue: Effect.succeed(IssuedToken.make({ accessToken: "a", expiresIn: "1 hour" }))
            }
          ])
        )
      ).pipe(
        Layer.provide(TokenStoreRedis.layer({ connection: `redis://127.0.0.1:${port}`, encryption })),
        Layer.provide(Logger.remove(Logger.defaultLogger))
      )
    )

  it.live("has node warn of nothing where many tokens wait for the connection", () =>
    Effect.gen(function* () {
      const warnings: Array<string> = []
      const onWarning = ({ message }: Error) => void warnings.push(message)
      process.on("warning", onWarning)
      yield* Effect.scoped(Effect.zipRight(Layer.build(yield* tokens(16)), Effect.sleep("500 millis")))
      process.off("warning", onWarning)
      assert.deepStrictEqual(warnings, [])
    })
  )

  it.live("does not hold up the closing of the layer while it cannot be reached", () =>
    Effect.gen(function* () {
      let closing = 0
      yield* Effect.gen(function* () {
        const context = yield* Layer.build(yield* tokens(1))
        yield* Effect.provide(TokenCache.token("token 0"), context)
        // Local tokens are brought into the store five seconds later.
        yield* Effect.sleep("5200 millis")
        closing = Date.now()
      }).pipe(Effect.scoped)
      assert.isBelow(Date.now() - closing, 1500)
    })
  )
})
