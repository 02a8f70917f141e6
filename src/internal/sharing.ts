import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { AccessToken, IssuedToken } from "../IssuedToken.js"
import type { IssueError } from "../TokenError.js"
import type { TokenSource } from "../TokenSource.js"
import * as TokenStore from "../TokenStore.js"
import type { Attempt, Entry } from "./entry.js"
import type { Registry, Report } from "./registry.js"
import { atMost } from "./time.js"
import * as TokenState from "./tokenState.js"

/** The store, and the tokens of one layer that are in it. */
export interface Sharing {
  readonly store: TokenStore.TokenStoreService
  /** By the texts of their keys. */
  readonly entries: Map<string, SharedEntry>
  /** Those that this process has issued for itself alone, since the store failed. */
  readonly local: Set<SharedEntry>
  /** Open while there are any. */
  readonly anyLocal: Effect.Latch
  /** What it was asked for when it failed, until it does that. */
  failing: StoreOperation | undefined
  /** It failed moments ago, and is left alone until then. */
  failingUntil: number
  /** What would be said of each token is said once. */
  readonly said: Set<string>
}

/** What the store has of a token. */
export interface Shared {
  readonly key: TokenStore.Key
  /** The highest generation that was seen there. */
  generation: number
  /** Whether the current token is the one that is there; `undefined` before there is one. */
  state: "shared" | "local" | undefined
  /** Opened when another process has written a token. */
  readonly written: Effect.Latch
}

export type SharedEntry = Entry & { readonly shared: Shared }

export const make = (store: TokenStore.TokenStoreService): Sharing => ({
  store,
  entries: new Map(),
  local: new Set(),
  anyLocal: Effect.unsafeMakeLatch(false),
  failing: undefined,
  failingUntil: 0,
  said: new Set()
})

/** What the store has to do with a token of this source, if anything. */
export const of = (
  { fibers, sharing }: Registry,
  name: string,
  { identity, issuer = "" }: TokenSource<unknown, unknown>
): Shared | undefined => {
  if (sharing === undefined) {
    return undefined
  }
  if (identity === undefined) {
    fibers.fork(
      sayOnce(
        sharing,
        Effect.logWarning(
          `"${name}" is not shared: its source has no identity. The same goes for all others without one`
        ),
        "identity"
      )
    )
    return undefined
  }
  const key = sharing.store.keyOf({ client: [name, issuer, identity.client], request: [identity.request ?? ""] })
  return { key, generation: 0, state: undefined, written: Effect.unsafeMakeLatch(false) }
}

export const add = ({ sharing }: Registry, entry: Entry): void => {
  if (sharing !== undefined && isShared(entry)) {
    sharing.entries.set(textOf(entry.shared.key), entry)
  }
}

export const remove = ({ sharing }: Registry, entry: Entry): void => {
  if (sharing !== undefined && isShared(entry)) {
    sharing.entries.delete(textOf(entry.shared.key))
    sharing.local.delete(entry)
  }
}

export const isShared = (entry: Entry): entry is SharedEntry => entry.shared !== undefined

export const textOf = ({ group, id }: TokenStore.Key): string => `${group}:${id}`

/** How often those who wait for another process look, should they not be told. */
const pollInterval = Duration.millis(500)

const leaveAlone = 1000

