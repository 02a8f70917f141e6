import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeContext } from "@effect/platform-node"
import { Effect, type Scope } from "effect"
import type { TokenStore } from "effect-token-cache"
import { tokenStoreContract } from "effect-token-cache/testing"
import { Cluster } from "ioredis"
import { afterAll, beforeAll, describe, it } from "vitest"
import * as File from "../src/internal/store/fileBackend.js"
import * as Redis from "../src/internal/store/redisBackend.js"
import * as MemoryBackend from "./support/memoryBackend.js"
import { itWith } from "./support/parts.js"
import { type RedisServer, startRedis } from "./support/redisServer.js"

type Make = Effect.Effect<TokenStore.Backend, TokenStore.StoreError, Scope.Scope>

const itKeeps = (make: () => Make, test: ReturnType<typeof itWith> = it) => {
  for (const [index, { name }] of tokenStoreContract(Effect.never).entries()) {
    test(name, async () => {
      const { test } = tokenStoreContract(make())[index]!
      await Effect.runPromise(Effect.scoped(test))
    })
  }
}

describe("a store in memory, which other tests use,", () => {
  const shared = Effect.runSync(MemoryBackend.make)
  itKeeps(() => Effect.succeed(shared))
})

describe("TokenStore.layerFile", () => {
  let directory: string
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "tokens-"))
  })
  afterAll(() => rmSync(directory, { recursive: true }))
  itKeeps(() => Effect.provide(File.make(join(directory, "made", "by it")), NodeContext.layer))
})

const itWithRedis = itWith("redis-server")

describe("TokenStoreRedis", () => {
  let server: RedisServer | undefined
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server?.stop())
  itKeeps(() => connected({ connection: server?.url ?? "" }), itWithRedis)
})

describe("TokenStoreRedis on a cluster", () => {
  let server: RedisServer | undefined
  beforeAll(async () => {
    server = await startRedis({ args: ["--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1"] })
    await server.ask("CLUSTER", "ADDSLOTSRANGE", 0, 16_383)
    while (!String(await server.ask("CLUSTER", "INFO")).includes("cluster_state:ok"));
  })
  afterAll(() => server?.stop())
  itKeeps(
    () =>
      connected({
        connection: (redisOptions) =>
          new Cluster([{ host: "127.0.0.1", port: server?.port ?? 0 }], { redisOptions, enableOfflineQueue: false })
      }),
    itWithRedis
  )
})

/** A backend that has its connections: without them a command fails at once. */
const connected = (options: Redis.RedisBackendOptions): Make =>
  Effect.tap(Effect.orDie(Redis.make(options)), (backend) =>
    Effect.eventually(Effect.delay(backend.readSecret("nothing"), "20 millis"))
  )
