import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import type * as Redacted from "effect/Redacted"
import type { AccessToken, IssuedToken } from "../../IssuedToken.js"
import type { IssueError } from "../../TokenError.js"
import type { Attempt, Entry } from "./entry.js"

/** How a cache shares its tokens with other processes. */
export interface Sharing {
  /** Begins to share a token, if its source has an identity. */
  readonly add: (entry: Entry) => void
  /** Ends the sharing of a token that leaves the cache. */
  readonly remove: (entry: Entry) => void
  /** Carries out one attempt, which issues a token or takes over one that another process has issued. */
  readonly obtain: (entry: Entry, attempt: Attempt, issuing: Issuing) => Effect.Effect<AccessToken, unknown, unknown>
  /** Makes sure that no other process takes over a token that was invalidated. */
  readonly withdraw: (entry: Entry, token: Redacted.Redacted<string>) => void
  /** Says whether the current token is the one that all processes share. `undefined` if the token is not shared. */
  readonly stateOf: (entry: Entry) => "shared" | "local" | undefined
}

/** What it takes to carry out an attempt. */
export interface Issuing {
  /** Issues a token, in a scope of its own. */
  readonly issue: Effect.Effect<IssuedToken, unknown, unknown>
  /** Checks what was issued, and turns it into a token of the cache. */
  readonly accept: (issued: IssuedToken) => Either.Either<AccessToken, IssueError>
}

/** Shares nothing: every token stays in this process. */
export const none: Sharing = {
  add: () => {},
  remove: () => {},
  obtain: (_entry, _attempt, { accept, issue }) => Effect.flatMap(issue, accept),
  withdraw: () => {},
  stateOf: () => undefined
}

/** What listeners are told about sharing: how an operation of the store ended, or how long a lease was waited for. */
export type SharingReport =
  | { readonly _tag: "SharingOperation"; readonly operation: string; readonly outcome: SharingOutcome }
  | { readonly _tag: "LeaseWait"; readonly millis: number }

/** How an operation of the store ended. It is `unreadable` if a value was found that no key decrypts. */
export type SharingOutcome = "success" | "failure" | "unreadable"