export interface Sharer {
  readonly registry: Registry
  readonly sharing: Sharing
  readonly entry: SharedEntry
}

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

  const takeOver = Effect.map(read(sharer), (stored) => {
    const token = newer(entry, stored, accept)
    if (Option.isSome(token) && isCurrent()) {
      attempt.trigger = "shared"
      attempt.span?.attribute("token_cache.trigger", "shared")
      becomeShared(sharer, stored.generation)
    }
    return token
  })

  const keep = (token: AccessToken) => {
    if (isCurrent()) becomeLocal(sharer)
    return token
  }

  const issueAlone = Effect.map(Effect.provideService(issueNow, TokenStore.CurrentLease, Option.none()), keep)

  const issueUnder = (held: Held): Effect.Effect<AccessToken, unknown, unknown> =>
    Effect.gen(function* () {
      const issuing = Effect.provideService(issueNow, TokenStore.CurrentLease, Option.some(held.lease))
      const issued = yield* Effect.raceFirst(Effect.asSome(inFiber(issuing)), untilLost(sharer, held))
      if (Option.isNone(issued)) {
        return yield* share
      }
      const token = yield* issued.value
      const generation = entry.shared.generation + 1
      const written = isHeld(held, yield* Clock.currentTimeNanos)
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

  const share: Effect.Effect<AccessToken, unknown, unknown> = prepare(sharer, takeOver).pipe(
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

/**
 * Runs it in a fiber that it may interrupt, and gives its exit. The fiber itself does not fail: the log would show an
 * error of the issuer.
 */
const inFiber = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<Exit.Exit<A, E>, never, R> =>
  Effect.flatMap(Effect.fork(Effect.exit(effect)), (fiber) =>
    Effect.onInterrupt(Effect.map(Fiber.await(fiber), Exit.flatten), () => Fiber.interrupt(fiber))
  )

interface Held {
  readonly lease: TokenStore.Lease
  /** How long it lasts from each renewal on. */
  readonly millis: number
  /** On the monotonic clock of this process: from then on it does not count on the lease. */
  until: bigint
}

const isHeld = ({ until }: Held, now: bigint): boolean => now < until

/** Gives a newer token, or the lease. */
const prepare = (
  sharer: Sharer,
  takeOver: Effect.Effect<Option.Option<AccessToken>, TokenStore.StoreError>
): Effect.Effect<AccessToken | Held, TokenStore.StoreError, Scope.Scope> =>
  Effect.gen(function* () {
    const { entry, registry, sharing } = sharer
    if (registry.now() < sharing.failingUntil) {
      return yield* new TokenStore.StoreError({ message: "it failed moments ago" })
    }
    const theirs = yield* takeOver
    if (Option.isSome(theirs)) {
      return theirs.value
    }
    const since = yield* Clock.currentTimeNanos
    for (let turn = 0; ; turn++) {
      const held = yield* acquire(sharer)
      // Somebody may have written one in between.
      const theirs = yield* takeOver
      const now = yield* Clock.currentTimeNanos
      const mine = Option.filter(held, (held) => isHeld(held, now))
      if (Option.isSome(theirs) || Option.isSome(mine)) {
        if (turn > 0) report(registry, { _tag: "LeaseWait", millis: Number(now - since) / 1e6 })
        return Option.isSome(theirs) ? theirs.value : Option.getOrThrow(mine)
      }
      entry.shared.written.unsafeClose()
      yield* Effect.raceFirst(entry.shared.written.await, Effect.sleep(pollInterval))
    }
  })

/** Takes the lease until the scope closes, unless somebody else has it. */
export const acquire = (sharer: Sharer): Effect.Effect<Option.Option<Held>, TokenStore.StoreError, Scope.Scope> => {
  const { entry, sharing } = sharer
  const millis = Math.ceil(Duration.toMillis(sharing.store.leaseTimeToLive))
  return Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const before = yield* Clock.currentTimeNanos
      const acquired = yield* restore(ask(sharer, "acquire", sharing.store.acquire(entry.shared.key.group)))
      if (Option.isNone(acquired)) {
        return Option.none()
      }
      const lease = acquired.value
      yield* Effect.addFinalizer(() => Effect.ignore(ask(sharer, "release", lease.release)))
      return Option.some({ lease, millis, until: before + BigInt(millis) * 1_000_000n })
    })
  )
}

/** Renews the lease; ends when somebody else has it. While the store fails, nobody is known to. */
const untilLost = (sharer: Sharer, held: Held): Effect.Effect<Option.Option<never>> =>
  Effect.flatMap(Clock.currentTimeNanos, (before) =>
    Effect.match(ask(sharer, "renew", held.lease.renew), {
      onFailure: () => true,
      onSuccess: (renewed) => {
        if (renewed) held.until = before + BigInt(held.millis) * 1_000_000n
        return renewed
      }
    })
  ).pipe(
    Effect.delay(Duration.millis(Math.ceil(held.millis / 3))),
    Effect.repeat({ while: (goesOn) => goesOn }),
    Effect.as(Option.none())
  )

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

/** The stored token, if it is one to go over to. */
export const newer = (
  { shared, state: { token } }: SharedEntry,
  stored: TokenStore.Stored,
  accept: (issued: IssuedToken) => Either.Either<AccessToken, IssueError>
): Option.Option<AccessToken> => {
  const known = shared.generation
  shared.generation = Math.max(known, stored.generation)
  return stored.token === undefined || isSame(token, stored.token)
    ? Option.none()
    : Option.filter(
        Either.getRight(accept(stored.token)),
        ({ expiresAt }) => token === undefined || stored.generation > known || expiresAt > token.expiresAt
      )
}

export const isSame = (
  token: AccessToken | undefined,
  other: { readonly accessToken: Redacted.Redacted<string> }
): boolean => token !== undefined && TokenState.sameToken(token.accessToken, other.accessToken)

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

export const becomeShared = ({ entry, sharing }: Sharer, generation: number): void => {
  entry.shared.generation = generation
  entry.shared.state = "shared"
  sharing.local.delete(entry)
}

const becomeLocal = ({ entry, sharing }: Sharer): void => {
  entry.shared.state = "local"
  sharing.local.add(entry)
  sharing.anyLocal.unsafeOpen()
}

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
        sharing.failingUntil = registry.now() + leaveAlone
      }
      if (sharing.failing !== undefined) {
        return Effect.void
      }
      sharing.failing = operation
      return Effect.logWarning(`The token store fails, and this process issues its own tokens: ${message}`)
    }
  })

/** A backend of one's own making may die or hang. */
const answered = <A>(effect: Effect.Effect<A, TokenStore.StoreError>): Effect.Effect<A, TokenStore.StoreError> =>
  Effect.exit(effect).pipe(
    atMost(longestAnswer),
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

const sayOnce = ({ said }: Sharing, log: Effect.Effect<void>, what: string): Effect.Effect<void> =>
  Effect.suspend(() => {
    const again = said.has(what)
    said.add(what)
    return again ? Effect.void : log
  })

const report = ({ listeners }: Registry, report: Report): void => {
  for (const listener of listeners) {
    listener(report)
  }
}
