import type { TokenEvent, TokenStateName, TokenStatus } from "../../TokenStatus.js"
import { cut } from "../text.js"

/** More rows than anybody reads; with 500 the page stays under a megabyte. */
export const maxRows = 500

export const maxEvents = 100

/** A token on the page. */
export interface Row {
  /** The name as shown, made unique: of two long names that begin alike, the second has a number. */
  readonly key: string
  readonly status: TokenStatus
}

/** An event on the page; the later, the higher its number. */
export interface NumberedEvent {
  readonly number: number
  readonly event: TokenEvent
}

/** All that the page, the JSON and the live stream show, at an instant. */
export interface View {
  readonly now: number
  readonly total: number
  readonly counts: Readonly<Record<TokenStateName, number>>
  /** The worst states first, at most {@link maxRows}. */
  readonly rows: ReadonlyArray<Row>
  /** The latest first. */
  readonly events: ReadonlyArray<NumberedEvent>
}

/** From bad to good: the order of the rows. */
export const stateNames: ReadonlyArray<TokenStateName> = ["down", "degraded", "starting", "ready", "stopped"]

const rank = ({ state }: TokenStatus): number => stateNames.indexOf(state)

export const make = (now: number, statuses: ReadonlyArray<TokenStatus>, events: ReadonlyArray<NumberedEvent>): View => {
  const counts = { down: 0, degraded: 0, starting: 0, ready: 0, stopped: 0 }
  // Chosen by buckets: there may be 100,000 statuses, every second. However many tenants fail, what the app itself
  // declared is shown.
  const buckets = Array.from({ length: 2 * stateNames.length }, (): Array<TokenStatus> => [])
  for (const status of statuses) {
    counts[status.state]++
    const bucket = buckets[rank(status) + (status.tenant === undefined ? 0 : stateNames.length)]
    if (bucket !== undefined && bucket.length < maxRows) {
      bucket.push(status)
    }
  }
  const shown = buckets.flat().slice(0, maxRows)
  return {
    now,
    total: statuses.length,
    counts,
    rows: keyed(shown.sort((a, b) => rank(a) - rank(b))),
    events
  }
}

const keyed = (statuses: ReadonlyArray<TokenStatus>): ReadonlyArray<Row> => {
  const seen = new Set<string>()
  return statuses.map((status) => {
    const name = cut(status.name)
    let key = name
    for (let count = 2; seen.has(key); count++) {
      key = `${name} (${count})`
    }
    seen.add(key)
    return { key, status }
  })
}

export const isUsable = ({ state }: TokenStatus): boolean => state === "ready" || state === "degraded"

/** What the app itself declared: whether that is usable decides whether it is ready. */
export const declared = (statuses: ReadonlyArray<TokenStatus>): ReadonlyArray<TokenStatus> =>
  statuses.filter(({ tenant }) => tenant === undefined)
