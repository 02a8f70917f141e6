import { Effect } from "effect"
import { TokenCache } from "effect-token-cache"
import * as Issuer from "../support/issuer.js"

const issuer = Issuer.scripted(Issuer.succeed("30 days"))

Effect.flatMap(TokenCache.token("line"), (token) => Effect.sync(() => console.log(Issuer.value(token)))).pipe(
  Effect.provide(TokenCache.layer({ line: { issue: issuer.issue }, hangs: { issue: Effect.never } })),
  Effect.runPromise
)
