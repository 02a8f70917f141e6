import { Clock, Effect } from "effect"
import { TokenCache } from "effect-token-cache"
import * as Issuer from "../support/issuer.js"

// Leaves a token of 30 days alone until there is a second one, and prints after how many days that was issued. A read
// would wake the refresh fiber as soon as it is overdue, whether there is a timer or not.
const thirtyDays = 30 * 86_400_000
const issuer = Issuer.scripted(Issuer.succeed("30 days"))

Effect.gen(function* () {
  const { expiresAt, issuedAt } = yield* TokenCache.accessToken("line")
  while (issuer.calls.length === 1 && (yield* Clock.currentTimeMillis) < expiresAt + thirtyDays) {
    yield* Effect.sleep("1 hour")
  }
  console.log(`${issuer.calls.length} issues, ${Math.floor((issuer.calls.at(-1)! - issuedAt) / 86_400_000)} days`)
}).pipe(Effect.provide(TokenCache.layer({ line: { issue: issuer.issue, jitter: 0 } })), Effect.runPromise)
