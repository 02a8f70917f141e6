import { once } from "node:events"
import { type AddressInfo, createServer } from "node:net"
import { Command, FileSystem } from "@effect/platform"
import { Data, Effect, Schedule } from "effect"
import { Redis } from "ioredis"

export class NoRedis extends Data.TaggedError("NoRedis")<{ readonly message: string }> {}

const freePort = Effect.promise(async () => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  // What listens on a port has an address of this kind.
  const { port } = server.address() as AddressInfo
  await once(server.close(), "close")
  return port
})

const answers = (port: number) =>
  Effect.acquireUseRelease(
    Effect.sync(() =>
      new Redis(port, "127.0.0.1", { lazyConnect: true, retryStrategy: () => null }).on("error", () => {})
    ),
    (redis) => Effect.tryPromise(() => redis.ping()),
    (redis) => Effect.sync(() => redis.disconnect())
  )

/** Starts a redis-server for this machine alone, which keeps nothing on disk, and stops it when the scope closes. */
export const startRedis = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped()
  const port = yield* freePort
  const options = { port, bind: "127.0.0.1", dir: directory, save: "", appendonly: "no", loglevel: "warning" }
  const server = yield* Command.make(
    "redis-server",
    ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])
  ).pipe(
    Command.start,
    Effect.mapError(() => new NoRedis({ message: "redis-server cannot be started: is it installed?" }))
  )
  const ended = Effect.zipRight(
    Effect.either(server.exitCode),
    Effect.fail(new NoRedis({ message: "redis-server has ended at once: run it by hand to see why" }))
  )
  yield* Effect.raceFirst(Effect.retry(answers(port), Schedule.spaced("50 millis")), ended)
  return { port, url: `redis://127.0.0.1:${port}` }
})
