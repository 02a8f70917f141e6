import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { IssueError } from "../../TokenError.js"
import * as TokenStore from "../../TokenStore.js"
import type { Stored } from "./refreshTokens.js"

/** The lease of a token that is shared. There is none without a `TokenStore`, or for a token that is not shared. */
export type Lease = Option.Option<TokenStore.Lease>

/** The lease of the running attempt. It fails if the token is shared and there is none. */
export const currentLease: Effect.Effect<Lease, IssueError> = Effect.flatMap(
  Effect.serviceOption(TokenStore.CurrentLease),
  (lease) =>
    Option.isSome(lease) && Option.isNone(lease.value)
      ? new IssueError({
          reason: "Unreachable",
          message: "the refresh token is used under the lease of the token store alone, which this process did not get",
          advice: "Check the token store."
        })
      : Effect.succeed(Option.flatten(lease))
)

const StoredJson = Schema.parseJson(
  Schema.Struct({ current: Schema.Redacted(Schema.String), spent: Schema.Array(Schema.Redacted(Schema.String)) })
)

/** Reads what processes share; none if nothing is stored. */
export const read = (lease: Lease): Effect.Effect<Option.Option<Stored>, TokenStore.StoreError> =>
  Option.isNone(lease)
    ? Effect.succeedNone
    : Effect.flatMap(lease.value.readSecret, (secret) =>
        Effect.transposeMapOption(secret, (secret) =>
          Effect.mapError(
            Schema.decodeOption(StoredJson)(Redacted.value(secret)),
            () => new TokenStore.StoreError({ message: "the stored secret is not a refresh token" })
          )
        )
      )

/** Writes what processes share. It fails if another process has taken the lease meanwhile. */
export const write = (
  lease: TokenStore.Lease,
  { current, spent }: Stored
): Effect.Effect<void, TokenStore.StoreError> => {
  const secret = JSON.stringify({ current: Redacted.value(current), spent: spent.map(Redacted.value) })
  return Effect.filterOrFail(
    lease.writeSecret(Redacted.make(secret)),
    (written) => written,
    () => new TokenStore.StoreError({ message: "the lease was lost" })
  )
}
