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
import type { Answer } from "./OAuth2Request.js"
import { IssueError } from "./TokenError.js"

type Token = Redacted.Redacted<string>

interface Memory {
  /** What the store gave last. */
  readonly loaded: Token
  /** What has come of it since. */
  readonly current: Token
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
  readonly persist: (token: Token) => Effect.Effect<unknown, unknown, R>
  /** How long a request may take. */
  readonly requestTimeout: Duration.DurationInput
}

/**
 * Exchanges the refresh token for an answer, one at a time; the new refresh token in it is persisted first. From when the
 * request is sent until then nothing interrupts it, so that a new token is not lost: the old one is spent by then.
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

  const current = Effect.map(load, (value): Token => {
    const loaded = Redacted.isRedacted(value) ? value : Redacted.make(value)
    // One that was loaded before is spent, where it is not the current one: the store is late, or a constant.
    if (memory === undefined || !isSame(loaded, memory.loaded)) {
      memory = { loaded, current: loaded, unsaved: false }
    }
    return memory.current
  }).pipe(
    Effect.catchAllCause((cause) => Effect.fail(failure("the refresh token could not be loaded", cause))),
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

  const save = Effect.suspend(() => {
    const before = memory
    return before?.unsaved
      ? persist(before.current).pipe(
          bounded(persistTimeout),
          Effect.catchAllCause((cause) => Effect.fail(failure("the new refresh token could not be persisted", cause))),
          Effect.tap(() => Effect.sync(() => (memory = { ...before, unsaved: false })))
        )
      : Effect.void
  })

  const keep = (answer: Answer, sent: Token) =>
    Effect.sync(() => {
      const next = Predicate.isRecord(answer.body) ? answer.body.refresh_token : undefined
      if (typeof next === "string" && next !== "" && next !== Redacted.value(sent)) {
        memory = { loaded: memory?.loaded ?? sent, current: Redacted.make(next), unsaved: true }
      }
    })

  return (send) =>
    lock.withPermits(1)(
      Effect.gen(function* () {
        yield* Effect.uninterruptible(save)
        const token = yield* current
        return yield* send(token).pipe(
          bounded(requestTimeout),
          Effect.catchTag("TimeoutException", () => Effect.fail(new IssueError({ reason: "Timeout" }))),
          Effect.tap((answer) => keep(answer, token)),
          Effect.zipLeft(save),
          Effect.uninterruptible
        )
      })
    )
}

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

/** With nothing of the original error but its tag or name: it may hold a token. */
const failure = (what: string, cause: Cause.Cause<unknown>): IssueError => {
  const error = Cause.squash(cause)
  const name =
    Predicate.hasProperty(error, "_tag") && typeof error._tag === "string"
      ? error._tag
      : error instanceof Error
        ? error.name
        : typeof error
  return new IssueError({ reason: "Unreachable", message: `${what}: ${name}` })
}
