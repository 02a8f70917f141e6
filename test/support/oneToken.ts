import { type Duration, Effect, Redacted } from "effect"
import { TokenCache } from "effect-token-cache"
import * as Issuer from "./issuer.js"

type Scripted = ReturnType<typeof Issuer.scripted>

/** A cache with one token, `line`, of a scripted issuer. */
export const layer = (issuer: Scripted, options = {}) =>
  TokenCache.layer({ line: { issue: issuer.issue, jitter: 0, ...options } })

export const read = Effect.map(TokenCache.token("line"), Issuer.value)
export const refresh = Effect.map(TokenCache.refresh("line"), Issuer.value)
export const invalidate = (token: string) => TokenCache.invalidate("line", Redacted.make(token))
/** What a reader is told that gets no token. */
export const unavailable = Effect.flip(TokenCache.token("line"))
export const status = TokenCache.status("line")

/** When the issuer was asked, in seconds. */
export const seconds = ({ calls }: Scripted) => calls.map((at) => at / 1000)

/** The seconds that the next attempt waited for, of each attempt but the last. */
export const delays = (issuer: Scripted) =>
  seconds(issuer).flatMap((at, index, all) => (index === 0 ? [] : at - all[index - 1]!))

export const times = <A, E, R>(count: number, effect: Effect.Effect<A, E, R>) =>
  Effect.replicateEffect(effect, count, { concurrency: "unbounded" })

export const distinct = (tokens: ReadonlyArray<string>) => [...new Set(tokens)]

/** An issuer whose token lives through the attempts of one test, and that fails from then on. */
export const thenDown = (expiresIn: Duration.DurationInput = "15 minutes") =>
  Issuer.scripted(Issuer.succeed(expiresIn), Issuer.fail())
