/** The rule: the unit test of a file comes first, then what is said of it by name, and then all of `TokenCache`. */
const byFile: Readonly<Record<string, ReadonlyArray<string>>> = {
  RefreshPolicy: ["RefreshPolicy"],
  accessToken: ["internal/accessToken", "IssuedToken"],
  attempt: ["TokenCache.trace", "logging", "TokenMetrics"],
  cache: ["TokenCache.observe", "logging"],
  deadlineQueue: ["internal/deadlineQueue"],
  invalidation: ["TokenCache.unauthorized", "TokenCache.pauses", "TokenMetrics"],
  membership: ["TokenCache.membership", "TokenCache.close", "logging"],
  nextAttempt: ["TokenCache.pauses", "logging"],
  observation: ["TokenCache.observe", "TokenMetrics"],
  permits: ["TokenCache.queue"],
  reader: ["TokenCache.read"],
  source: ["TokenCache.layer"],
  telemetry: ["TokenMetrics"],
  tenants: ["TokenCache.tenants", "TokenCache.lookup", "TokenCache.capacity"],
  time: ["TokenCache.clock", "TokenCache.close"],
  tokenState: ["internal/tokenState"],
  tokenUnavailable: ["TokenCache.read", "TokenCache.lookup", "hostileErrors"]
}

/** What says something of every file of the cache. */
const ofCache = [
  ...["queue", "membership", "seed", "pauses", "layer", "capacity", "tenants", "clockJumps", "clockSetBack", "clock"],
  ...["close", "read", "observe", "robust", "lookup", "trace", "unauthorized", "refresh", "property"]
].map((part) => `TokenCache.${part}`)

/** Gives the test files that say whether a mutant of a file is one, in the order in which they are asked. */
export const testsOf = (file: string): ReadonlyArray<string> => {
  const noun = file.replace(/^.*\/|\.ts$/g, "")
  return [...new Set([...(byFile[noun] ?? []), ...ofCache])].map((test) => `test/${test}.test.ts`)
}
