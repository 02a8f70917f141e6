import FlatQueue from "flatqueue"
import type { Attempt, Entry } from "./entry.js"

/** The permits of a cache, each the right of one attempt to run, and the tokens that wait for one. */
export interface Permits {
  /** Makes a queued token wait. Those that a reader waits for come first, and then those with the earliest expiry. */
  readonly enqueue: (entry: Entry) => void
  /** Gives the next token whose attempt may start, and takes it out of the queue. */
  readonly next: () => Entry | undefined
  /** Gives a permit to an attempt, even if there are none left. */
  readonly take: (attempt: Attempt) => void
  /** Takes the permit from an attempt, if it has one. */
  readonly release: (attempt: Attempt) => void
}

/** Makes the permits for this many attempts at once. */
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
