import { createServer } from "node:http"
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import * as HttpServer from "@effect/platform/HttpServer"
import type { ServeError } from "@effect/platform/HttpServerError"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/**
 * Serves an app on a free port of 127.0.0.1 until the scope closes, and gives its URL. Closing does not wait for clients:
 * it breaks all connections, and returns when the last one is gone.
 */
export const serve = <E>(app: HttpApp.Default<E>): Effect.Effect<string, ServeError, Scope.Scope> =>
  Effect.gen(function* () {
    const server = createServer()
    // Not with HttpServer.serve, which takes over requests with an Upgrade header: they would lose their body.
    const handler = yield* NodeHttpServer.makeHandler(app).pipe(
      // Traces are for the application that is tested, and an access token in a query would end up in them.
      Effect.locally(HttpMiddleware.currentTracerDisabledWhen, () => true)
    )
    server.on("request", handler)
    const listening = yield* NodeHttpServer.make(() => server, { host: "127.0.0.1", port: 0 })
    yield* Effect.addFinalizer(() =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
    )
    return HttpServer.formatAddress(listening.address)
  })
