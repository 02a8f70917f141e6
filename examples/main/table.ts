import type { TokenStatus } from "effect-token-cache"

/** A state as a shape and a word, so that it reads without colour. */
const states = {
  starting: ["…", "starting"],
  ready: ["*", "ready"],
  degraded: ["!", "degraded"],
  down: ["x", "down"],
  stopped: ["-", "stopped"]
} as const

const seconds = (millis: number) => `${Math.max(0, Math.round(millis / 1000))}s`

/** `=` is what has passed of the lifetime, `-` what is left, `|` where the refresh is due. */
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
  expiresAt === undefined ? "-" : state === "down" ? "expired" : seconds(expiresAt - now)

const nextAttempt = ({ consecutiveFailures, nextAttemptAt, refreshing }: TokenStatus, now: number) =>
  refreshing
    ? "now"
    : nextAttemptAt === undefined
      ? "-"
      : `${consecutiveFailures > 0 ? "retry " : ""}${seconds(nextAttemptAt - now)}`

const lastResult = ({ consecutiveFailures, generation, lastError }: TokenStatus) =>
  lastError !== undefined
    ? `${lastError.message} (x${consecutiveFailures})`
    : generation > 0
      ? `ok (#${generation})`
      : "-"

/** One line per token, no wider than `width`. */
export const table = (statuses: ReadonlyArray<TokenStatus>, now: number, width: number): ReadonlyArray<string> => {
  const row = (cells: ReadonlyArray<string>) =>
    cells
      .map((cell, column) => cell.padEnd([10, 10, 22, 10, 10, 6, 0][column] ?? 0))
      .join(" ")
      .trimEnd()
      .slice(0, width)
  return [
    row(["NAME", "STATE", "LIFETIME", "EXPIRES", "REFRESH", "READS", "LAST RESULT"]),
    ...statuses.map((status) =>
      row([
        status.name,
        states[status.state].join(" "),
        lifetimeBar(status, now, 20),
        expiresIn(status, now),
        nextAttempt(status, now),
        String(status.reads),
        lastResult(status)
      ])
    )
  ]
}
