import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { Redis } from "ioredis"
import { freePort } from "./freePort.js"

export interface RedisServer {
  readonly url: string
  readonly port: number
  readonly pid: number
  /** Asks the server something. */
  readonly ask: (...command: readonly [string, ...ReadonlyArray<string | number>]) => Promise<unknown>
  readonly signal: (signal: NodeJS.Signals) => void
  readonly stop: () => Promise<void>
}

/** Starts a redis-server of its own, which keeps nothing on disk, and waits until it answers. */
export const startRedis = async (options: { readonly port?: number; readonly args?: ReadonlyArray<string> } = {}) => {
  const port = options.port ?? (await Effect.runPromise(freePort))
  const directory = mkdtempSync(join(tmpdir(), "redis-"))
  const child = spawn(
    "redis-server",
    [
      ...["--port", String(port), "--bind", "127.0.0.1", "--dir", directory, "--save", "", "--appendonly", "no"],
      ...(options.args ?? [])
    ],
    { stdio: "ignore" }
  )
  const ended = once(child, "exit")
  const client = new Redis({ port, host: "127.0.0.1", retryStrategy: () => 50, maxRetriesPerRequest: null })
  client.on("error", () => {})
  await client.ping()
  const server: RedisServer = {
    url: `redis://127.0.0.1:${port}`,
    port,
    pid: child.pid ?? -1,
    ask: (command, ...args) => client.call(command, ...args),
    signal: (signal) => void child.kill(signal),
    stop: async () => {
      client.disconnect()
      child.kill("SIGCONT")
      child.kill("SIGKILL")
      await ended
      rmSync(directory, { recursive: true, force: true })
    }
  }
  return server
}
