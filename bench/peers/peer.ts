import { Effect, type Redacted, type Scope } from "effect"
import type { Issue } from "../issuer.js"

export type Token = string | Redacted.Redacted<string>

/** One token in one cache, read the way its users read it. */
export type Reading = FiberReading | PromiseReading

export interface FiberReading {
  readonly style: "fiber"
  /** Runs an effect with the read, and with what the read needs. */
  readonly use: <A>(body: UseRead<A>) => Effect.Effect<A>
}

export type UseRead<A> = <R>(read: () => Effect.Effect<Token, unknown, R>) => Effect.Effect<A, never, R>

export interface PromiseReading {
  readonly style: "promise"
  readonly read: () => Promise<Token>
}

export interface Peer {
  readonly name: string
  /** This library, a part of Effect, a package of npm, or no cache at all. */
  readonly kind: "ours" | "effect" | "npm" | "bare"
  readonly make: (issue: Issue) => Effect.Effect<Reading, never, Scope.Scope>
}

export const npm = (name: string, make: (issue: Issue) => () => Promise<string>): Peer => ({
  name,
  kind: "npm",
  make: (issue) => Effect.sync(() => ({ style: "promise", read: make(issue) }))
})

/** How long before its expiry a peer without a rule of its own takes a token for stale, in seconds. */
export const margin = 60
