import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import { tokenStoreContract } from "effect-token-cache/testing"
import { Redis } from "ioredis"
import { afterAll, assert, beforeAll, describe } from "vitest"
import * as RedisBackend from "../src/internal/store/redisBackend.js"
import { itWith } from "./support/parts.js"
import { type RedisServer, startRedis } from "./support/redisServer.js"

const docs = readFileSync(fileURLToPath(new URL("../docs/fleet.md", import.meta.url)), "utf8")

const itWithRedis = itWith("redis-server")

describe("the user of docs/fleet.md", () => {
  let server: RedisServer | undefined
  let url = ""

  beforeAll(async () => {
    server = await startRedis()
    const [, rules = ""] = /^ACL SETUSER token-cache (.+)$/m.exec(docs) ?? []
    await server.ask("ACL", "SETUSER", "token-cache", ...rules.split(" "))
    const [, password = ""] = />(\S+)/.exec(rules) ?? []
    url = `redis://token-cache:${password}@127.0.0.1:${server.port}`
  })
  afterAll(() => server?.stop())

  const backend = Effect.suspend(() => Effect.orDie(RedisBackend.make({ connection: url })))

  itWithRedis("may do all that a store does, and is denied nothing of it", async () => {
    await tokenStoreContract(backend).reduce(
      (before, { test }) => before.then(() => Effect.runPromise(Effect.scoped(test))),
      Promise.resolve()
    )
    assert.deepStrictEqual(await server?.ask("ACL", "LOG"), [])
  })

  for (const command of [
    ["GET", "other:key"],
    ["EVAL", "return redis.call('GET', 'other:key')", 0],
    ["PUBLISH", "other", "message"],
    ["SUBSCRIBE", "token-cache:other"],
    ["KEYS", "token-cache:*"],
    ["SCAN", 0],
    ["FLUSHALL"],
    ["CONFIG", "GET", "requirepass"],
    ["ACL", "WHOAMI"]
  ] as const) {
    itWithRedis(`may not ${command.join(" ")}`, async () => {
      const redis = new Redis(url)
      const [name, ...args] = command
      const answer = await redis.call(name, ...args).catch((error: Error) => error.message)
      redis.disconnect()
      assert.match(String(answer), /NOPERM|The user executing the script can.t access/)
    })
  }
})
