import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import { IssueError } from "../../TokenError.js"
import type { Answer } from "../http/exchange.js"
import { nameOf } from "../issueErrorOf.js"
import { redacted } from "../options.js"
import { isSame, login, mergeStored, onLoad, type RefreshTokens, replace, type Token } from "./refreshTokens.js"
import * as StoredTokens from "./storedTokens.js"

/** Where refresh tokens come from and go to. */
export interface Persistence<R> {
  /** Gives the refresh token to begin with. Run before each attempt. */
  readonly load: Effect.Effect<string | Token, unknown, R>
  /** Stores a refresh token that the server gave in place of the last one. */
  readonly persist: ((token: Token) => Effect.Effect<unknown, unknown, R>) | undefined
  /** How long a token request may take. */
  readonly requestTimeout: Duration.DurationInput
}

/**
 * Sends a token request with the current refresh token, and persists the one that replaces it. There is one request at a
 * time. From when it is sent nothing interrupts it until the new token is persisted: the old one is spent by then.
 *
 * With a `TokenStore` all processes use one refresh token, which is in the store, and only under the lease.
 */
export type Rotation<R> = <R1>(
  send: (refreshToken: Token) => Effect.Effect<Answer, IssueError, R1>
) => Effect.Effect<Answer, IssueError, R | R1>

/** Makes the rotation of one source. */
export const make = <R>({ load, persist, requestTimeout }: Persistence<R>): Rotation<R> => {
  const lock = Effect.unsafeMakeSemaphore(1)
  let tokens: RefreshTokens | undefined

  const current = (lease: StoredTokens.Lease) =>
    Effect.gen(function* () {
      const loaded = redacted(yield* load)
      tokens = mergeStored(onLoad(tokens, loaded), yield* StoredTokens.read(lease))
      return tokens.current
    }).pipe(
      Effect.mapErrorCause(notLoaded),
      Effect.filterOrFail((token) => Redacted.value(token) !== "", noRefreshToken)
    )

  const save = (lease: StoredTokens.Lease) =>
    Effect.suspend(() => {
      const saved = tokens
      return saved?.unsaved
        ? persistIn(lease, persist, saved).pipe(
            bounded(persistTimeout),
            Effect.mapErrorCause((cause) => Cause.fail(failure("the new refresh token could not be persisted", cause))),
            Effect.tap(() => Effect.sync(() => (tokens = { ...saved, unsaved: false })))
          )
        : Effect.void
    })

  const keep = ({ body }: Answer, sent: Token) =>
    Effect.sync(() => {
      const next = Predicate.isRecord(body) ? body.refresh_token : undefined
      if (typeof next === "string" && next !== "" && !isSame(Redacted.make(next), sent)) {
        tokens = replace(tokens ?? login(sent), Redacted.make(next))
      }
    })

  return (send) =>
    lock.withPermits(1)(
      Effect.gen(function* () {
        const lease = yield* StoredTokens.currentLease
        if (tokens?.unsaved) {
          // Other processes may have gone on from the token that could not be persisted.
          tokens = mergeStored(tokens, yield* Effect.mapErrorCause(StoredTokens.read(lease), notLoaded))
        }
        yield* Effect.uninterruptible(save(lease))
        const token = yield* current(lease)
        return yield* send(token).pipe(
          bounded(requestTimeout),
          Effect.catchTag("TimeoutException", () => Effect.fail(new IssueError({ reason: "Timeout" }))),
          Effect.tap((answer) => keep(answer, token)),
          Effect.zipLeft(save(lease)),
          Effect.uninterruptible
        )
      })
    )
}

const persistIn = <R>(
  lease: StoredTokens.Lease,
  persist: Persistence<R>["persist"],
  tokens: RefreshTokens
): Effect.Effect<void, unknown, R> =>
  Effect.gen(function* () {
    if (Option.isSome(lease)) {
      yield* StoredTokens.write(lease.value, tokens)
    } else if (persist === undefined) {
      yield* Effect.logWarning("The server has replaced the refresh token, and there is nowhere to keep the new one")
    }
    if (persist !== undefined) {
      yield* persist(tokens.current)
    }
  })

const persistTimeout = Duration.seconds(10)

/**
 * Sets a time limit that holds where nothing else interrupts. The effect runs in a daemon, because an interrupted fiber
 * interrupts its children at once, even in an uninterruptible region.
 */
const bounded =
  (duration: Duration.DurationInput) =>
  <A, E, R>(self: Effect.Effect<A, E, R>) =>
    Effect.flatMap(
      Effect.forkDaemon(Effect.interruptible(Effect.timeout(Effect.disconnect(self), duration))),
      Fiber.join
    ).pipe(
      // The log of a fiber that fails would show the error of a store.
      Effect.withUnhandledErrorLogLevel(Option.none())
    )

const noRefreshToken = () =>
  new IssueError({
    reason: "Rejected",
    permanent: true,
    message: "there is no refresh token",
    advice: "A login is needed."
  })

const notLoaded = (cause: Cause.Cause<unknown>) => Cause.fail(failure("the refresh token could not be loaded", cause))

/** Keeps nothing of the original error but its tag or name: it may hold a token. */
const failure = (what: string, cause: Cause.Cause<unknown>): IssueError =>
  new IssueError({ reason: "Unreachable", message: `${what}: ${nameOf(Cause.squash(cause))}` })
