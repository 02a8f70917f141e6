import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { AccessToken } from "../../IssuedToken.js"
import * as TokenStore from "../../TokenStore.js"
import { annotated } from "../cache/cache.js"
import type { Attempt } from "../cache/entry.js"
import type { Issuing } from "../cache/sharing.js"
import * as Lease from "./lease.js"
import { findNewer } from "./newerToken.js"
import { becomeLocal, becomeShared, type SharedContext, type SharedTokens } from "./sharedToken.js"
import { call } from "./storeClient.js"

/**
 * Carries out one attempt of a token that is shared. It takes over a newer token that is in the store, and otherwise
 * issues one under the lease and writes it. A process that does not get the lease waits for the token of the one that
 * has it, or for the lease. While the store fails, the token is issued without it.
 */
export const issue = (
  context: SharedContext,
  attempt: Attempt,
  issuing: Issuing
): Effect.Effect<AccessToken, unknown, unknown> => share({ context, attempt, issuing, hasLostLease: false })

/** An attempt of a shared token. */
interface SharedAttempt {
  readonly context: SharedContext
  readonly attempt: Attempt
  readonly issuing: Issuing
  /** Whether the lease was lost before in this attempt. The attempt begins again once only, to spare the issuer. */
  readonly hasLostLease: boolean
}

const share = (self: SharedAttempt): Effect.Effect<AccessToken, unknown, unknown> =>
  prepare(self).pipe(
    Effect.either,
    Effect.flatMap((prepared) =>
      Either.isLeft(prepared)
        ? issueAlone(self)
        : "lease" in prepared.right
          ? issueUnder(self, prepared.right)
          : Effect.succeed(prepared.right)
    ),
    Effect.scoped
  )

/** Whether the attempt is still the one of its token: it may have reached its time limit. */
const isCurrent = ({ attempt, context }: SharedAttempt): boolean => context.token.entry.attempt === attempt

/**
 * Issues a token now. Its lifetime counts from here, and not from when the attempt began to wait for another process. If
 * the wall clock is set back meanwhile, that instant moves with it.
 */
const issueNow = ({ context: { cache }, issuing: { accept, issue } }: SharedAttempt) =>
  Effect.suspend(() => {
    cache.adjustForClockSetBack()
    const issuedAt = cache.now() - cache.skew()
    return Effect.flatMap(issue, (issued) => {
      cache.adjustForClockSetBack()
      return accept({ issuedAt: issuedAt + cache.skew(), ...issued })
    })
  })

/** Issues a token without the store, for this process alone. */
const issueAlone = (self: SharedAttempt): Effect.Effect<AccessToken, unknown, unknown> =>
  issueNow(self).pipe(
    Effect.provideService(TokenStore.CurrentLease, Option.none()),
    Effect.map((token) => keep(self, token))
  )

/** Keeps a token for this process alone. */
const keep = (self: SharedAttempt, token: AccessToken): AccessToken => {
  if (isCurrent(self)) becomeLocal(self.context)
  return token
}

/** Takes over a newer token that is in the store, if there is one. */
const takeOver = (self: SharedAttempt): Effect.Effect<Option.Option<AccessToken>, TokenStore.StoreError> =>
  Effect.map(findNewer(self.context, self.issuing.accept), ({ newer, stored }) => {
    if (Option.isSome(newer) && isCurrent(self)) {
      self.attempt.trigger = "shared"
      self.attempt.span?.attribute("token_cache.trigger", "shared")
      becomeShared(self.context, stored.generation)
    }
    return newer
  })

/** Issues a token under the lease and writes it. If the lease is lost meanwhile, the attempt begins again, once. */
const issueUnder = (
  self: SharedAttempt,
  held: Lease.Held
): Effect.Effect<AccessToken, unknown, Scope.Scope | unknown> =>
  Effect.gen(function* () {
    const issuing = Effect.provideService(issueNow(self), TokenStore.CurrentLease, Option.some(held.lease))
    // The scope closes only when the issue has ended, which may not be interruptible: until then the lease is renewed.
    const renewing = yield* Effect.forkScoped(Lease.untilLost(self.context, held))
    // As an exit, because the log of a fiber that fails would show the issuer's own error.
    const fiber = yield* Effect.forkScoped(Effect.exit(issuing))
    const issued = yield* Effect.raceFirst(
      Effect.asSome(Effect.map(Fiber.await(fiber), Exit.flatten)),
      self.hasLostLease ? Effect.never : Effect.as(Fiber.join(renewing), Option.none())
    )
    if (Option.isNone(issued)) {
      yield* Fiber.interruptFork(fiber)
      return yield* share({ ...self, hasLostLease: true })
    }
    return yield* write(self, held, yield* issued.value)
  })

