import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { FileSystem, Error as PlatformError } from "@effect/platform"
import { NodeContext, NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Redacted, Stream } from "effect"
import { LineChannel, TokenCache, TokenStore } from "effect-token-cache"
import { LineEmulator, lineChannelId, lineChannelSecret } from "effect-token-cache/testing"
import * as File from "../src/internal/store/fileBackend.js"
import * as Issuer from "./support/issuer.js"
import { lineChannel } from "./support/lineChannel.js"
import { quiet } from "./support/logs.js"
import { during, key, processWith } from "./support/sharing.js"

const inDirectory = <A, E, R>(use: (directory: string) => Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "tokens-"))),
    (parent) => use(join(parent, "store")),
    (parent) => Effect.sync(() => rmSync(parent, { recursive: true }))
  )

const storeIn = (directory: string, encryption: TokenStore.TokenStoreOptions["encryption"] = [key]) =>
  Layer.provide(TokenStore.layerFile({ directory, encryption }), NodeContext.layer)

const line = Effect.map(lineChannel, ({ byKey }) => LineChannel.v21(byKey))

const issues = Effect.map(
  Effect.flatMap(LineEmulator, (line) => line.requests),
  (requests) => requests.filter(({ path }) => path === "/oauth2/v2.1/token").length
)

const withEmulator = <A, E>(effect: Effect.Effect<A, E, LineEmulator>) =>
  Effect.provide(effect, [LineEmulator.layer(), quiet])

