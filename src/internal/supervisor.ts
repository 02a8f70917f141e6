import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import * as SubscriptionRef from "effect/SubscriptionRef"
import TinyQueue from "tinyqueue"
import type { AccessToken, IssuedToken } from "../IssuedToken.js"
import * as RefreshPolicy from "../RefreshPolicy.js"
import { InvalidOptions, IssueError, type TokenUnavailable } from "../TokenError.js"
import type { TokenSource } from "../TokenSource.js"
import type { TokenEvent } from "../TokenStatus.js"
import * as DeadlineQueue from "./deadlineQueue.js"
import * as Entry from "./entry.js"
import { toIssueError } from "./issueOutcome.js"
import * as Scheduling from "./scheduling.js"
import { atMost, nextTurn, sleepSlice } from "./time.js"
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
  /** Adds a token, due at once; it is dropped when the scope closes. */
  readonly add: (
    name: string,
    source: TokenSource<unknown, unknown>,
    context: Context.Context<unknown>
  ) => Effect.Effect<Entry.Entry, InvalidOptions, Scope.Scope>
  /** Lets the refresh fiber look for what is due. */
  readonly wake: () => void
  /** Wants an attempt at `at`, above the concurrency limit, unless one is running. */
  readonly demand: (entry: Entry.Entry, at: number) => void
  /** The outcome of the next attempt to end. */
  readonly outcome: (entry: Entry.Entry) => Effect.Effect<AccessToken, TokenUnavailable>
  /** Drops the current token: see `TokenCache.invalidate`. */
  readonly invalidate: (entry: Entry.Entry) => Effect.Effect<void>
}

/** How many attempts may start before the event loop gets a turn. */
const batch = 512

/** How long an interrupted attempt gets to run its finalizers. */
const grace = Duration.seconds(1)

const revokeTimeout = Duration.seconds(5)

/** How much the wall clock may fall behind the monotonic one before it counts as set back. */
const setBackTolerance = 1000

