import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as TokenStore from "../../TokenStore.js"
import type { Registry, Report } from "../cache/cache.js"
import { within } from "../cache/time.js"
import * as TokenState from "../cache/tokenState.js"
import { type Sharer, sayOnce } from "./sharing.js"

/** What is stored, by which generation the next one is to be. */
export const read = (sharer: Sharer): Effect.Effect<TokenStore.Stored, TokenStore.StoreError> => {
  const { entry, sharing } = sharer
  return Effect.tap(ask(sharer, "read", sharing.store.read(entry.shared.key)), ({ unreadable }) =>
    unreadable
      ? sayOnce(
          sharing,
          Effect.logWarning("The token store holds a value that cannot be read: check TOKEN_STORE_KEYS"),
          "unreadable"
        )
      : Effect.void
  )
}

/** A token that is refused is not for others either. */
export const withdraw = (sharer: Sharer, token: Redacted.Redacted<string>): Effect.Effect<void> =>
  read(sharer).pipe(
    Effect.flatMap((stored) =>
      stored.token !== undefined && TokenState.sameToken(stored.token.accessToken, token)
        ? ask(sharer, "remove", sharer.sharing.store.remove(sharer.entry.shared.key, stored.generation))
        : Effect.void
    ),
    Effect.ignore
  )

/** Asks the store for something, and takes note of how that ends. */
export const ask = <A>(
  { registry, sharing }: Sharer,
  operation: StoreOperation,
  effect: Effect.Effect<A, TokenStore.StoreError>
): Effect.Effect<A, TokenStore.StoreError> =>
  Effect.tapBoth(answered(effect), {
    onSuccess: (answer) => {
      report(registry, { _tag: "Store", operation, outcome: isUnreadable(answer) ? "unreadable" : "success" })
      if (sharing.failing !== operation) {
        return Effect.void
      }
      sharing.failing = undefined
      return Effect.logInfo("The token store works again")
    },
    onFailure: ({ message }) => {
      report(registry, { _tag: "Store", operation, outcome: "failure" })
      if (operation === "read" || operation === "acquire") {
        sharing.failingUntil = registry.clock.unsafeCurrentTimeNanos() + leaveAlone
      }
      // The others are not asked for often enough to see the end of it.
      if (sharing.failing !== undefined || !["read", "acquire", "write"].includes(operation)) {
        return Effect.void
      }
      sharing.failing = operation
      return Effect.logWarning(`The token store fails, and this process issues its own tokens: ${message}`)
    }
  })

/** A backend of one's own making may die or hang. */
const answered = <A>(effect: Effect.Effect<A, TokenStore.StoreError>): Effect.Effect<A, TokenStore.StoreError> =>
  Effect.exit(effect).pipe(
    within(longestAnswer),
    Effect.flatMap((exit) => exit ?? new TokenStore.StoreError({ message: "it did not answer" })),
    Effect.catchAllCause((cause) =>
      Effect.fail(
        Option.getOrElse(Cause.failureOption(cause), () => new TokenStore.StoreError({ message: "its backend died" }))
      )
    )
  )

const longestAnswer = Duration.seconds(5)

export type StoreOperation = "read" | "acquire" | "renew" | "write" | "release" | "remove"

const isUnreadable = (answer: unknown): boolean =>
  typeof answer === "object" && answer !== null && "unreadable" in answer

const leaveAlone = 1_000_000_000n

export const report = ({ listeners }: Registry, report: Report): void => {
  for (const listener of listeners) {
    listener(report)
  }
}
