import * as Duration from "effect/Duration"
import type { IssueError } from "../../TokenError.js"
import type { TokenEvent, TokenStatus } from "../../TokenStatus.js"
import { isUsable } from "../isUsable.js"
import { cut } from "../text.js"
import { declared, type View } from "./view.js"

/** Writes the body of `/status.json`, with instants in epoch milliseconds and durations in milliseconds. */
export const status = ({ counts, events, now, rows, total }: View): string =>
  JSON.stringify({
    now,
    total,
    counts,
    tokens: rows.map(({ status }) => token(status)),
    events: events.map(({ event }) => tokenEvent(event))
  })

// Field by field, so that a field that is added to a status or an error does not appear here by itself.
const token = (status: TokenStatus) => ({
  name: cut(status.name),
  issuer: status.issuer === undefined ? undefined : cut(status.issuer),
  tenant: status.tenant,
  sharing: status.sharing,
  state: status.state,
  refreshing: status.refreshing,
  issuedAt: status.issuedAt,
  expiresAt: status.expiresAt,
  nextAttemptAt: status.nextAttemptAt,
  generation: status.generation,
  consecutiveFailures: status.consecutiveFailures,
  lastError: status.lastError === undefined ? undefined : issueError(status.lastError),
  reads: status.reads
})

const tokenEvent = (event: TokenEvent) => ({
  type: event._tag,
  name: cut(event.name),
  at: event.at,
  ...(event._tag === "Issued" ? { generation: event.generation, expiresAt: event.expiresAt } : undefined),
  ...(event._tag === "IssueFailed" ? { error: issueError(event.error) } : undefined)
})

// Without the request id: an app's own `issue` effect may take it from a header, which can echo anything.
const issueError = (error: IssueError) => ({
  reason: error.reason,
  message: cut(error.message),
  permanent: error.permanent,
  status: error.status,
  code: error.code === undefined ? undefined : cut(error.code),
  retryAfter: error.retryAfter === undefined ? undefined : Duration.toMillis(error.retryAfter),
  advice: error.advice === undefined ? undefined : cut(error.advice)
})

const maxNames = 100

/** Says whether every declared token is usable, and writes the body of `/health/ready`. */
export const readiness = (statuses: ReadonlyArray<TokenStatus>, showNames: boolean) => {
  const all = declared(statuses)
  const unusable = all.filter((status) => !isUsable(status))
  const ready = unusable.length === 0
  const names = unusable.slice(0, maxNames).map(({ name, state }) => ({ name: cut(name), state }))
  return {
    ready,
    body: JSON.stringify({
      ready,
      declared: all.length,
      usable: all.length - unusable.length,
      unusable: showNames ? names : undefined
    })
  }
}
