/** Tests that say something of a file by its name: the unit test comes first, and then what takes the least time. */
const byFile: Readonly<Record<string, ReadonlyArray<string>>> = {
  RefreshPolicy: ["RefreshPolicy"],
  accessToken: ["internal/accessToken"],
  alarm: ["internal/alarm"],
  attempt: ["TokenCache.trace", "logging", "TokenMetrics"],
  cache: ["TokenCache.layer", "logging"],
  deadlineQueue: ["internal/deadlineQueue"],
  entry: ["internal/entry", "TokenCache.capacity", "TokenCache.lookup"],
  invalidation: ["TokenCache.unauthorized", "TokenMetrics"],
  membership: ["TokenCache.layer", "TokenCache.capacity", "TokenCache.lookup", "logging"],
  nextAttempt: ["TokenCache.unauthorized", "logging"],
  observation: ["TokenMetrics"],
  permits: ["internal/permits", "TokenCache.layer"],
  reader: ["TokenCache.capacity", "TokenCache.lookup"],
  refreshLoop: ["TokenCache.layer", "TokenCache.lookup", "logging"],
  service: ["TokenCache.layer", "TokenCache.lookup"],
  source: ["TokenCache.layer"],
  telemetry: ["TokenMetrics"],
  tenants: ["TokenCache.tenants", "TokenCache.capacity", "TokenCache.lookup"],
  time: ["internal/time", "TokenCache.layer"],
  tokenState: ["internal/tokenState", "TokenCache.unauthorized"],
  tokenUnavailable: ["TokenCache.lookup", "hostileErrors"],
  waiters: ["internal/waiters", "TokenCache.lookup"]
}

/** What says something of every file. */
const ofAll = [
  ...["queue", "membership", "seed", "clockSetBack", "clockJumps", "clock", "pauses", "close", "read"],
  ...["robust", "observe", "trace", "refresh"]
].map((part) => `TokenCache.${part}`)

/** Gives the test files that say whether a mutant of a file is one, in the order in which they are asked. */
export const testsOf = (file: string): ReadonlyArray<string> => {
  const noun = file.replace(/^.*\/|\.ts$/g, "")
  return [...new Set([...(byFile[noun] ?? []), ...ofAll])].map((test) => `test/${test}.test.ts`)
}
