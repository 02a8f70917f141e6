import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import type * as Redacted from "effect/Redacted"
import type { AccessToken, IssuedToken } from "../../IssuedToken.js"
import type { IssueError } from "../../TokenError.js"
import type { Attempt, Entry } from "./entry.js"

/** How a cache shares its tokens with other processes. */
export interface Sharing {
  /** Shares a token of the cache, if its source says what it depends on. */
  readonly add: (entry: Entry) => void
  readonly remove: (entry: Entry) => void
  /** Carries out one attempt: issues a token, or takes over one that another process has issued. */
  readonly obtain: (entry: Entry, attempt: Attempt, issuing: Issuing) => Effect.Effect<AccessToken, unknown, unknown>
  /** Takes an invalidated token from the other processes as well. */
  readonly withdraw: (entry: Entry, token: Redacted.Redacted<string>) => void
  /** Whether the current token is the one that all processes have; `undefined` if it is not for sharing. */
  readonly stateOf: (entry: Entry) => "shared" | "local" | undefined
}

/** How the cache itself would carry out an attempt. */
export interface Issuing {
  readonly issue: Effect.Effect<IssuedToken, unknown, unknown>
  /** Turns what was issued into the token of the cache. */
  readonly accept: (issued: IssuedToken) => Either.Either<AccessToken, IssueError>
}

/** Keeps every token in this process. */
export const none: Sharing = {
  add: () => {},
  remove: () => {},
  obtain: (_entry, _attempt, { accept, issue }) => Effect.flatMap(issue, accept),
  withdraw: () => {},
  stateOf: () => undefined
}

/** What metrics are told of sharing. */
export type SharingReport =
  | { readonly _tag: "SharingOperation"; readonly operation: string; readonly outcome: SharingOutcome }
  | { readonly _tag: "LeaseWait"; readonly millis: number }

export type SharingOutcome = "success" | "failure" | "unreadable"
