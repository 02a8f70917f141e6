import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { AccessToken, IssuedToken } from "../IssuedToken.js"
import * as RefreshPolicy from "../RefreshPolicy.js"
import { InvalidOptions, IssueError, type TokenUnavailable } from "../TokenError.js"
import type { TokenSource } from "../TokenSource.js"
import type { TokenEvent } from "../TokenStatus.js"
import * as Alarm from "./alarm.js"
import * as Attempt from "./attempt.js"
import * as DeadlineQueue from "./deadlineQueue.js"
import * as Entry from "./entry.js"
import * as Fibers from "./fibers.js"
import * as Places from "./places.js"
import * as Scheduling from "./scheduling.js"
import { nextTurn, watchSetBack } from "./time.js"
import * as TokenState from "./tokenState.js"
import * as Unavailable from "./unavailable.js"

export interface Options {
  readonly readTimeout: number
  readonly leeway: number
  readonly concurrency: number
}

/** Keeps the tokens of one layer fresh: one fiber that starts what is due, and a fiber per attempt. */
export interface Supervisor {
  readonly options: Options
  readonly entries: ReadonlyMap<string, Entry.Entry>
  /** `none` ends the stream of events. */
  readonly events: PubSub.PubSub<Option.Option<TokenEvent>>
  readonly isClosed: () => boolean
  /** Adds a token, due at once. */
  readonly add: (
    name: string,
    source: TokenSource<unknown, unknown>,
    context: Context.Context<unknown>
  ) => Effect.Effect<Entry.Entry, InvalidOptions>
  readonly remove: (entry: Entry.Entry) => Effect.Effect<void>
  /** Lets the refresh fiber look for what is due. */
  readonly wake: () => void
  /**
   * Wants an attempt no later than `at`, above the concurrency limit, unless one is running; gives the effect that waits
   * for its outcome.
   */
  readonly demand: (entry: Entry.Entry, at: number) => Effect.Effect<AccessToken, TokenUnavailable>
  /** Waits for the next attempt to end, counted from this call. */
  readonly outcome: (entry: Entry.Entry) => Effect.Effect<AccessToken, TokenUnavailable>
  /** Drops the current token: see `TokenCache.invalidate`. */
  readonly invalidate: (entry: Entry.Entry, token: Redacted.Redacted<string>) => Effect.Effect<void>
}

/** How many attempts may start before the event loop gets a turn. */
const batch = 512

