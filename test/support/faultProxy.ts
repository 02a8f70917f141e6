import * as Net from "node:net"
import { Effect } from "effect"

/** Where an answer breaks off. */
export type ProxyPoint = "headers" | "body"

/** What a proxy does with a connection. */
export type ProxyMode =
  | { readonly _tag: "pass" }
  /** Resets the connection at once. */
  | { readonly _tag: "reset" }
  /** Takes everything, answers nothing. */
  | { readonly _tag: "blackHole" }
  /** Holds each piece of the answer up. */
  | { readonly _tag: "latency"; readonly millis: number }
  /** Resets the connection in the middle of the answer. */
  | { readonly _tag: "cut"; readonly at: ProxyPoint }
  /** Falls silent in the middle of the answer. */
  | { readonly _tag: "stall"; readonly at: ProxyPoint }

export interface FaultProxy {
  readonly port: number
  /** From the next connection on; those that are kept alive are closed. */
  readonly become: (mode: ProxyMode) => Effect.Effect<void>
}

/** A TCP proxy on a local port in front of another one. */
export const faultProxy = (upstream: number) =>
  Effect.acquireRelease(
    Effect.async<FaultProxy & { readonly close: Effect.Effect<void> }>((resume) => {
      let mode: ProxyMode = { _tag: "pass" }
      const sockets = new Set<Net.Socket>()
      const hangUp = () => {
        for (const socket of sockets) {
          socket.destroy()
        }
      }
      const server = Net.createServer((client) => {
        sockets.add(client)
        client.on("close", () => sockets.delete(client))
        client.on("error", () => {})
        serve(client, upstream, mode)
      })
      server.listen(0, "127.0.0.1", () =>
        resume(
          Effect.succeed({
            // `address` gives null or a pipe's name only before listening, or on a pipe.
            port: (server.address() as Net.AddressInfo).port,
            become: (next) =>
              Effect.promise(() => {
                mode = next
                hangUp()
                // For the client to notice: it might send on a connection that is gone.
                return new Promise((resolve) => setTimeout(resolve, 50))
              }),
            close: Effect.async<void>((resume) => {
              server.close(() => resume(Effect.void))
              hangUp()
            })
          })
        )
      )
    }),
    ({ close }) => close
  )

const serve = (client: Net.Socket, upstream: number, mode: ProxyMode) => {
  switch (mode._tag) {
    case "reset":
      client.resetAndDestroy()
      return
    case "blackHole":
      client.resume()
      return
  }
  const server = Net.connect(upstream, "127.0.0.1")
  server.on("error", () => client.destroy())
  client.on("close", () => server.destroy())
  client.pipe(server)
  let answer = Buffer.alloc(0)
  server.on("data", (data) => {
    const sent = answer.length
    answer = Buffer.concat([answer, data])
    const end = "at" in mode ? breakingPoint(answer, mode.at) : answer.length
    const part = answer.subarray(sent, Math.max(sent, end))
    if (mode._tag === "latency") {
      setTimeout(() => client.write(part), mode.millis)
    } else if (mode._tag === "cut" && end < answer.length) {
      // Written first, and a while before the reset, which would overtake it.
      client.write(part, () => setTimeout(() => client.resetAndDestroy(), 20))
    } else {
      client.write(part)
    }
  })
  if (mode._tag === "pass" || mode._tag === "latency") {
    server.on("end", () => setTimeout(() => client.end(), mode._tag === "latency" ? mode.millis : 0))
  }
}

const breakingPoint = (answer: Buffer, at: ProxyPoint): number => {
  const body = answer.indexOf("\r\n\r\n") + 4
  return at === "headers" ? 30 : body < 4 ? answer.length : Math.min(answer.length, body + 10)
}
