import type { TokenEvent, TokenStateName, TokenStatus } from "../../TokenStatus.js"
import { cut } from "../text.js"

/** The most tokens that the page shows. With them it stays under a megabyte. */
export const maxRows = 500

/** The most events that the page remembers. */
export const maxEvents = 100

/** A token on the page. */
export interface Row {
  /** The name as it is shown, made unique: if two long names begin alike, the second gets a number. */
  readonly key: string
  readonly status: TokenStatus
}

/** An event on the page. Later events have higher numbers. */
export interface NumberedEvent {
  readonly number: number
  readonly event: TokenEvent
}

/** What the page, the JSON and the live stream show at one instant. */
export interface View {
  /** The instant, in epoch milliseconds. */
  readonly now: number
  /** How many tokens the cache has, shown or not. */
  readonly total: number
  readonly counts: Readonly<Record<TokenStateName, number>>
  /** At most {@link maxRows} tokens, the worst states first. */
  readonly rows: ReadonlyArray<Row>
  /** At most {@link maxEvents} events, the latest first. */
  readonly events: ReadonlyArray<NumberedEvent>
}

/** The states from bad to good, which is the order of the rows. */
export const stateNames: ReadonlyArray<TokenStateName> = ["down", "degraded", "starting", "ready", "stopped"]

const rank = ({ state }: TokenStatus): number => stateNames.indexOf(state)

export const make = (now: number, statuses: ReadonlyArray<TokenStatus>, events: ReadonlyArray<NumberedEvent>): View => {
  const counts = { down: 0, degraded: 0, starting: 0, ready: 0, stopped: 0 }
  // Buckets, because there may be 100,000 statuses every second. Declared tokens are shown however many tenants fail.
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

/** Leaves out the tenants: whether the app is ready depends on the tokens that it declared itself. */
export const declared = (statuses: ReadonlyArray<TokenStatus>): ReadonlyArray<TokenStatus> =>
  statuses.filter(({ tenant }) => tenant === undefined)
