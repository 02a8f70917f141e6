import * as Effect from "effect/Effect"
import type { Cache } from "../cache/cache.js"
import { none, type Sharing } from "../cache/sharing.js"
import * as SharedIssue from "./sharedIssue.js"
import * as SharedToken from "./sharedToken.js"
import * as StoreClient from "./storeClient.js"

/** Makes the sharing of a cache through a store. A token whose source has no identity stays in this process. */
export const make = (cache: Cache, tokens: SharedToken.SharedTokens): Sharing => ({
  add: (entry) => {
    const key = SharedToken.keyOf(tokens, entry.name, entry.source)
    if (key === undefined) {
      cache.fibers.fork(logNotShared(tokens, entry.name))
    } else {
      SharedToken.add(tokens, entry, key)
    }
  },
  remove: (entry) => SharedToken.remove(tokens, entry),
  obtain: (entry, attempt, issuing) => {
    const token = tokens.byToken.get(entry)
    return token === undefined
      ? none.obtain(entry, attempt, issuing)
      : SharedIssue.issue({ cache, tokens, token }, attempt, issuing)
  },
  withdraw: (entry, accessToken) => {
    const token = tokens.byToken.get(entry)
    if (token !== undefined) {
      cache.fibers.fork(StoreClient.withdraw({ cache, tokens, token }, accessToken))
    }
  },
  stateOf: (entry) => tokens.byToken.get(entry)?.state
})

const logNotShared = (tokens: SharedToken.SharedTokens, name: string): Effect.Effect<void> =>
  SharedToken.logOnce(
    tokens,
    Effect.logWarning(`"${name}" is not shared: its source has no identity. The same goes for all others without one`),
    "identity"
  )
