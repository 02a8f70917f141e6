import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { AccessToken, IssuedToken } from "../../IssuedToken.js"
import type { IssueError } from "../../TokenError.js"
import * as TokenStore from "../../TokenStore.js"
import type { Attempt } from "../cache/entry.js"
import * as TokenState from "../cache/tokenState.js"
import * as Lease from "./lease.js"
import { becomeLocal, becomeShared, type Sharer } from "./sharing.js"
import { ask, read, report } from "./storeClient.js"

/** How often those who wait for another process look, should they not be told. */
const pollInterval = Duration.millis(500)

/**
 * One attempt of a token that is in the store: takes over a newer one that is there; else issues one under the lease and
 * writes it. Who does not get the lease waits for the token of who has it, or for the lease. While the store fails the
 * token is issued all the same.
 */
export const obtain = (
  sharer: Sharer,
  attempt: Attempt,
  issue: Effect.Effect<IssuedToken, unknown, unknown>,
  accept: (issued: IssuedToken) => Either.Either<AccessToken, IssueError>
): Effect.Effect<AccessToken, unknown, unknown> => {
  const { entry, registry } = sharer
  const isCurrent = () => entry.attempt === attempt
  // From its request on, not from when the attempt began to wait for another process.
  const issueNow = Effect.suspend(() => {
    const issuedAt = registry.now()
    return Effect.flatMap(issue, (issued) => accept({ issuedAt, ...issued }))
  })

  const takeOver = Effect.map(findNewer(sharer, accept), ({ newer, stored }) => {
    if (Option.isSome(newer) && isCurrent()) {
      attempt.trigger = "shared"
      attempt.span?.attribute("token_cache.trigger", "shared")
      becomeShared(sharer, stored.generation)
    }
    return newer
  })

  const keep = (token: AccessToken) => {
    if (isCurrent()) becomeLocal(sharer)
    return token
  }

  const issueAlone = Effect.map(Effect.provideService(issueNow, TokenStore.CurrentLease, Option.none()), keep)

  let lost = false
  const issueUnder = (held: Lease.Held): Effect.Effect<AccessToken, unknown, unknown> =>
    Effect.gen(function* () {
      const issuing = Effect.provideService(issueNow, TokenStore.CurrentLease, Option.some(held.lease))
      // In a scope that closes when the issue has ended, although it may not be possible to interrupt it.
      const renewing = yield* Effect.forkScoped(Lease.untilLost(sharer, held))
      // As an exit: the log of a fiber that fails would show an error of the issuer.
      const fiber = yield* Effect.forkScoped(Effect.exit(issuing))
      const issued = yield* Effect.raceFirst(
        Effect.asSome(Effect.map(Fiber.await(fiber), Exit.flatten)),
        lost ? Effect.never : Effect.as(Fiber.join(renewing), Option.none())
      )
      if (Option.isNone(issued)) {
        yield* Fiber.interruptFork(fiber)
        // Once: who loses it again asks the issuer no more often for that.
        lost = true
        return yield* share
      }
      const token = yield* issued.value
      const generation = entry.shared.generation + 1
      const written = Lease.isHeld(held, yield* Clock.currentTimeNanos)
        ? yield* Effect.either(ask(sharer, "write", held.lease.write(entry.shared.key, generation, token)))
        : Either.right(false)
      if (Either.isLeft(written)) {
        return keep(token)
      }
      if (written.right) {
        if (isCurrent()) becomeShared(sharer, generation)
        return token
      }
      const theirs = yield* Effect.orElseSucceed(takeOver, Option.none)
      return Option.getOrElse(theirs, () => keep(token))
    })

  const share: Effect.Effect<AccessToken, unknown, unknown> = prepare(sharer, attempt, takeOver).pipe(
    Effect.either,
    Effect.flatMap((prepared) =>
      Either.isLeft(prepared)
        ? issueAlone
        : "lease" in prepared.right
          ? issueUnder(prepared.right)
          : Effect.succeed(prepared.right)
    ),
    Effect.scoped
  )
  return share
}

/** Gives a newer token, or the lease. */
const prepare = (
  sharer: Sharer,
  attempt: Attempt,
  takeOver: Effect.Effect<Option.Option<AccessToken>, TokenStore.StoreError>
): Effect.Effect<AccessToken | Lease.Held, TokenStore.StoreError, Scope.Scope> =>
  Effect.gen(function* () {
    const { entry, registry, sharing } = sharer
    if (registry.clock.unsafeCurrentTimeNanos() < sharing.failingUntil) {
      return yield* new TokenStore.StoreError({ message: "it failed moments ago" })
    }
    const theirs = yield* takeOver
    if (Option.isSome(theirs)) {
      return theirs.value
    }
    const since = yield* Clock.currentTimeNanos
    for (let turn = 0; ; turn++) {
      entry.shared.written.unsafeClose()
      const held = yield* Lease.acquire(sharer)
      // Somebody may have written one in between.
      const theirs = yield* takeOver
      const now = yield* Clock.currentTimeNanos
      const mine = Option.filter(held, (held) => Lease.isHeld(held, now))
      if (Option.isSome(theirs) || Option.isSome(mine)) {
        if (turn > 0) report(registry, { _tag: "LeaseWait", millis: Number(now - since) / 1e6 })
        return Option.isSome(theirs) ? theirs.value : Option.getOrThrow(mine)
      }
      attempt.waits = true
      yield* Effect.raceFirst(entry.shared.written.await, Effect.sleep(pollInterval))
    }
  }).pipe(
    Effect.ensuring(
      Effect.sync(() => {
        attempt.waits = false
      })
    )
  )

/** What is stored, and the token of it if that is one to go over to. */
export const findNewer = (
  sharer: Sharer,
  accept: (issued: IssuedToken) => Either.Either<AccessToken, IssueError>
): Effect.Effect<
  { readonly stored: TokenStore.Stored; readonly newer: Option.Option<AccessToken> },
  TokenStore.StoreError
> =>
  Effect.map(read(sharer), (stored) => {
    const { shared, state } = sharer.entry
    const newer =
      stored.token === undefined || isSame(state.token, stored.token)
        ? Option.none()
        : Option.filter(
            Either.getRight(accept(stored.token)),
            ({ expiresAt }) =>
              state.token === undefined || stored.generation > shared.generation || expiresAt > state.token.expiresAt
          )
    shared.generation = Math.max(shared.generation, stored.generation)
    return { stored, newer }
  })

const isSame = (token: AccessToken | undefined, other: { readonly accessToken: Redacted.Redacted<string> }): boolean =>
  token !== undefined && TokenState.sameToken(token.accessToken, other.accessToken)