/** An app that is started, reads its token, and ends. */
const start = (source: LineChannel.LineSource, store?: Layer.Layer<TokenStore.TokenStore, unknown>) => {
  const tokens = Layer.provide(TokenCache.layer({ line: source }), NodeHttpClient.layer)
  return TokenCache.token("line").pipe(
    Effect.map(Issuer.value),
    Effect.provide(Layer.orDie(store === undefined ? tokens : Layer.provide(tokens, store)))
  )
}

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
  it.live("31 starts of an app cost one issue, where LINE allows for 30 live tokens", () =>
    withEmulator(
      inDirectory((directory) =>
        Effect.gen(function* () {
          const source = yield* line
          const tokens = new Set<string>()
          for (let count = 0; count < 31; count++) {
            tokens.add(yield* start(source, storeIn(directory)))
          }
          assert.strictEqual(tokens.size, 1)
          assert.strictEqual(yield* issues, 1)
        })
      )
    )
  )

  it.live("without a store the 31st start is refused, in words that name TokenStore", () =>
    withEmulator(
      Effect.gen(function* () {
        const source = yield* line
        for (let count = 0; count < 30; count++) {
          yield* start(source)
        }
        const error = yield* Effect.flip(start(source))
        assert.deepInclude(error, { _tag: "TokenUnavailable", reason: "IssueFailed" })
        assert.include(error.lastError?.message, "TokenStore")
        assert.include(error.message, "TokenStore")
      })
    )
  )

  it.live("holds no token, secret or channel id in clear, in files that are their owner's alone", () =>
    withEmulator(
      inDirectory((directory) =>
        Effect.gen(function* () {
          const { bySecret } = yield* lineChannel
          const token = yield* start(LineChannel.shortLived(bySecret), storeIn(directory))
          const names = readdirSync(directory)
          assert.isAtLeast(names.length, 2)
          assert.strictEqual(statSync(directory).mode & 0o777, 0o700)
          for (const name of names) {
            assert.strictEqual(statSync(join(directory, name)).mode & 0o777, 0o600)
            const content = `${name} ${readFileSync(join(directory, name), "utf8")}`
            for (const secret of [token, lineChannelId, lineChannelSecret, Redacted.value(key.key)]) {
              assert.notInclude(content, secret)
              assert.notInclude(content, Buffer.from(secret).toString("base64url"))
            }
          }
        })
      )
    )
  )

  it.live("keeps the values readable where encryption is left out in words", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const issuer = Issuer.scripted(Issuer.succeed("1 hour", "in clear"))
        const app = processWith({ line: { ...issuer, identity: { client: "app" } } }, storeIn(directory, "none"))
        for (let count = 0; count < 2; count++) yield* during(app, (cache) => cache.token("line"))
        assert.strictEqual(issuer.calls.length, 1)
        assert.include(
          readdirSync(directory)
            .map((name) => readFileSync(join(directory, name), "utf8"))
            .join(),
          "in clear"
        )
      })
    )
  )

  it.live("starts anew where its files are damaged, or are not its own", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const issuer = Issuer.scripted(Issuer.succeed("1 hour"))
        const app = processWith({ line: { ...issuer, identity: { client: "app" } } }, storeIn(directory))
        const read = during(app, (cache) => Effect.map(cache.token("line"), Issuer.value))
        assert.strictEqual(yield* read, "token-1")
        for (const content of ["", "{", '{"value":"","generation":1e999,"until":9}']) {
          for (const name of readdirSync(directory)) writeFileSync(join(directory, name), content)
          writeFileSync(join(directory, "notes.txt"), "mine")
          const token = yield* read
          assert.strictEqual(token, `token-${issuer.calls.length}`)
          assert.strictEqual(yield* read, token)
        }
        assert.strictEqual(issuer.calls.length, 4)
      })
    ).pipe(Effect.provide(quiet))
  )

  it.live("fails the layer, without the path, where it cannot be", () =>
    inDirectory((parent) =>
      Effect.gen(function* () {
        writeFileSync(parent, "a file")
        const exit = yield* Effect.exit(Effect.scoped(Layer.build(storeIn(join(parent, "below a file")))))
        assert.isTrue(Exit.isFailure(exit))
        assert.include(String(exit), "StoreError")
        assert.notInclude(String(exit), parent)
      })
    )
  )

  it.live("goes on where a lease was stamped by a clock a day ahead", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const issuer = Issuer.scripted(Issuer.succeed("1 hour"))
        const app = processWith({ line: { ...issuer, identity: { client: "app" } } }, storeIn(directory))
        yield* during(app, (cache) => cache.token("line"))
        const lease = readdirSync(directory).find((name) => name.endsWith(".lease")) ?? ""
        const until = Date.now() + 86_400_000
        writeFileSync(join(directory, lease), JSON.stringify({ value: "gone", generation: 0, until }))
        const sharing = yield* during(app, (cache) =>
          Effect.gen(function* () {
            yield* cache.token("line")
            yield* cache.refresh("line")
            return (yield* cache.status("line")).sharing
          })
        )
        assert.deepStrictEqual([issuer.calls.length, sharing], [2, "shared"])
      })
    )
  )

  it.live("goes on where a generation is no number of a token", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        for (const generation of [1e300, 1.5, -1]) {
          const issuer = Issuer.scripted(Issuer.succeed("1 hour"))
          const app = processWith({ line: { ...issuer, identity: { client: "app" } } }, storeIn(directory))
          yield* during(app, (cache) => cache.token("line"))
          const file = readdirSync(directory).find((name) => name.endsWith(".token")) ?? ""
          const content = JSON.parse(readFileSync(join(directory, file), "utf8"))
          writeFileSync(join(directory, file), JSON.stringify({ ...content, generation }))
          const sharing = yield* during(app, (cache) =>
            Effect.zipRight(
              cache.token("line"),
              Effect.map(cache.status("line"), ({ sharing }) => sharing)
            )
          )
          assert.strictEqual(sharing, "shared")
        }
      })
    ).pipe(Effect.provide(quiet))
  )

  it.live("is not in a directory that group or others can write", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        mkdirSync(directory)
        const built = Effect.exit(Effect.scoped(Layer.build(storeIn(directory))))
        for (const mode of [0o770, 0o702, 0o777, 0o1777]) {
          chmodSync(directory, mode)
          const exit = yield* built
          assert.isTrue(Exit.isFailure(exit), mode.toString(8))
          assert.include(String(exit), "chmod 700")
          assert.notInclude(String(exit), directory)
        }
        for (const mode of [0o700, 0o755]) {
          chmodSync(directory, mode)
          assert.isTrue(Exit.isSuccess(yield* built), mode.toString(8))
        }
      })
    )
  )

  it.live("gives no lease to who was stopped while it took it, and went on when others had it", () =>
    inDirectory((place) =>
      Effect.gen(function* () {
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
      })
    )
  )

  it.live("goes on telling of what is written after one file could not be read", () =>
    inDirectory((place) =>
      Effect.gen(function* () {
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
        let generation = 0
        const write = Effect.suspend(() =>
          other.write(key, "other", { generation: ++generation, value: "a", timeToLive: 60_000 })
        )
        let unread = Number.POSITIVE_INFINITY
        const heard = yield* Effect.fork(
          Stream.runHead(Stream.filter(backend.changes, ({ generation }) => generation > unread))
        )
        yield* other.acquire("group", "other", 60_000)
        failures = 1
        yield* Effect.repeat(Effect.delay(write, "20 millis"), { until: () => failures < 1 })
        unread = generation
        const change = yield* Effect.raceFirst(Fiber.join(heard), Effect.forever(Effect.delay(write, "20 millis")))
        assert.strictEqual(change._tag, "Some")
      })
    )
  )
})
