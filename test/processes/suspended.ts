import { Clock, Effect } from "effect"
import { TokenCache } from "effect-token-cache"
import * as Issuer from "../support/issuer.js"

// Reads all the time, in a loop that runs before timers do, and prints each token that is new, and each that has expired.
const issuer = Issuer.scripted(Issuer.succeed("3 seconds"))

Effect.gen(function* () {
  let last = Issuer.value(yield* TokenCache.token("line"))
  console.log(`warm ${last}`)
  while (true) {
    yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    const token = yield* TokenCache.accessToken("line")
    const value = Issuer.value(token.accessToken)
    if ((yield* Clock.currentTimeMillis) >= token.expiresAt) {
      console.log(`expired ${value}`)
    }
    if (value !== last) {
      last = value
      console.log(`read ${value}`)
    }
  }
}).pipe(
  Effect.provide(TokenCache.layer({ line: { issue: issuer.issue, refreshBefore: "1 millis", jitter: 0 } })),
  Effect.runPromise
)
