import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { AccessToken, IssuedToken } from "../../IssuedToken.js"
import type { IssueError } from "../../TokenError.js"
import type * as TokenStore from "../../TokenStore.js"
import { isSame } from "../cache/accessToken.js"
import { isWithdrawn, type SharedContext } from "./sharedToken.js"
import { read } from "./storeClient.js"

/** What was found in the store. */
export interface Found {
  /** What the store has under the key of the token. */
  readonly stored: TokenStore.Stored
  /** The stored token, if it is to be taken over. */
  readonly newer: Option.Option<AccessToken>
}

/**
 * Looks in the store for a token that is newer than the current one, that the cache accepts, and that this process has
 * not withdrawn.
 */
export const findNewer = (
  context: SharedContext,
  accept: (issued: IssuedToken) => Either.Either<AccessToken, IssueError>
): Effect.Effect<Found, TokenStore.StoreError> =>
  Effect.map(read(context), (stored) => {
    const { token: shared } = context
    const { token } = shared.entry.state
    const isNewer = ({ expiresAt }: AccessToken) =>
      token === undefined || stored.generation > shared.generation || expiresAt > token.expiresAt
    const newer =
      stored.token === undefined ||
      (token !== undefined && isSame(token.accessToken, stored.token.accessToken)) ||
      isWithdrawn(shared, stored.token.accessToken)
        ? Option.none()
        : Option.filter(Either.getRight(accept(stored.token)), isNewer)
    shared.generation = Math.max(shared.generation, stored.generation)
    return { stored, newer }
  })
