import { LRUCache } from "lru-cache"
import { margin, npm } from "./peer.js"

export const lruCache = npm("lru-cache fetch, stale while revalidate", (issue) => {
  const cache = new LRUCache<string, string>({
    max: 10,
    allowStale: true,
    noDeleteOnFetchRejection: true,
    allowStaleOnFetchRejection: true,
    // The clock that the benchmark can move.
    perf: { now: () => Date.now() },
    fetchMethod: async (_key, _stale, { options }) => {
      const { accessToken, expiresIn } = await issue()
      options.ttl = Math.max(expiresIn - margin, 1) * 1000
      return accessToken
    }
  })
  // `fetch` gives undefined without a `fetchMethod` only.
  return () => cache.fetch("api") as Promise<string>
})
