import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Event from "./event.js"
import * as Html from "./html.js"
import * as Row from "./row.js"
import type { View } from "./view.js"

/** A view as HTML. A part that is the same text as before is not sent again. */
interface Rendered {
  readonly view: View
  readonly keys: ReadonlyArray<string>
  readonly rows: ReadonlyMap<string, string>
  readonly summary: string
  readonly title: string
}

interface Client {
  /** What the client was sent last, shared with the other clients. However slow it is, it takes no more memory. */
  sent: Rendered | undefined
  /** When the client was sent something, in epoch milliseconds. */
  sentAt: number
  /** Whether the client has not yet asked for more since the last message. */
  isBusy: boolean
  /** What the server has of the request. */
  readonly connection: unknown
}

/** The live streams of a page. */
export interface LiveStreams {
  /** Says whether there are as many clients as there may be. */
  readonly isFull: () => boolean
  /**
   * Gives the stream of a new client, which ends when the client goes or `closed` is done. `connection` is what the server
   * has of the request: its socket is destroyed if the client still has unread messages when the scope closes.
   */
  readonly stream: (connection: unknown) => Stream.Stream<Uint8Array>
}

export interface LiveOptions {
  readonly maxClients: number
  readonly title: string
  readonly view: Effect.Effect<View>
  readonly closed: Deferred.Deferred<void>
}

const heartbeatMillis = 15_000

/** How long a client may leave a message unread before it is dropped. */
const stuckMillis = 30_000

/**
 * Makes the live streams of a page. Nothing is queued for a client: whenever it asks for more, it gets the difference
 * between what it has and what there is, at most once a second. A client that never asks costs nothing more, and no client
 * waits for another.
 */
export const make = ({
  closed,
  maxClients,
  title,
  view
}: LiveOptions): Effect.Effect<LiveStreams, never, Scope.Scope> => {
  const clients = new Set<Client>()
  // Written this way round, a `maxClients` of NaN lets nobody in.
  const isFull = () => !(clients.size < maxClients)
  const latest = shared(Effect.map(view, (view) => render(view, title)))

  const next = (client: Client): Effect.Effect<Option.Option<readonly [string, Client]>> =>
    Effect.gen(function* () {
      client.isBusy = false
      while (!(yield* Deferred.isDone(closed))) {
        const { rendered, until } = yield* latest
        const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
        const message =
          difference(client.sent, rendered) ?? (now - client.sentAt >= heartbeatMillis ? heartbeat(now) : undefined)
        if (message !== undefined) {
          client.sent = rendered
          client.sentAt = now
          client.isBusy = true
          return Option.some([message, client] as const)
        }
        yield* Effect.raceFirst(Effect.sleep(Math.max(1, until - now)), Deferred.await(closed))
      }
      return Option.none()
    })

  const stream = (connection: unknown) =>
    Stream.acquireRelease(
      Effect.sync((): Client | undefined => {
        if (isFull()) {
          return undefined
        }
        const client: Client = { sent: undefined, sentAt: 0, isBusy: false, connection }
        clients.add(client)
        return client
      }),
      (client) => Effect.sync(() => client !== undefined && clients.delete(client))
    ).pipe(
      Stream.flatMap((client) => (client === undefined ? Stream.empty : Stream.unfoldEffect(client, next))),
      Stream.encodeText
    )

  const released = Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const { connection, isBusy } of clients) {
        if (isBusy) destroySocket(connection)
      }
    })
  )

  return Effect.as(
    // A client that has not read the last message does not read the end either, and a server that closes would wait for it.
    Effect.zipRight(released, Effect.forkScoped(Effect.repeat(dropStuck(clients), Schedule.spaced("10 seconds")))),
    { isFull, stream }
  )
}

/** Drops the clients that do not read, so that others get their places. */
const dropStuck = (clients: Set<Client>): Effect.Effect<void> =>
  Effect.clockWith((clock) =>
    Effect.sync(() => {
      for (const client of clients) {
        if (client.isBusy && clock.unsafeCurrentTimeMillis() - client.sentAt >= stuckMillis) {
          clients.delete(client)
          destroySocket(client.connection)
        }
      }
    })
  )

/** Renders at most once a second for all clients, at the full second, and takes at most a twentieth of the time. */
const shared = (rendering: Effect.Effect<Rendered>) => {
  let last: { readonly at: number; readonly until: number; readonly rendered: Rendered } | undefined
  return Effect.clockWith((clock) => {
    const at = clock.unsafeCurrentTimeMillis()
    if (last !== undefined && last.at <= at && at < last.until) {
      return Effect.succeed(last)
    }
    const from = clock.unsafeCurrentTimeNanos()
    return Effect.map(rendering, (rendered) => {
      const cost = Number(clock.unsafeCurrentTimeNanos() - from) / 1e6
      last = { at, until: (Math.floor((at + cost * 20) / 1000) + 1) * 1000, rendered }
      return last
    })
  })
}

const render = (view: View, title: string): Rendered => ({
  view,
  keys: view.rows.map(({ key }) => key),
  rows: new Map(view.rows.map((row) => [row.key, Row.row(row)])),
  summary: Html.summary(view),
  title: Html.pageTitle(view, title)
})

const difference = (before: Rendered | undefined, after: Rendered): string | undefined => {
  if (before === after) {
    return undefined
  }
  const rows = Array.from(after.rows).flatMap(([key, row]) => (row === before?.rows.get(key) ? [] : [row]))
  const known = before?.view.events[0]?.number ?? 0
  const events = after.view.events.flatMap(({ event, number }) => (number > known ? [Event.entry(event)] : []))
  const isReordered =
    before === undefined ||
    before.keys.length !== after.keys.length ||
    after.keys.some((key, index) => key !== before.keys[index])
  const summary = after.summary === before?.summary ? undefined : after.summary
  const title = after.title === before?.title ? undefined : after.title
  if (rows.length === 0 && events.length === 0 && !isReordered && summary === undefined && title === undefined) {
    return undefined
  }
  const keys = isReordered ? after.keys : undefined
  return `event: view\ndata: ${JSON.stringify({ now: after.view.now, rows, keys, summary, title, events })}\n\n`
}

/** Says that the server is still there. It is an event because the page cannot see comments of the stream. */
const heartbeat = (now: number): string => `event: heartbeat\ndata: ${now}\n\n`

/** Destroys the socket of a request, if it is one of Node. */
const destroySocket = (connection: unknown): void => {
  if (
    Predicate.hasProperty(connection, "socket") &&
    Predicate.hasProperty(connection.socket, "destroy") &&
    Predicate.isFunction(connection.socket.destroy)
  ) {
    connection.socket.destroy()
  }
}
