import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as TokenStore from "../../TokenStore.js"
import { timeoutClock } from "../cache/time.js"
import * as SharedToken from "./sharedToken.js"
import { logOnce, type SharedContext, type StoreOperation } from "./sharedToken.js"

/** Reads what the store has under the key of a token. If a value cannot be decrypted, the log says so once. */
export const read = (context: SharedContext): Effect.Effect<TokenStore.Stored, TokenStore.StoreError> => {
  const { token, tokens } = context
  return Effect.tap(call(context, "read", tokens.store.read(token.key)), ({ unreadable }) =>
    unreadable
      ? logOnce(
          tokens,
          Effect.logWarning("The token store holds a value that cannot be read: check TOKEN_STORE_KEYS"),
          "unreadable"
        )
      : Effect.void
  )
}

/**
 * Removes a token that was invalidated from the store, if it is there, so that no process takes it over. If that fails,
 * it is remembered, and `storeSync.ts` tries again.
 */
export const withdraw = (context: SharedContext, token: Redacted.Redacted<string>): Effect.Effect<void> =>
  Effect.suspend(() => {
    SharedToken.addWithdrawn(context, token)
    return Effect.ignore(removeWithdrawn(context))
  })

/** Removes the stored token if it was invalidated, and forgets those that the store does not hold any more. */
export const removeWithdrawn = (context: SharedContext): Effect.Effect<void, TokenStore.StoreError> =>
  Effect.suspend(() => {
    const { token, tokens } = context
    const { withdrawn } = token
    return read(context).pipe(
      Effect.flatMap((stored) =>
        stored.token !== undefined && SharedToken.isWithdrawn(token, stored.token.accessToken)
          ? call(context, "remove", tokens.store.remove(token.key, stored.generation))
          : Effect.void
      ),
      Effect.map(() => SharedToken.forgetWithdrawn(context, withdrawn))
    )
  })

/**
 * Asks the store for something. It limits the time, tells listeners how that ended, and logs when an outage begins and
 * ends.
 */
export const call = <A>(
  { cache, tokens }: SharedContext,
  operation: StoreOperation,
  effect: Effect.Effect<A, TokenStore.StoreError>
): Effect.Effect<A, TokenStore.StoreError> =>
  Effect.tapBoth(answered(effect), {
    onSuccess: (answer) => {
      const outcome = isUnreadable(answer) ? "unreadable" : "success"
      cache.report({ _tag: "SharingOperation", operation, outcome })
      if (tokens.failing !== operation) {
        return Effect.void
      }
      tokens.failing = undefined
      return Effect.logInfo("The token store works again")
    },
    onFailure: ({ message }) => {
      cache.report({ _tag: "SharingOperation", operation, outcome: "failure" })
      if (operation === "read" || operation === "acquire") {
        tokens.circuitOpenUntil = cache.clock.unsafeCurrentTimeNanos() + cooldown
      }
      if (tokens.failing !== undefined || !frequent.has(operation)) {
        return Effect.void
      }
      tokens.failing = operation
      return Effect.logWarning(`The token store fails, and this process issues its own tokens: ${message}`)
    }
  })

/** The operations whose failure begins an outage: they are asked for often enough to notice when it is over. */
const frequent: ReadonlySet<StoreOperation> = new Set(["read", "acquire", "write"])

/**
 * Makes sure that an operation ends, and fails with a `StoreError` if it does: a user's own backend may die or hang.
 */
const answered = <A>(effect: Effect.Effect<A, TokenStore.StoreError>): Effect.Effect<A, TokenStore.StoreError> =>
  Effect.exit(effect).pipe(
    timeoutClock(storeTimeout),
    Effect.flatMap((exit) => exit ?? new TokenStore.StoreError({ message: "it did not answer" })),
    Effect.catchAllCause((cause) =>
      Effect.fail(
        Option.getOrElse(Cause.failureOption(cause), () => new TokenStore.StoreError({ message: "its backend died" }))
      )
    )
  )

/** How long the store may take to answer. */
const storeTimeout = Duration.seconds(5)

/** Whether an answer tells of a value that no key decrypts. */
const isUnreadable = (answer: unknown): boolean =>
  typeof answer === "object" && answer !== null && "unreadable" in answer

/** How long no attempt asks the store after a failure, in nanoseconds. */
const cooldown = 1_000_000_000n
