import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { Effect } from "effect"

/** A request that reached the API. */
export interface Received {
  readonly method: string
  readonly path: string
  readonly headers: Http.IncomingHttpHeaders
  /** The bearer token, if there was one. */
  readonly token: string | undefined
  readonly body: string
  /** The connection it came over. */
  readonly socket: Http.IncomingMessage["socket"]
}

/** What the API does with a request. */
export type Answer =
  | { readonly status: number; readonly headers?: Http.OutgoingHttpHeaders; readonly body?: string }
  | ((response: Http.ServerResponse) => void)

export const ok: Answer = { status: 200, body: "ok" }

/** 401 to these tokens; 200 to others, with the token as its body. */
export const refusing =
  (...tokens: ReadonlyArray<string>) =>
  (request: Received): Answer =>
    request.token === undefined || tokens.includes(request.token)
      ? { status: 401, body: `${request.token} is refused` }
      : { status: 200, body: request.token }

/** No answer at all. */
export const silent: Answer = () => {}

/** Ends the connection without an answer. */
export const hangUp: Answer = (response) => response.socket?.destroy()

/** Ends the connection in the middle of the body. */
export const cutOff: Answer = (response) => {
  response.writeHead(200, { "content-length": "1000", "content-type": "text/plain" })
  response.write("part of it")
  setTimeout(() => response.socket?.destroy(), 20)
}

/** A status at once, and then a body that does not end. */
export const endless =
  (status: number, headers?: Http.OutgoingHttpHeaders): Answer =>
  (response) => {
    response.writeHead(status, headers)
    response.write("and so on ")
  }

/** A server on a local port. It keeps what it received, and counts the connections. */
export const serve = (answer: (request: Received, index: number) => Answer) =>
  Effect.acquireRelease(
    Effect.async<{
      readonly url: string
      readonly received: ReadonlyArray<Received>
      readonly connections: () => number
      readonly close: () => void
    }>((resume) => {
      const received: Array<Received> = []
      let connections = 0
      const server = Http.createServer((message, response) => {
        const chunks: Array<Buffer> = []
        message.on("data", (chunk) => chunks.push(chunk))
        message.on("end", () => {
          const request: Received = {
            method: message.method ?? "",
            path: message.url ?? "",
            headers: message.headers,
            token: message.headers.authorization?.replace(/^Bearer /, ""),
            body: Buffer.concat(chunks).toString(),
            socket: message.socket
          }
          const answered = answer(request, received.push(request) - 1)
          if (typeof answered === "function") {
            answered(response)
          } else {
            response.writeHead(answered.status, answered.headers).end(answered.body)
          }
        })
      })
      server.on("connection", () => connections++)
      server.listen(0, "127.0.0.1", () =>
        resume(
          Effect.succeed({
            // `address` gives null or a pipe's name only before listening, or on a pipe.
            url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
            received,
            connections: () => connections,
            close: () => {
              server.close()
              server.closeAllConnections()
            }
          })
        )
      )
    }),
    (api) => Effect.sync(api.close)
  )