/** Writes the new token for the other processes, unless the lease was lost and they have a newer one already. */
const write = (self: SharedAttempt, held: Lease.Held, token: AccessToken): Effect.Effect<AccessToken> =>
  Effect.gen(function* () {
    const { context } = self
    const generation = context.token.generation + 1
    const written = Lease.isHeld(held, yield* Clock.currentTimeNanos)
      ? yield* Effect.either(call(context, "write", held.lease.write(context.token.key, generation, token)))
      : Either.right(false)
    if (Either.isLeft(written)) {
      return keep(self, token)
    }
    if (written.right) {
      if (isCurrent(self)) becomeShared(context, generation)
      return token
    }
    const theirs = yield* Effect.orElseSucceed(takeOver(self), Option.none)
    return Option.getOrElse(theirs, () => keep(self, token))
  })

/** How often a process that waits for another one looks into the store, in case it is not told of the new token. */
const pollInterval = Duration.millis(500)

/** Gives a newer token of the store or the lease, whichever is there first. */
const prepare = (self: SharedAttempt): Effect.Effect<AccessToken | Lease.Held, TokenStore.StoreError, Scope.Scope> =>
  Effect.gen(function* () {
    const { attempt, context } = self
    const { cache, token, tokens } = context
    if (cache.clock.unsafeCurrentTimeNanos() < tokens.circuitOpenUntil) {
      return yield* new TokenStore.StoreError({ message: "it failed moments ago" })
    }
    const theirs = yield* takeOver(self)
    if (Option.isSome(theirs)) {
      return theirs.value
    }
    const since = yield* Clock.currentTimeNanos
    const reportWait = (now: bigint) => cache.report({ _tag: "LeaseWait", millis: Number(now - since) / 1e6 })
    for (let turn = 0; ; turn++) {
      token.changed.unsafeClose()
      const held = yield* Lease.acquire(context)
      // Another process may have written a token before this one got the lease.
      const theirs = yield* takeOver(self)
      const now = yield* Clock.currentTimeNanos
      const mine = Option.filter(held, (held) => Lease.isHeld(held, now))
      if (Option.isSome(theirs) || Option.isSome(mine)) {
        token.awaitsLeaseSince = undefined
        if (turn > 0) reportWait(now)
        return Option.isSome(theirs) ? theirs.value : Option.getOrThrow(mine)
      }
      token.awaitsLeaseSince ??= now
      if (now - token.awaitsLeaseSince >= patience(tokens)) {
        reportWait(now)
        return yield* giveUpLease(context)
      }
      attempt.awaitingLease = true
      yield* Effect.raceFirst(token.changed.await, Effect.sleep(pollInterval))
    }
  }).pipe(
    Effect.ensuring(
      Effect.sync(() => {
        self.attempt.awaitingLease = false
      })
    )
  )

/** How long a process goes without the lease and without a new token, in nanoseconds, before it issues on its own. */
const patience = ({ store }: SharedTokens): bigint =>
  BigInt(Math.ceil(2 * Duration.toMillis(store.leaseTimeToLive))) * 1_000_000n

/** Says that this process goes on without the lease, and fails as if the store had failed. */
const giveUpLease = ({ cache, token, tokens }: SharedContext): Effect.Effect<never, TokenStore.StoreError> => {
  cache.report({ _tag: "LeaseGivenUp", token: token.entry })
  const waited = Duration.format(Duration.times(tokens.store.leaseTimeToLive, 2))
  return Effect.zipRight(
    annotated(
      token.entry,
      Effect.logWarning(
        `No lease and no token of another process within ${waited}: this process goes on without the lease`
      )
    ),
    new TokenStore.StoreError({ message: "the lease could not be had" })
  )
}
