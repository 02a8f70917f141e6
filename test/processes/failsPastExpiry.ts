import { Effect } from "effect"
import { IssuedToken, TokenCache } from "effect-token-cache"

// A token of a second, and then an issuer whose promise rejects, past the expiry. Prints what readers get meanwhile.
let calls = 0

const issue = Effect.promise(() =>
  calls++ === 0
    ? Promise.resolve(IssuedToken.make({ accessToken: "token-1", expiresIn: "1 second" }))
    : Promise.reject(new Error("the issuer is down"))
)

Effect.gen(function* () {
  yield* TokenCache.token("line")
  yield* Effect.sleep("3 seconds")
  const { reason } = yield* Effect.flip(TokenCache.token("line"))
  console.log(`${reason} after ${calls > 1 ? "failed" : "no"} attempts`)
}).pipe(Effect.provide(TokenCache.layer({ line: { issue } })), Effect.runPromise)
