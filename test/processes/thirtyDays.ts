import { Effect } from "effect"
import { TokenCache } from "effect-token-cache"
import * as Issuer from "../support/issuer.js"

// Reads a token of 30 days until there is a second one, and prints after how many days that was issued.
const issuer = Issuer.scripted(Issuer.succeed("30 days"))

Effect.gen(function* () {
  const first = yield* TokenCache.accessToken("line")
  let token = first
  while (token.generation === 1) {
    yield* Effect.sleep("1 hour")
    token = yield* TokenCache.accessToken("line")
  }
  console.log(`${issuer.calls.length} issues, ${Math.floor((token.issuedAt - first.issuedAt) / 86_400_000)} days`)
}).pipe(Effect.provide(TokenCache.layer({ line: { issue: issuer.issue, jitter: 0 } })), Effect.runPromise)
