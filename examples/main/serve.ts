import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import type { HttpApp } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { Data, Effect } from "effect"

export class CannotListen extends Data.TaggedError("CannotListen")<{ readonly message: string }> {}

/**
 * Serves an app on this machine alone until the scope closes, and gives the server and its address. Port 0 is any that
 * is free. Closing breaks what is open: a browser that shows the page does not hold the program up.
 */
export const serve = (app: HttpApp.Default<unknown>, port = 0) =>
  Effect.gen(function* () {
    const server = createServer(yield* NodeHttpServer.makeHandler(app))
    yield* Effect.acquireRelease(
      Effect.async<void, CannotListen>((resume) => {
        server.once("error", ({ message }) => resume(Effect.fail(new CannotListen({ message }))))
        server.listen(port, "127.0.0.1", () => resume(Effect.void))
      }),
      () =>
        Effect.async<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        })
    )
    // What listens on a port has an address of this kind.
    const address = server.address() as AddressInfo
    return { server, url: `http://127.0.0.1:${address.port}` }
  })
