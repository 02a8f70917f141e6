/** A token bucket, which limits requests. It holds as many as may be sent in a second, and at least one. */
export interface TokenBucket {
  readonly perSecond: number
  level: number
  /** When `level` was last updated, in epoch milliseconds. */
  at: number
}

/** A full bucket. */
export const make = (perSecond: number, now: number): TokenBucket => ({ perSecond, level: size(perSecond), at: now })

/** Takes one request out of the bucket; `false` if there is none left. */
export const take = (bucket: TokenBucket, now: number): boolean => {
  if (bucket.perSecond === Number.POSITIVE_INFINITY) {
    return true
  }
  const refilled = (Math.max(0, now - bucket.at) / 1000) * bucket.perSecond
  bucket.level = Math.min(size(bucket.perSecond), bucket.level + refilled)
  bucket.at = now
  if (bucket.level < 1) {
    return false
  }
  bucket.level -= 1
  return true
}

const size = (perSecond: number): number => (perSecond > 0 ? Math.max(1, perSecond) : 0)