export const make = (options: Options): Effect.Effect<Supervisor, never, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Effect.clock
    const fibers = yield* Fibers.make
    const events = yield* PubSub.unbounded<Option.Option<TokenEvent>>()
    const latch = yield* Effect.makeLatch(false)
    const entries = new Map<string, Entry.Entry>()
    const deadlines = DeadlineQueue.make<Entry.Entry>()
    const places = Places.make(options.concurrency)
    let closed = false

    // A TestClock may stand between two milliseconds.
    const now = () => Math.floor(clock.unsafeCurrentTimeMillis())
    const nanos = () => clock.unsafeCurrentTimeNanos()
    const wake = () => latch.unsafeOpen()
    const alarm = Alarm.make(clock, fibers, wake)
    const setBackBy = watchSetBack(clock)

    const publish = (event: TokenEvent) => {
      events.unsafeOffer(Option.some(event))
    }

    const update = (entry: Entry.Entry, state: TokenState.TokenState) => {
      entry.state = state
      deadlines.schedule(entry, nextDeadline(entry))
      if (entry.observed !== undefined && !closed) {
        fibers.fork(SubscriptionRef.set(entry.observed, state))
      }
    }

    const nextDeadline = (entry: Entry.Entry): number => {
      const { attempt, state } = entry
      const due = Math.min(state.nextAttemptAt, TokenState.expiry(state))
      return attempt === undefined
        ? due
        : Math.min(due, Attempt.timeoutAt(entry, attempt), attempt.counted ? placeLostAt(attempt) : TokenState.never)
    }

    const placeLostAt = (attempt: Entry.Attempt) => Math.ceil(attempt.startedAt + options.readTimeout)

    const start = (entry: Entry.Entry) => {
      const attempt: Entry.Attempt = {
        startedAt: now(),
        startedAtNanos: nanos(),
        fiber: undefined,
        counted: false
      }
      entry.wanted = false
      entry.attempt = attempt
      places.take(attempt)
      update(entry, TokenState.running(entry.state))
      const fiber = fibers.fork(Attempt.issue(entry, (issued) => accept(entry, attempt, issued)))
      attempt.fiber = fiber
      fiber.addObserver((exit) => conclude(entry, attempt, Exit.flatten(exit)))
      if (entry.attempt !== attempt) {
        // The issuer has removed its own token, before there was a fiber to interrupt.
        fiber.unsafeInterruptAsFork(FiberId.none)
      }
    }

    const accept = (entry: Entry.Entry, attempt: Entry.Attempt, issued: IssuedToken) => {
      // Or the token would get the instants of a clock that is gone.
      noticeSetBack()
      return TokenState.accept(entry.state, issued, {
        startedAt: attempt.startedAt,
        now: now(),
        leeway: options.leeway,
        defaultLifetime: entry.source.defaultLifetime
      })
    }

    const conclude = (entry: Entry.Entry, attempt: Entry.Attempt, exit: Exit.Exit<AccessToken, IssueError>) => {
      places.giveBack(attempt)
      wake()
      if (entry.attempt !== attempt || closed) {
        return
      }
      if (Exit.isFailure(exit)) {
        noticeSetBack()
      }
      entry.attempt = undefined
      const endedAt = now()
      // Its own fiber was interrupted from inside: all other causes are an IssueError by now.
      const outcome = Exit.mapErrorCause(exit, (cause) => Cause.fail(Attempt.toIssueError(cause)))
      fibers.fork(
        Scheduling.afterAttempt(entry, outcome, attempt.startedAt, endedAt).pipe(
          Effect.flatMap((nextAttemptAt) => settle(entry, attempt, outcome, endedAt, nextAttemptAt)),
          Effect.catchAllCause((cause) => giveUp(entry, endedAt, cause)),
          Effect.annotateLogs("token", entry.name)
        )
      )
    }

    /** A defect of a logger, say: the attempt counts as failed, so that there is a next one. */
    const giveUp = (entry: Entry.Entry, endedAt: number, cause: Cause.Cause<never>): Effect.Effect<void> => {
      if (entry.state.attempt === "running") {
        const error = new IssueError({ reason: "Defect" })
        update(entry, TokenState.failed(entry.state, error, endedAt + Scheduling.retryAfter(entry), endedAt))
        complete(entry, () => Exit.fail(Unavailable.issueFailed(entry, endedAt)))
        wake()
      }
      return Effect.logError("The outcome of an attempt could not be dealt with", cause)
    }

    const settle = (
      entry: Entry.Entry,
      attempt: Entry.Attempt,
      outcome: RefreshPolicy.IssueOutcome,
      endedAt: number,
      nextAttemptAt: number
    ): Effect.Effect<void> => {
      if (entry.state.stopped) {
        return Effect.void
      }
      wake()
      if (Exit.isSuccess(outcome)) {
        const token = outcome.value
        const usableFor = BigInt(token.usableUntil - token.issuedAt)
        entry.usableUntilNanos = attempt.startedAtNanos + usableFor * 1_000_000n
        update(entry, TokenState.issued(entry.state, token, nextAttemptAt))
        publish({
          _tag: "Issued",
          name: entry.name,
          at: endedAt,
          generation: token.generation,
          expiresAt: token.expiresAt
        })
        complete(entry, () => Exit.succeed(token))
        return Effect.logDebug("Issued an access token")
      }
      const error = Attempt.toIssueError(outcome.cause)
      const notBefore = endedAt + RefreshPolicy.retryAfterMillis(error)
      update(entry, TokenState.failed(entry.state, error, nextAttemptAt, notBefore))
      publish({ _tag: "IssueFailed", name: entry.name, at: endedAt, error })
      complete(entry, () => Exit.fail(Unavailable.issueFailed(entry, endedAt)))
      return Effect.logWarning(`Could not issue an access token: ${error.message}`)
    }

    const complete = (entry: Entry.Entry, exit: () => Exit.Exit<AccessToken, TokenUnavailable>) => {
      const { waiting } = entry
      if (waiting !== undefined) {
        entry.waiting = undefined
        Deferred.unsafeDone(waiting, exit())
      }
    }

    const timeOut = (entry: Entry.Entry, attempt: Entry.Attempt) => {
      const { fiber } = attempt
      conclude(entry, attempt, Exit.fail(new IssueError({ reason: "Timeout" })))
      fiber?.unsafeInterruptAsFork(FiberId.none)
    }

    const onDeadline = (entry: Entry.Entry, at: number) => {
      const { attempt } = entry
      if (at >= TokenState.expiry(entry.state)) {
        update(entry, TokenState.expired(entry.state))
        publish({ _tag: "Expired", name: entry.name, at })
      }
      if (at >= entry.state.nextAttemptAt) {
        update(entry, TokenState.queued(entry.state))
        places.lineUp(entry)
      }
      if (attempt !== undefined && at >= Attempt.timeoutAt(entry, attempt)) {
        timeOut(entry, attempt)
      } else if (attempt !== undefined && at >= placeLostAt(attempt)) {
        places.giveBack(attempt)
      }
      deadlines.schedule(entry, nextDeadline(entry))
    }

    /** Starts what is due; true if there is more to do. */
    const startDue = (): boolean => {
      const at = now()
      for (let entry = deadlines.takeDue(at); entry !== undefined; entry = deadlines.takeDue(at)) {
        onDeadline(entry, at)
      }
      for (let started = 0; started < batch; started++) {
        const entry = places.next()
        if (entry === undefined) {
          return false
        }
        start(entry)
      }
      return true
    }

    const noticeSetBack = () => {
      const skew = setBackBy()
      if (skew !== 0) {
        deadlines.shift(skew)
        for (const entry of entries.values()) {
          if (entry.attempt !== undefined) {
            entry.attempt.startedAt += skew
          }
          update(entry, TokenState.shifted(entry.state, skew))
        }
      }
    }

    const loop = Effect.suspend(() => {
      latch.unsafeClose()
      noticeSetBack()
      if (startDue()) {
        return nextTurn
      }
      alarm.set(deadlines.earliest())
      return latch.await
    }).pipe(
      Effect.catchAllCause((cause) =>
        Effect.zipRight(Effect.logError("The refresh fiber hit a defect and goes on", cause), Effect.sleep("1 second"))
      ),
      Effect.forever
    )

    const stop = (entry: Entry.Entry): Stopped => {
      const { attempt, state } = entry
      if (attempt !== undefined) {
        places.giveBack(attempt)
        entry.attempt = undefined
      }
      update(entry, TokenState.stopped(state))
      complete(entry, () => Exit.fail(Unavailable.closed(entry)))
      return { entry, fiber: attempt?.fiber, token: state.expired ? undefined : state.token }
    }

    const isRevocable = ({ entry, token }: Stopped) => entry.source.revoke !== undefined && token !== undefined

    const revoke = ({ entry, token }: Stopped) => (token === undefined ? Effect.void : Attempt.revoke(entry, token))

    const lastView = ({ entry: { observed, state } }: Stopped) =>
      observed === undefined ? Effect.void : SubscriptionRef.set(observed, state)

    const close = Effect.suspend(() => {
      closed = true
      const all = Array.from(entries.values(), stop)
      return Effect.gen(function* () {
        yield* fibers.interruptAll
        events.unsafeOffer(Option.none())
        yield* Effect.forEach(all, lastView, { discard: true })
        yield* Effect.forEach(all.filter(isRevocable), revoke, { concurrency: "unbounded", discard: true })
      })
    })

    const backOff = (entry: Entry.Entry, at: number) => {
      const error = refusedAgain(entry)
      const state = TokenState.postponed(TokenState.refusedAgain(entry.state, error), at + Scheduling.retryAfter(entry))
      const next = Scheduling.afterRefusal(entry, Exit.fail(error), at)
      update(entry, state)
      fibers.fork(
        Effect.map(next, (nextAttemptAt) => {
          if (entry.state === state) {
            update(entry, TokenState.postponed(state, nextAttemptAt))
            wake()
          }
        })
      )
    }

    // Made at once, not when the effect is run: the attempt may end before.
    const outcome = (entry: Entry.Entry): Effect.Effect<AccessToken, TokenUnavailable> => {
      entry.waiting ??= Deferred.unsafeMake(FiberId.none)
      return Deferred.await(entry.waiting)
    }

    yield* Effect.forkScoped(Effect.interruptible(loop))
    yield* Effect.addFinalizer(() => close)

    return {
      options,
      entries,
      events,
      isClosed: () => closed,
      wake,
      add: (name, source, context) =>
        Effect.suspend(() => {
          if (entries.has(name)) {
            return Effect.fail(nameTaken(name))
          }
          const entry = Entry.make(name, source, context, now())
          entries.set(name, entry)
          update(entry, closed ? TokenState.stopped(entry.state) : entry.state)
          wake()
          return Effect.succeed(entry)
        }),
      remove: (entry) =>
        Effect.suspend(() => {
          if (entry.state.stopped) {
            return Effect.void
          }
          const stopped = stop(entry)
          entries.delete(entry.name)
          wake()
          publish({ _tag: "Dropped", name: entry.name, at: now() })
          const interrupted = stopped.fiber === undefined ? Effect.void : fibers.interrupt([stopped.fiber])
          return Effect.zipRight(interrupted, revoke(stopped))
        }),
      demand: (entry, at) => {
        const { attempt, nextAttemptAt } = entry.state
        if (attempt !== "running") {
          const wanted = entry.wanted
          entry.wanted = true
          if (attempt === "none") {
            update(entry, TokenState.postponed(entry.state, Math.min(at, nextAttemptAt)))
          } else if (!wanted) {
            places.lineUp(entry)
          }
          wake()
        }
        return outcome(entry)
      },
      outcome,
      invalidate: (entry, token) =>
        Effect.sync(() => {
          if (entry.state.token === undefined || !TokenState.sameToken(entry.state.token.accessToken, token)) {
            return
          }
          const at = now()
          publish({ _tag: "Invalidated", name: entry.name, at })
          switch (TokenState.onInvalidation(entry.state, Scheduling.retryAfter(entry), at)) {
            case "wait":
              update(entry, TokenState.invalidated(entry.state))
              break
            case "issue":
              entry.scheduleState = undefined
              entry.wanted = true
              update(entry, TokenState.postponed(TokenState.invalidated(entry.state), at))
              wake()
              break
            case "backOff":
              backOff(entry, at)
          }
        })
    }
  })

interface Stopped {
  readonly entry: Entry.Entry
  readonly fiber: Fiber.RuntimeFiber<RefreshPolicy.IssueOutcome> | undefined
  /** The token to revoke. */
  readonly token: AccessToken | undefined
}

const nameTaken = (name: string) =>
  new InvalidOptions({
    token: name,
    option: "name",
    message: `"${name}" is in this cache already: give each token a name of its own`
  })

const refusedAgain = (entry: Entry.Entry) =>
  new IssueError({
    reason: "Rejected",
    message: `a new token was invalidated within ${Duration.format(Scheduling.retryAfter(entry))} of its issue`,
    advice: "Check that the API accepts tokens of this issuer."
  })
