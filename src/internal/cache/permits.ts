import FlatQueue from "flatqueue"
import type { Attempt, Entry } from "./entry.js"

/** How many attempts may run at once, and the tokens that wait for a permit. */
export interface Permits {
  /** Lets a queued token wait: the earliest expiry comes first, after those that a reader waits for. */
  readonly enqueue: (entry: Entry) => void
  /** The next token whose attempt may start. */
  readonly next: () => Entry | undefined
  readonly take: (attempt: Attempt) => void
  readonly release: (attempt: Attempt) => void
}

export const make = (concurrency: number): Permits => {
  const queue = new FlatQueue<Entry>()
  let taken = 0
  return {
    enqueue: (entry) => queue.push(entry, priorityOf(entry)),
    next: () => {
      for (let entry = queue.peek(); entry !== undefined; entry = queue.peek()) {
        const queued = entry.state.attempt === "queued"
        if (queued && taken >= concurrency && !isUrgent(entry)) {
          return undefined
        }
        queue.pop()
        if (queued) {
          return entry
        }
      }
      queue.shrink()
      return undefined
    },
    take: (attempt) => {
      attempt.holdsPermit = true
      taken++
    },
    release: (attempt) => {
      if (attempt.holdsPermit) {
        attempt.holdsPermit = false
        taken--
      }
    }
  }
}

const priorityOf = (entry: Entry): number =>
  isUrgent(entry) ? Number.NEGATIVE_INFINITY : (entry.state.token?.expiresAt ?? -Number.MAX_VALUE)

const isUrgent = ({ demand }: Entry): boolean => demand?.urgent === true
