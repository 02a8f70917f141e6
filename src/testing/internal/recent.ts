/** The latest entries of a log. Their number and size are bounded, so that a soak test does not run out of memory. */
export interface Recent<A> {
  readonly add: (entry: A, size: number) => void
  readonly all: () => ReadonlyArray<A>
  readonly clear: () => void
}

/** A log without entries. */
export const make = <A>(): Recent<A> => {
  let entries: Array<{ readonly entry: A; readonly size: number }> = []
  let total = 0
  return {
    add: (entry, size) => {
      entries.push({ entry, size })
      total += size
      while (entries.length > maxEntries || (total > maxTotalSize && entries.length > 1)) {
        total -= entries.shift()!.size
      }
    },
    all: () => entries.map(({ entry }) => entry),
    clear: () => {
      entries = []
      total = 0
    }
  }
}

const maxEntries = 10_000

/** In characters, of all entries. */
const maxTotalSize = 64 * 1024 * 1024
