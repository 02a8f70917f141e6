/**
 * The latest entries of a log. Bounded by number and by size, so that a soak test does not fill the memory with bodies.
 */
export interface Recent<A> {
  readonly add: (entry: A, size: number) => void
  readonly all: () => ReadonlyArray<A>
  readonly clear: () => void
}

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

/** In characters. */
const maxTotalSize = 64 * 1024 * 1024
