import { Clock, Effect } from "effect"
import { TokenCache } from "effect-token-cache"
import * as Issuer from "../support/issuer.js"
import { quiet } from "../support/logs.js"

// Reads all the time, in a loop that runs before timers do, and prints each token that is new, and each that has expired.
const issuer = Issuer.scripted(Issuer.succeed("3 seconds"))

Effect.gen(function* () {
  let last = Issuer.value(yield* TokenCache.token("line"))
  console.log(last)
  while (true) {
    yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    // Looked at before the read: the process may be stopped between the two, and the token run out meanwhile.
    const now = yield* Clock.currentTimeMillis
    const token = yield* TokenCache.accessToken("line")
    const value = Issuer.value(token.accessToken)
    if (now >= token.expiresAt) {
      console.log(`${value} has expired`)
    }
    if (value !== last) {
      last = value
      console.log(value)
    }
  }
}).pipe(
  Effect.provide(TokenCache.layer({ line: { issue: issuer.issue, refreshBefore: "1 millis", jitter: 0 } })),
  // Its lines are on stdout, and one of them says that the token expired.
  Effect.provide(quiet),
  Effect.runPromise
)
