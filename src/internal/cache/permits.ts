import FlatQueue from "flatqueue"
import type { Attempt, Entry } from "./entry.js"

/** The limited number of attempts that run at once, and the tokens that wait for a place. */
export interface Places {
  /** Lines a queued token up: the earliest expiry first, after those that a reader waits for. */
  readonly lineUp: (entry: Entry) => void
  /** The next token whose attempt may start. */
  readonly next: () => Entry | undefined
  readonly take: (attempt: Attempt) => void
  readonly giveBack: (attempt: Attempt) => void
}

export const make = (concurrency: number): Places => {
  const line = new FlatQueue<Entry>()
  let taken = 0
  return {
    lineUp: (entry) => line.push(entry, entry.wanted ? -1 : (entry.state.token?.expiresAt ?? 0)),
    next: () => {
      for (let entry = line.peek(); entry !== undefined; entry = line.peek()) {
        const queued = entry.state.attempt === "queued"
        if (queued && taken >= concurrency && !entry.wanted) {
          return undefined
        }
        line.pop()
        if (queued) {
          return entry
        }
      }
      line.shrink()
      return undefined
    },
    take: (attempt) => {
      attempt.counted = true
      taken++
    },
    giveBack: (attempt) => {
      if (attempt.counted) {
        attempt.counted = false
        taken--
      }
    }
  }
}
