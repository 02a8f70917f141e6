import { styleText } from "node:util"
import type { TokenStatus } from "effect-token-cache"

/** A state as a shape and a word, so that it reads without colour. */
const states = {
  starting: { shape: "…", color: "cyan" },
  ready: { shape: "*", color: "green" },
  degraded: { shape: "!", color: "yellow" },
  down: { shape: "x", color: "red" },
  stopped: { shape: "-", color: "gray" }
} as const

/** A duration in its two largest units, such as `14m59s`. */
export const span = (millis: number): string => {
  const seconds = Math.max(0, Math.round(millis / 1000))
  const units = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"]
  ] as const
  const largest = units.findIndex(([count]) => count > 0)
  return largest === -1
    ? "0s"
    : units
        .slice(largest, largest + 2)
        .map(([count, unit]) => `${count}${unit}`)
        .join("")
}

/** `=` is what has passed of the lifetime, `-` what is left, `|` where the next attempt is due. */
const lifetimeBar = ({ expiresAt, issuedAt, nextAttemptAt }: TokenStatus, now: number, width: number): string => {
  if (issuedAt === undefined || expiresAt === undefined) {
    return `[${" ".repeat(width)}]`
  }
  const cell = (instant: number) => Math.floor(((instant - issuedAt) / (expiresAt - issuedAt)) * width)
  const due = nextAttemptAt === undefined ? -1 : cell(nextAttemptAt)
  const cells = Array.from({ length: width }, (_, index) => (index === due ? "|" : index < cell(now) ? "=" : "-"))
  return `[${cells.join("")}]`
}

const expiresIn = ({ expiresAt, state }: TokenStatus, now: number) =>
  expiresAt === undefined ? "-" : state === "down" ? "expired" : span(expiresAt - now)

const nextAttempt = ({ consecutiveFailures, nextAttemptAt, refreshing }: TokenStatus, now: number) =>
  refreshing
    ? "now"
    : nextAttemptAt === undefined
      ? "-"
      : `${consecutiveFailures > 0 ? "retry " : ""}${span(nextAttemptAt - now)}`

const lastResult = ({ consecutiveFailures, generation, issuedAt, lastError }: TokenStatus, now: number) =>
  lastError !== undefined
    ? `x${consecutiveFailures} ${lastError.message}`
    : issuedAt !== undefined
      ? `ok #${generation}, ${span(now - issuedAt)} ago`
      : "-"

export interface TableOptions {
  readonly now: number
  readonly width: number
  readonly hasColors: boolean
}

/** One line per token, no wider than `width`: in a narrow terminal the bar gives way first, then the last result. */
export const table = (statuses: ReadonlyArray<TokenStatus>, { now, width, hasColors }: TableOptions) => {
  const bar = Math.min(20, Math.max(6, width - 71))
  const row = (cells: ReadonlyArray<string>) =>
    cells
      .map((cell, column) => cell.padEnd([9, 10, bar + 2, 7, 9, 5, 0][column] ?? 0))
      .join(" ")
      .trimEnd()
      .slice(0, width)
  return [
    row(["NAME", "STATE", "LIFETIME", "EXPIRES", "REFRESH", "READS", "LAST RESULT"]),
    ...statuses.map((status) => {
      const { shape, color } = states[status.state]
      const state = `${shape} ${status.state}`
      const line = row([
        status.name,
        state,
        lifetimeBar(status, now, bar),
        expiresIn(status, now),
        nextAttempt(status, now),
        String(status.reads),
        lastResult(status, now)
      ])
      return hasColors ? line.replace(state, (text) => styleText(color, text)) : line
    })
  ]
}
