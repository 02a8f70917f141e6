import { randomUUID } from "node:crypto"
import type { IncomingMessage } from "node:http"
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { answer } from "./lineAnswer.js"
import * as LineFault from "./lineFault.js"
import { type LineRequest, type LineResponse, messageError } from "./lineReply.js"
import type { LineState } from "./lineState.js"
import type * as Recent from "./recent.js"

/** What an emulator consists of. */
export interface Emulation {
  readonly state: LineState
  readonly faults: LineFault.FaultQueue
  readonly log: Recent.Recent<LogEntry>
  readonly clock: Clock.Clock
  /** The emulator's time, which is that of the clock plus what it was advanced by. */
  readonly now: () => number
}

/** A request in the log, and the status of its answer as soon as there is one. */
export interface LogEntry {
  readonly request: LineRequest
  status: number | undefined
}

/** The HTTP app that answers as LINE does, unless a fault intervenes. */
export const make = (emulation: Emulation): HttpApp.Default =>
  Effect.gen(function* () {
    const incoming = yield* HttpServerRequest.HttpServerRequest
    const body = yield* readBody(NodeHttpServerRequest.toIncomingMessage(incoming))
    const request = toLineRequest(incoming, body ?? "", emulation.now())
    const entry: LogEntry = { request, status: undefined }
    emulation.log.add(entry, request.body.length + request.query.length)
    const respond = () =>
      body === undefined
        ? messageError(413, "The request body is too large")
        : answer(emulation.state, request, emulation.now())
    const response = yield* exchange(emulation, request, respond)
    if (response === undefined) {
      NodeHttpServerRequest.toIncomingMessage(incoming).socket.destroy()
      return yield* Effect.never
    }
    entry.status = response.status
    return toServerResponse(response, request.requestId)
    // The platform runs an app uninterruptibly: a request that hangs would outlive its connection.
  }).pipe(Effect.interruptible)

/** The answer to a request under the fault that it meets. There is none if the connection is to be dropped. */
const exchange = (
  { faults, clock }: Emulation,
  request: LineRequest,
  respond: () => LineResponse
): Effect.Effect<LineResponse | undefined> => {
  const fault = faults.take(request)
  if (fault === undefined) {
    return Effect.succeed(respond())
  }
  const done = fault.mode === "after" ? respond() : undefined
  const outcome = Effect.suspend((): Effect.Effect<LineResponse | undefined> => {
    if (fault.hang === true) {
      return Effect.never
    }
    return Effect.succeed(fault.drop === true ? undefined : (LineFault.replacement(fault, done) ?? done ?? respond()))
  })
  return fault.delayMs === undefined ? outcome : Effect.zipRight(clock.sleep(Duration.millis(fault.delayMs)), outcome)
}

/** The body, or `undefined` if it is over 2 MB. It is read to its end even then: a client that still sends misses a 413. */
const readBody = (incoming: IncomingMessage): Effect.Effect<string | undefined> =>
  // There is no event for a client that leaves half-way: its closed connection interrupts the fiber.
  Effect.async((resume) => {
    let size = 0
    let chunks: Array<Buffer> = []
    incoming.on("data", (chunk: Buffer) => {
      size += chunk.byteLength
      if (size > maxBodySize) {
        chunks = []
      } else {
        chunks.push(chunk)
      }
    })
    incoming.on("end", () => {
      resume(Effect.succeed(size > maxBodySize ? undefined : Buffer.concat(chunks).toString("utf8")))
    })
  })

const maxBodySize = 2 * 1024 * 1024

const toLineRequest = (incoming: HttpServerRequest.HttpServerRequest, body: string, at: number): LineRequest => {
  const queryAt = incoming.url.indexOf("?")
  return {
    method: incoming.method,
    path: queryAt === -1 ? incoming.url : incoming.url.slice(0, queryAt),
    query: queryAt === -1 ? "" : incoming.url.slice(queryAt + 1),
    headers: Object.fromEntries(Object.entries(incoming.headers).map(([name, value]) => [name, String(value)])),
    body,
    requestId: randomUUID(),
    at
  }
}

const toServerResponse = ({ status, headers, body }: LineResponse, requestId: string) => {
  const allHeaders = { "x-line-request-id": requestId, ...headers }
  return body === ""
    ? HttpServerResponse.empty({ status, headers: { "content-length": "0", ...allHeaders } })
    : HttpServerResponse.text(body, { status, headers: allHeaders, contentType: headers["content-type"] })
}
