import { once } from "node:events"
import { type AddressInfo, createServer } from "node:net"
import { Effect } from "effect"

/** A local port that nobody listens on. */
export const freePort: Effect.Effect<number> = Effect.promise(async () => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo // it listens on a port
  await once(server.close(), "close")
  return port
})
