import type { Report } from "./report.js"

/** Counts what the members report. */
export interface Tally {
  /** Counts it, and gives a line that says it if it is worth one. */
  readonly note: (name: string, report: Report) => string | undefined
  /** Who has had a token. */
  readonly having: ReadonlySet<string>
  /** Who has asked LINE, and has no answer yet. */
  readonly asking: ReadonlySet<string>
  /** Who was killed while it was asking. */
  readonly lost: ReadonlySet<string>
  readonly noteKilled: (name: string) => void
  readonly counts: {
    readonly tokens: number
    /** How often a process got a token, from wherever. */
    readonly received: number
    readonly reads: number
    readonly failedReads: number
  }
}

export const make = (): Tally => {
  const numbers = new Map<string, number>()
  const having = new Set<string>()
  const asking = new Set<string>()
  const lost = new Set<string>()
  const counts = { tokens: 0, received: 0, reads: 0, failedReads: 0 }

  const numberOf = (keyId: string) => {
    const number = numbers.get(keyId) ?? ++counts.tokens
    numbers.set(keyId, number)
    return number
  }

  return {
    having,
    asking,
    lost,
    noteKilled: (name) => {
      if (asking.delete(name)) lost.add(name)
    },
    counts,
    note: (name, report) => {
      switch (report._tag) {
        case "Asks":
          asking.add(name)
          return "asks LINE for a token"
        case "HasToken": {
          counts.received++
          having.add(name)
          asking.delete(name)
          const from = report.issuedHere ? "issued here" : "taken over"
          return `token ${numberOf(report.keyId)}, ${from}, ${report.sharing}, for ${Math.round(report.expiresIn / 1000)} s`
        }
        case "Failed":
          asking.delete(name)
          return `failed: ${report.message}`
        case "Reads":
          counts.reads += report.reads
          counts.failedReads += report.failed
          return undefined
      }
    }
  }
}
