import { type Context, Duration, Effect, Layer, Runtime, type Scope } from "effect"
import { IssuedToken, TokenCache } from "effect-token-cache"
import type { Issue } from "../issuer.js"
import type { Peer } from "./peer.js"

const build = (issue: Issue): Effect.Effect<Context.Context<TokenCache>, never, Scope.Scope> =>
  Layer.build(
    TokenCache.layer({
      api: {
        issue: Effect.map(Effect.tryPromise(issue), ({ accessToken, expiresIn }) =>
          IssuedToken.make({ accessToken, expiresIn: Duration.seconds(expiresIn) })
        )
      }
    })
  ).pipe(Effect.orDie)

export const token: Peer = {
  name: "TokenCache.token",
  kind: "ours",
  make: (issue) =>
    Effect.map(build(issue), (context) => ({
      style: "fiber",
      use: (body) =>
        Effect.provide(
          body(() => TokenCache.token("api")),
          context
        )
    }))
}

export const reader: Peer = {
  name: "TokenCache.reader",
  kind: "ours",
  make: (issue) =>
    Effect.flatMap(build(issue), (context) =>
      Effect.map(Effect.orDie(Effect.provide(TokenCache.reader("api"), context)), (read) => ({
        style: "fiber",
        use: (body) => body(() => read)
      }))
    )
}

export const promise: Peer = {
  name: "TokenCache.token, runPromise",
  kind: "ours",
  make: (issue) =>
    Effect.flatMap(build(issue), (context) =>
      Effect.map(Effect.provide(Effect.runtime<TokenCache>(), context), (runtime) => {
        const runPromise = Runtime.runPromise(runtime)
        return { style: "promise", read: () => runPromise(TokenCache.token("api")) }
      })
    )
}
