/**
 * How a refresh token is kept while the server replaces it.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { IssueError } from "../../TokenError.js"
import * as TokenStore from "../../TokenStore.js"
import type { Answer } from "../http/exchange.js"
import { nameOf } from "../issueErrorOf.js"

type Token = Redacted.Redacted<string>

interface Memory {
  /** What `load` gave last. */
  readonly loaded: Token
  /** What has come of it since. */
  readonly current: Token
  /** What came before the current one: the first of the login, and the last few. */
  readonly spent: ReadonlyArray<Token>
  /** Whether the current one is still to be persisted. */
  readonly unsaved: boolean
}

/**
 * Where refresh tokens come from and go to.
 *
 * @internal
 */
export interface Store<R> {
  readonly load: Effect.Effect<string | Token, unknown, R>
  readonly persist: ((token: Token) => Effect.Effect<unknown, unknown, R>) | undefined
  /** How long a request may take. */
  readonly requestTimeout: Duration.DurationInput
}

/**
 * Exchanges the refresh token for an answer, one at a time; the new refresh token in it is persisted first. From when the
 * request is sent until then nothing interrupts it, so that a new token is not lost: the old one is spent by then.
 *
 * Where there is a `TokenStore`, the refresh token of all processes is there, and is used under the lease alone.
 *
 * @internal
 */
export type Rotation<R> = <R1>(
  send: (refreshToken: Token) => Effect.Effect<Answer, IssueError, R1>
) => Effect.Effect<Answer, IssueError, R | R1>

