import type { TokenStatus } from "../../TokenStatus.js"
import { isUsable } from "../isUsable.js"
import { shape } from "./shapes.js"
import * as Text from "./text.js"
import type { Row } from "./view.js"

/** The names of the columns, which stand above them on a wide screen and above each value on a narrow one. */
export const columns = [
  "Token",
  "State",
  "Lifetime",
  "Time left",
  "Next attempt",
  "Failures",
  "Reads",
  "Last outcome"
] as const

/**
 * Writes a row of the table. Without `now` it contains nothing that changes with time alone: the live script fills that in,
 * and a row that has not changed is not sent again. The roles are written out because some browsers forget those of a table
 * that is laid out as cards.
 */
export const row = ({ key, status }: Row, now?: number): string => {
  const { consecutiveFailures, issuer, name, reads, refreshing, sharing, state, tenant } = status
  const details = [
    ...(issuer === undefined ? [] : [`<bdi>${Text.shown(issuer)}</bdi>`]),
    ...(tenant === undefined ? [] : ["tenant"]),
    ...(sharing === undefined ? [] : [sharing === "shared" ? "shared" : "not shared: the token store fails"])
  ]
  return [
    `<tr role="row" class="${state}" data-key="${Text.escapeHtml(key)}">`,
    `<th role="rowheader" scope="row"><bdi>${Text.shown(name)}</bdi>${small(details.join(", "))}</th>`,
    cell(
      "State",
      "state",
      `<span class="badge">${shape(state)}${state}</span>${small(refreshing ? "being refreshed" : "")}`
    ),
    cell("Lifetime", "life", lifetime(status, now)),
    cell("Time left", "left", timeLeft(status, now)),
    cell("Next attempt", "next", nextAttempt(status, now)),
    cell("Failures", "count failures", consecutiveFailures === 0 ? "0" : `<b>${consecutiveFailures}</b>`),
    cell("Reads", "count", String(reads)),
    cell("Last outcome", "outcome", lastOutcome(status, now)),
    "</tr>"
  ].join("")
}

const cell = (label: (typeof columns)[number], names: string, content: string): string =>
  `<td role="cell" class="${names}" data-label="${label}"><div>${content}</div></td>`

const small = (html: string): string => (html === "" ? "" : `<small>${html}</small>`)

/** Writes a duration that the live script goes on counting, up from an instant or down to it. */
const counting = (direction: "since" | "until", at: number, now: number | undefined): string => {
  const text = now === undefined ? "" : Text.span(direction === "since" ? now - at : at - now)
  return `<span data-${direction}="${at}">${text}</span>`
}

const lifetime = (status: TokenStatus, now: number | undefined): string => {
  const { expiresAt, issuedAt, nextAttemptAt } = status
  if (issuedAt === undefined || expiresAt === undefined) {
    return `<span class="none">no token</span>`
  }
  // An attempt that is due after the end of the bar stands only in its own column.
  const due = nextAttemptAt !== undefined && nextAttemptAt <= expiresAt ? nextAttemptAt : undefined
  const format = expiresAt - issuedAt >= 86_400_000 ? Text.dayAndTime : Text.timeOfDay
  const instants = [
    ["issued", issuedAt],
    [status.consecutiveFailures > 0 ? "retry" : "refresh", due],
    [isUsable(status) ? "expires" : "expired", expiresAt]
  ] as const
  const times = instants.flatMap(([what, at]) =>
    at === undefined ? [] : [`<span>${what} <time datetime="${Text.iso(at)}">${format(at)}</time></span>`]
  )
  return `${bar(issuedAt, expiresAt, due, now)}<div class="times">${times.join("")}</div>`
}

// The content security policy allows no style attributes. The times below the bar say the same in words.
const bar = (from: number, to: number, due: number | undefined, now: number | undefined): string => {
  const at = now === undefined ? "0" : Text.percent(now, from, to)
  return [
    `<svg class="bar" width="100%" height="14" aria-hidden="true" data-from="${from}" data-to="${to}">`,
    `<rect class="track" y="4" width="100%" height="6" rx="3"/>`,
    `<rect class="passed" y="4" width="${at}" height="6" rx="3"/>`,
    due === undefined ? "" : `<rect class="due" x="${Text.percent(due, from, to)}" y="0" width="2" height="14"/>`,
    `<circle class="now" cx="${at}" cy="7" r="4"/>`,
    "</svg>"
  ].join("")
}

const timeLeft = (status: TokenStatus, now: number | undefined): string =>
  status.expiresAt === undefined
    ? "–"
    : isUsable(status)
      ? counting("until", status.expiresAt, now)
      : status.state === "stopped"
        ? "–"
        : "expired"

const nextAttempt = ({ consecutiveFailures, nextAttemptAt, refreshing }: TokenStatus, now: number | undefined) =>
  refreshing
    ? "now"
    : nextAttemptAt === undefined
      ? "–"
      : `${consecutiveFailures > 0 ? "retry in" : "in"} ${counting("until", nextAttemptAt, now)}`

const lastOutcome = ({ generation, issuedAt, lastError }: TokenStatus, now: number | undefined): string => {
  if (lastError === undefined) {
    return generation === 0
      ? "nothing issued yet"
      : `issued token ${generation}${issuedAt === undefined ? "" : `, ${counting("since", issuedAt, now)} ago`}`
  }
  const { advice, message } = lastError
  return `<b>${Text.shown(message)}</b>${advice === undefined ? "" : ` <span class="advice">${Text.shown(advice)}</span>`}`
}