export const make = (options: Options): Effect.Effect<Supervisor, never, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Effect.clock
    const runFork = Runtime.runFork(yield* Effect.runtime<never>())
    const events = yield* PubSub.sliding<Option.Option<TokenEvent>>(256)
    const entries = new Map<string, Entry.Entry>()
    const deadlines = DeadlineQueue.make<Entry.Entry>()
    const waitingForPlace = new TinyQueue<Waiting>([], (a, b) => a.expiry - b.expiry)
    const fibers = new Set<Fiber.RuntimeFiber<unknown, unknown>>()
    const latch = yield* Effect.makeLatch(false)
    let attemptsCounted = 0
    let closed = false
    let alarm: { readonly at: number; readonly fiber: Fiber.RuntimeFiber<void> } | undefined

    const now = () => clock.unsafeCurrentTimeMillis()
    const nanos = () => clock.unsafeCurrentTimeNanos()

    // The finalizer below interrupts them, so they live no longer than the layer. A FiberSet would wait for ever for an
    // attempt that cannot be interrupted.
    const fork = <A, E>(effect: Effect.Effect<A, E>): Fiber.RuntimeFiber<A, E> => {
      const fiber = runFork(effect)
      fibers.add(fiber)
      fiber.addObserver(() => fibers.delete(fiber))
      return fiber
    }

    const publish = (event: TokenEvent) => {
      events.unsafeOffer(Option.some(event))
    }

    const update = (entry: Entry.Entry, state: TokenState.TokenState) => {
      entry.state = state
      deadlines.schedule(entry, nextDeadline(entry))
      if (entry.observed !== undefined && !closed) {
        fork(SubscriptionRef.set(entry.observed, state))
      }
    }

    const nextDeadline = (entry: Entry.Entry): number => {
      const { attempt, state } = entry
      const due = Math.min(state.nextAttemptAt, TokenState.expiry(state))
      return attempt === undefined
        ? due
        : Math.min(due, timeoutAt(entry, attempt), attempt.counted ? placeLostAt(attempt) : TokenState.never)
    }

    const timeoutAt = (entry: Entry.Entry, attempt: Entry.Attempt) =>
      attempt.startedAt + Duration.toMillis(entry.source.issueTimeout ?? "30 seconds")

    const placeLostAt = (attempt: Entry.Attempt) => attempt.startedAt + options.readTimeout

    const wake = () => latch.unsafeOpen()

    const enqueue = (entry: Entry.Entry) => {
      const { token } = entry.state
      update(entry, TokenState.queued(entry.state))
      waitingForPlace.push({ entry, expiry: entry.wanted ? -1 : (token?.expiresAt ?? 0) })
    }

    const demand = (entry: Entry.Entry, at: number) => {
      if (entry.state.attempt === "running") {
        return
      }
      if (entry.state.attempt === "none") {
        update(entry, TokenState.postponed(entry.state, Math.min(at, entry.state.nextAttemptAt)))
      } else if (!entry.wanted) {
        waitingForPlace.push({ entry, expiry: -1 })
      }
      entry.wanted = true
      wake()
    }

    const start = (entry: Entry.Entry) => {
      const attempt: Entry.Attempt = { startedAt: now(), startedAtNanos: nanos(), fiber: undefined, counted: true }
      entry.wanted = false
      entry.attempt = attempt
      entry.lastStartedAt = attempt.startedAt
      attemptsCounted++
      update(entry, TokenState.running(entry.state))
      attempt.fiber = fork(
        Effect.suspend(() => entry.source.issue).pipe(
          Effect.scoped,
          Effect.provide(entry.context),
          Effect.withSpan("TokenCache.refresh", {
            root: true,
            captureStackTrace: false,
            attributes: { "token_cache.token": entry.name }
          })
        )
      )
      attempt.fiber.addObserver((exit) => conclude(entry, attempt, exit))
    }

    const givePlaceBack = (attempt: Entry.Attempt) => {
      if (attempt.counted) {
        attempt.counted = false
        attemptsCounted--
      }
    }

    const conclude = (entry: Entry.Entry, attempt: Entry.Attempt, exit: Exit.Exit<IssuedToken, unknown>) => {
      givePlaceBack(attempt)
      if (entry.attempt !== attempt || closed) {
        return
      }
      entry.attempt = undefined
      const endedAt = now()
      const accepted = Effect.flatMap(exit, (issued) =>
        TokenState.accept(entry.state, issued, {
          startedAt: attempt.startedAt,
          now: endedAt,
          leeway: options.leeway,
          defaultLifetime: entry.source.defaultLifetime
        })
      )
      fork(
        Effect.mapErrorCause(accepted, (cause) => Cause.fail(toIssueError(cause))).pipe(
          Effect.exit,
          Effect.flatMap((outcome) =>
            Effect.flatMap(Scheduling.next(entry, outcome, attempt.startedAt, endedAt), (next) =>
              settle(entry, attempt, outcome, endedAt, next)
            )
          ),
          Effect.annotateLogs("token", entry.name)
        )
      )
    }

    const settle = (
      entry: Entry.Entry,
      attempt: Entry.Attempt,
      outcome: RefreshPolicy.IssueOutcome,
      endedAt: number,
      next: Scheduling.Next
    ): Effect.Effect<void> => {
      if (entry.state.stopped) {
        return Effect.void
      }
      entry.schedule = next.scheduling
      const { waiting } = entry
      entry.waiting = undefined
      wake()
      if (Exit.isSuccess(outcome)) {
        const token = outcome.value
        entry.usableUntilNanos =
          attempt.startedAtNanos + BigInt(Math.ceil((token.usableUntil - token.issuedAt) * 1_000_000))
        update(entry, TokenState.issued(entry.state, token, next.at))
        publish({
          _tag: "Issued",
          name: entry.name,
          at: endedAt,
          generation: token.generation,
          expiresAt: token.expiresAt
        })
        if (waiting !== undefined) {
          Deferred.unsafeDone(waiting, Exit.succeed(token))
        }
        return Effect.logDebug("Issued an access token")
      }
      const error = toIssueError(outcome.cause)
      update(entry, TokenState.failed(entry.state, error, next.at, endedAt + RefreshPolicy.retryAfterMillis(error)))
      publish({ _tag: "IssueFailed", name: entry.name, at: endedAt, error })
      if (waiting !== undefined) {
        Deferred.unsafeDone(waiting, Exit.fail(Unavailable.issueFailed(entry, endedAt)))
      }
      return Effect.logWarning(`Could not issue an access token: ${error.message}`)
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
        enqueue(entry)
      }
      if (attempt !== undefined && at >= timeoutAt(entry, attempt)) {
        timeOut(entry, attempt)
      } else if (attempt !== undefined && at >= placeLostAt(attempt)) {
        givePlaceBack(attempt)
      }
      deadlines.schedule(entry, nextDeadline(entry))
    }

    let aheadOfMonotonic = now() - Number(nanos() / 1_000_000n)

    const noticeSetBack = () => {
      const ahead = now() - Number(nanos() / 1_000_000n)
      const skew = ahead - aheadOfMonotonic
      aheadOfMonotonic = ahead
      if (skew < -setBackTolerance) {
        for (const entry of entries.values()) {
          entry.state = TokenState.shifted(entry.state, skew)
          entry.lastStartedAt += skew
        }
        deadlines.shift(skew)
      }
    }

    const takeStartable = (): Entry.Entry | undefined => {
      for (let first = waitingForPlace.peek(); first !== undefined; first = waitingForPlace.peek()) {
        const { entry } = first
        if (entry.state.attempt === "queued" && attemptsCounted >= options.concurrency && !entry.wanted) {
          return undefined
        }
        waitingForPlace.pop()
        if (entry.state.attempt === "queued") {
          return entry
        }
      }
      return undefined
    }

    /** Starts what is due; true if there is more to do. */
    const startDue = (): boolean => {
      noticeSetBack()
      const at = now()
      for (let entry = deadlines.takeDue(at); entry !== undefined; entry = deadlines.takeDue(at)) {
        onDeadline(entry, at)
      }
      for (let started = 0; started < batch; started++) {
        const entry = takeStartable()
        if (entry === undefined) {
          return false
        }
        start(entry)
      }
      return true
    }

    const setAlarm = () => {
      const at = deadlines.earliest()
      if (at === TokenState.never || (alarm !== undefined && alarm.at <= at)) {
        return
      }
      alarm?.fiber.unsafeInterruptAsFork(FiberId.none)
      alarm = {
        at,
        fiber: fork(
          Effect.zipRight(
            sleepSlice(at - now()),
            Effect.sync(() => {
              alarm = undefined
              wake()
            })
          )
        )
      }
    }

    const loop = Effect.suspend(() => {
      latch.unsafeClose()
      if (startDue()) {
        return nextTurn
      }
      setAlarm()
      return latch.await
    }).pipe(
      Effect.catchAllCause((cause) => Effect.logError("The refresh fiber hit a defect and goes on", cause)),
      Effect.forever
    )

    const stop = (entry: Entry.Entry): Stopped => {
      const { attempt, state, waiting } = entry
      entry.attempt = undefined
      entry.waiting = undefined
      update(entry, TokenState.stopped(entry.state))
      if (waiting !== undefined) {
        Deferred.unsafeDone(waiting, Exit.fail(Unavailable.closed(entry)))
      }
      return { entry, fiber: attempt?.fiber, token: state.expired ? undefined : state.token }
    }

    const revoke = ({ entry, token }: Stopped): Effect.Effect<void> => {
      const { source } = entry
      if (source.revoke === undefined || token === undefined) {
        return Effect.void
      }
      return source.revoke(token).pipe(
        Effect.scoped,
        Effect.provide(entry.context),
        Effect.exit,
        atMost(revokeTimeout),
        Effect.flatMap((exit) =>
          exit !== undefined && Exit.isSuccess(exit)
            ? Effect.void
            : Effect.logWarning(
                `Could not revoke the token: ${exit === undefined ? "it took too long" : toIssueError(exit.cause).message}`
              )
        ),
        Effect.annotateLogs("token", entry.name)
      )
    }

    const interrupt = (running: Iterable<Fiber.RuntimeFiber<unknown, unknown>>): Effect.Effect<unknown> =>
      atMost(grace)(Fiber.interruptAll([...running]))

    const remove = (entry: Entry.Entry): Effect.Effect<void> =>
      Effect.suspend(() => {
        if (entry.state.stopped) {
          return Effect.void
        }
        const stopped = stop(entry)
        entries.delete(entry.name)
        publish({ _tag: "Dropped", name: entry.name, at: now() })
        return Effect.zipRight(stopped.fiber === undefined ? Effect.void : interrupt([stopped.fiber]), revoke(stopped))
      })

    const close = Effect.suspend(() => {
      closed = true
      const all = Array.from(entries.values(), stop)
      events.unsafeOffer(Option.none())
      return interrupt(fibers).pipe(
        Effect.zipRight(Effect.forEach(entries.values(), lastView, { discard: true })),
        Effect.zipRight(Effect.forEach(all, revoke, { concurrency: options.concurrency, discard: true }))
      )
    })

    const lastView = ({ observed, state }: Entry.Entry): Effect.Effect<void> =>
      observed === undefined ? Effect.void : SubscriptionRef.set(observed, state)

    const add: Supervisor["add"] = (name, source, context) =>
      Effect.acquireRelease(
        Effect.suspend(() => {
          if (entries.has(name)) {
            return Effect.fail(
              new InvalidOptions({
                token: name,
                option: "name",
                message: `"${name}" is in this cache already: give each token a name of its own`
              })
            )
          }
          const entry = Entry.make(name, source, context, now())
          entries.set(name, entry)
          update(entry, entry.state)
          wake()
          return Effect.succeed(entry)
        }),
        remove
      )

    const invalidate = (entry: Entry.Entry): Effect.Effect<void> =>
      Effect.suspend(() => {
        const at = now()
        publish({ _tag: "Invalidated", name: entry.name, at })
        switch (TokenState.onInvalidation(entry.state, Scheduling.retryAfter(entry), at)) {
          case "wait": {
            update(entry, TokenState.invalidated(entry.state))
            return Effect.void
          }
          case "issue": {
            entry.schedule = entry.schedule && { ...entry.schedule, state: undefined }
            update(entry, TokenState.invalidated(entry.state))
            demand(entry, at)
            return Effect.void
          }
          case "backOff": {
            const error = refused(entry)
            const refusedState = TokenState.refusedAgain(entry.state, error)
            const next = Scheduling.afterRefusal(entry, Exit.fail(error), at)
            update(entry, refusedState)
            fork(
              Effect.map(next, ({ at, scheduling }) => {
                if (entry.state === refusedState) {
                  entry.schedule = scheduling
                  update(entry, TokenState.postponed(refusedState, at))
                  wake()
                }
              })
            )
            return Effect.void
          }
        }
      })

    const outcome = (entry: Entry.Entry): Effect.Effect<AccessToken, TokenUnavailable> =>
      Effect.suspend(() => {
        entry.waiting ??= Deferred.unsafeMake(FiberId.none)
        return Deferred.await(entry.waiting)
      })

    yield* Effect.forkScoped(loop)
    yield* Effect.addFinalizer(() => close)

    return { options, entries, events, isClosed: () => closed, add, wake, demand, outcome, invalidate }
  })

interface Stopped {
  readonly entry: Entry.Entry
  readonly fiber: Fiber.RuntimeFiber<IssuedToken, unknown> | undefined
  /** The token to revoke. */
  readonly token: AccessToken | undefined
}

interface Waiting {
  readonly entry: Entry.Entry
  /** Of the token that the attempt replaces: earliest first. */
  readonly expiry: number
}

const refused = (entry: Entry.Entry): IssueError =>
  new IssueError({
    reason: "Rejected",
    message: `a new token was invalidated within ${Duration.format(Scheduling.retryAfter(entry))} of its issue`,
    advice: "Check that the API accepts tokens of this issuer."
  })