/** @internal */
export const make = <R>({ load, persist, requestTimeout }: Store<R>): Rotation<R> => {
  const lock = Effect.unsafeMakeSemaphore(1)
  let memory: Memory | undefined

  const current = (lease: Option.Option<TokenStore.Lease>) =>
    Effect.gen(function* () {
      const value = yield* load
      const shared = yield* readShared(lease)
      memory = catchUp(recall(memory, Redacted.isRedacted(value) ? value : Redacted.make(value)), shared)
      return memory.current
    }).pipe(
      Effect.mapErrorCause(notLoaded),
      Effect.filterOrFail(
        (token) => Redacted.value(token) !== "",
        () =>
          new IssueError({
            reason: "Rejected",
            permanent: true,
            message: "there is no refresh token",
            advice: "A login is needed."
          })
      )
    )

  const persistIn = (lease: Option.Option<TokenStore.Lease>, memory: Memory) =>
    Effect.gen(function* () {
      if (Option.isSome(lease)) {
        yield* writeShared(lease.value, memory)
      } else if (persist === undefined) {
        yield* Effect.logWarning("The server has replaced the refresh token, and there is nowhere to keep the new one")
      }
      if (persist !== undefined) {
        yield* persist(memory.current)
      }
    })

  const save = (lease: Option.Option<TokenStore.Lease>) =>
    Effect.suspend(() => {
      const before = memory
      return before?.unsaved
        ? persistIn(lease, before).pipe(
            bounded(persistTimeout),
            Effect.catchAllCause((cause) =>
              Effect.fail(failure("the new refresh token could not be persisted", cause))
            ),
            Effect.tap(() => Effect.sync(() => (memory = { ...before, unsaved: false })))
          )
        : Effect.void
    })

  const keep = (answer: Answer, sent: Token) =>
    Effect.sync(() => {
      const next = Predicate.isRecord(answer.body) ? answer.body.refresh_token : undefined
      if (typeof next === "string" && next !== "" && next !== Redacted.value(sent)) {
        memory = replaced(memory ?? login(sent), Redacted.make(next))
      }
    })

  return (send) =>
    lock.withPermits(1)(
      Effect.gen(function* () {
        const lease = yield* currentLease
        if (memory?.unsaved) {
          // Others may have gone on from the one that could not be persisted.
          memory = catchUp(memory, yield* Effect.mapErrorCause(readShared(lease), notLoaded))
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

const login = (token: Token): Memory => ({ loaded: token, current: token, spent: [], unsaved: false })

/** One that was loaded before is spent, where it is not the current one: the store is late, or a constant. */
const recall = (memory: Memory | undefined, loaded: Token): Memory =>
  memory !== undefined && isSame(loaded, memory.loaded) ? memory : login(loaded)

const replaced = (memory: Memory, next: Token): Memory => {
  const [first, ...rest] = [...memory.spent, memory.current]
  return { ...memory, current: next, spent: first === undefined ? [] : [first, ...rest.slice(-4)], unsaved: true }
}

type Shared = Pick<Memory, "current" | "spent">

/**
 * Goes over to the token of other processes, if it has come of the same login. Of what they have spent since, the last few
 * are known; the first of a login tells it from others. One that could not be persisted is newer than theirs.
 */
const catchUp = (memory: Memory, shared: Option.Option<Shared>): Memory => {
  if (Option.isNone(shared)) {
    return memory
  }
  const { current, spent } = shared.value
  const theirs = [current, ...spent]
  const isTheirs = (token: Token) => theirs.some((other) => isSame(token, other))
  const sameLogin = [memory.current, ...memory.spent].some(isTheirs)
  return sameLogin && (!memory.unsaved || isTheirs(memory.current))
    ? { ...memory, current, spent, unsaved: memory.unsaved && isSame(memory.current, current) }
    : memory
}

/** None of a token that is not shared. Of one that is, the refresh token is used under the lease alone, or it is spent. */
const currentLease: Effect.Effect<Option.Option<TokenStore.Lease>, IssueError> = Effect.flatMap(
  Effect.serviceOption(TokenStore.CurrentLease),
  (lease) =>
    Option.isSome(lease) && Option.isNone(lease.value)
      ? new IssueError({
          reason: "Unreachable",
          message: "the refresh token is used under the lease of the token store alone, and the store fails",
          advice: "Check the token store."
        })
      : Effect.succeed(Option.flatten(lease))
)

const SharedJson = Schema.parseJson(
  Schema.Struct({ current: Schema.Redacted(Schema.String), spent: Schema.Array(Schema.Redacted(Schema.String)) })
)

const readShared = (
  lease: Option.Option<TokenStore.Lease>
): Effect.Effect<Option.Option<Shared>, TokenStore.StoreError> =>
  Option.isNone(lease)
    ? Effect.succeedNone
    : Effect.flatMap(lease.value.readSecret, (secret) =>
        Effect.transposeMapOption(secret, (secret) =>
          Effect.mapError(
            Schema.decodeOption(SharedJson)(Redacted.value(secret)),
            () => new TokenStore.StoreError({ message: "the secret is no refresh token" })
          )
        )
      )

const writeShared = (
  lease: TokenStore.Lease,
  { current, spent }: Memory
): Effect.Effect<boolean, TokenStore.StoreError> =>
  Effect.filterOrFail(
    lease.writeSecret(
      Redacted.make(JSON.stringify({ current: Redacted.value(current), spent: spent.map(Redacted.value) }))
    ),
    (written) => written,
    () => new TokenStore.StoreError({ message: "the lease was lost" })
  )

const persistTimeout = Duration.seconds(10)

/**
 * A time limit of its own for what runs where nothing else interrupts it. In a daemon: a fiber that is interrupted passes
 * that on to its children at once, even where it goes on itself.
 */
const bounded =
  (duration: Duration.DurationInput) =>
  <A, E, R>(self: Effect.Effect<A, E, R>) =>
    Effect.flatMap(
      Effect.forkDaemon(Effect.interruptible(Effect.timeout(Effect.disconnect(self), duration))),
      Fiber.join
    ).pipe(
      // The log of a fiber that fails would show an error of the store.
      Effect.withUnhandledErrorLogLevel(Option.none())
    )

const isSame = (one: Token, other: Token): boolean => Redacted.value(one) === Redacted.value(other)

const notLoaded = (cause: Cause.Cause<unknown>) => Cause.fail(failure("the refresh token could not be loaded", cause))

/** With nothing of the original error but its tag or name: it may hold a token. */
const failure = (what: string, cause: Cause.Cause<unknown>): IssueError =>
  new IssueError({ reason: "Unreachable", message: `${what}: ${nameOf(Cause.squash(cause))}` })
