import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeContext, NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Logger, Redacted } from "effect"
import { LineChannel, TokenCache, TokenStore } from "effect-token-cache"
import { LineEmulator, lineChannelId, lineChannelSecret } from "effect-token-cache/testing"
import * as Issuer from "./support/issuer.js"
import { lineChannel } from "./support/lineChannel.js"
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
  Effect.provide(effect, [LineEmulator.layer(), Logger.remove(Logger.defaultLogger)])

/** An app that is started, reads its token, and ends. */
const start = (source: LineChannel.LineSource, store?: Layer.Layer<TokenStore.TokenStore, unknown>) => {
  const tokens = Layer.provide(TokenCache.layer({ line: source }), NodeHttpClient.layer)
  return TokenCache.token("line").pipe(
    Effect.map(Issuer.value),
    Effect.provide(Layer.orDie(store === undefined ? tokens : Layer.provide(tokens, store)))
  )
}

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
    ).pipe(Effect.provide(Logger.remove(Logger.defaultLogger)))
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
})
