/** Many tokens at once: in one cache of this library, and with a fiber, a Schedule and a SubscriptionRef each. */
import { Context, Effect, Layer, type Redacted, Schedule, type Scope, SubscriptionRef } from "effect"
import { IssuedToken, TokenCache } from "effect-token-cache"

export interface Fleet {
  /** Starts so many tokens; done when each has been issued once. Gives what must stay referenced. */
  readonly start: (size: number, issuer: FleetIssuer) => Effect.Effect<unknown, unknown, Scope.Scope>
  readonly name: string
}

/** A synchronous issuer of tokens of 180 characters, which counts them. */
export interface FleetIssuer {
  readonly issue: (index: number) => Effect.Effect<IssuedToken.IssuedToken>
  readonly issued: () => number
}

/** `lifetime` of the token with this index, in milliseconds. */
export const fleetIssuer = (lifetime: (index: number) => number): FleetIssuer => {
  let issued = 0
  return {
    issue: (index) =>
      Effect.sync(() =>
        IssuedToken.make({
          // A string of its own: one that is cut from another keeps that one.
          accessToken: Buffer.alloc(180, String(issued++)).toString("latin1"),
          expiresIn: lifetime(index)
        })
      ),
    issued: () => issued
  }
}

/** The same with one effect for all tokens, as an app has it, and one lifetime. */
export const sharedIssuer = (lifetime: number): FleetIssuer => {
  const { issue, issued } = fleetIssuer(() => lifetime)
  const shared = issue(0)
  return { issue: () => shared, issued }
}

export const nameOf = (index: number) => `tenant-${index}`

export const cache: Fleet = {
  name: "TokenCache",
  start: (size, issuer) =>
    Effect.gen(function* () {
      const sources = Object.fromEntries(
        indices(size).map((index) => [nameOf(index), { issue: issuer.issue(index), jitter: 0 }])
      )
      const target = issuer.issued() + size
      const context = yield* Layer.build(TokenCache.layer(sources))
      yield* allIssued(issuer, target)
      return context
    })
}

/** Refreshes at half of a token's lifetime, as the cache does for those of less than 20 minutes. */
export const fiberEach: Fleet = {
  name: "a fiber each",
  start: (size, issuer) =>
    Effect.gen(function* () {
      const target = issuer.issued() + size
      const refs = yield* Effect.forEach(indices(size), (index) =>
        Effect.gen(function* () {
          const ref = yield* SubscriptionRef.make<Redacted.Redacted<string> | undefined>(undefined)
          yield* issuer.issue(index).pipe(
            Effect.tap((token) => SubscriptionRef.set(ref, token.accessToken)),
            Effect.retry(Schedule.exponential("30 seconds")),
            Effect.repeat(atHalfLifetime),
            Effect.forkScoped
          )
          return ref
        })
      )
      yield* allIssued(issuer, target)
      return refs
    })
}

const longestDelay = 20 * 24 * 3_600_000

const atHalfLifetime = Schedule.identity<IssuedToken.IssuedToken>().pipe(
  Schedule.addDelay((token) => Math.min(Number(token.expiresIn) / 2, longestDelay))
)

const indices = (size: number) => Array.from({ length: size }, (_, index) => index)

const allIssued = (issuer: FleetIssuer, target: number) =>
  Effect.repeat(
    Effect.sync(() => issuer.issued() >= target),
    { until: (all) => all, schedule: Schedule.spaced("1 millis") }
  )

/** The cache in what `start` of {@link cache} gives. */
export const service = (started: unknown): TokenCache["Type"] =>
  // What `cache` starts is a context.
  Context.unsafeGet(started as Context.Context<TokenCache>, TokenCache)
