/**
 * The default rule for when the next attempt to issue a token starts.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as ScheduleInterval from "effect/ScheduleInterval"
import type { AccessToken } from "./IssuedToken.js"
import { invalidDuration } from "./internal/options.js"
import { InvalidOptions, type IssueError } from "./TokenError.js"

/**
 * The outcome of one attempt to issue a token: the token, or why there is none. The schedule of a source is stepped
 * with it.
 *
 * @since 0.1.0
 * @category models
 */
export type IssueOutcome = Exit.Exit<AccessToken, IssueError>

/**
 * The options of {@link make}, which are also options of every source.
 *
 * @since 0.1.0
 * @category models
 */
export interface RefreshPolicyOptions {
  /**
   * How long before its expiry a token is refreshed, but never before half of its lifetime has passed. Default: 10
   * minutes, or a tenth of the lifetime if that is more.
   */
  readonly refreshBefore?: Duration.DurationInput | undefined
  /**
   * How long to wait after a first failure. The delay doubles with each further failure in a row, up to
   * `maxRetryAfter`. Default: 30 seconds.
   */
  readonly retryAfter?: Duration.DurationInput | undefined
  /** The delay at which the doubling ends, which is also the delay after a permanent failure. Default: 5 minutes. */
  readonly maxRetryAfter?: Duration.DurationInput | undefined
  /**
   * Spreads attempts in time, by up to this fraction from 0 to 1. A refresh comes earlier, by up to this fraction of
   * the time between its due time and the expiry. A retry comes later, by up to this fraction of its delay. Default:
   * 0.1. Use 0 for exact tests.
   */
  readonly jitter?: number | undefined
}

/**
 * Makes the default schedule of a source, which gives the delay to the next attempt. After a success the delay counts
 * from the time just before the request, after a failure from the end of the attempt:
 *
 * - After a success it is `max(lifetime - refreshBefore, lifetime / 2)`, but at least a second, and it ends before the
 *   leeway of the token begins. Jitter only makes it shorter.
 * - After a failure it is `retryAfter`, doubled for each further failure in a row, up to `maxRetryAfter`. While a token
 *   is still usable, it is no more than half of the time that is left of the token, but at least `retryAfter`.
 * - After a failure with a Retry-After it is at least that long, of which an hour at most counts.
 * - After a permanent failure it is `maxRetryAfter`.
 *
 * The schedule never ends. `make` throws {@link InvalidOptions} for a duration that is not positive, and for a jitter
 * that is not between 0 and 1.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { IssuedToken, RefreshPolicy } from "effect-token-cache"
 *
 * const source = {
 *   issue: Effect.succeed(IssuedToken.make({ accessToken: "s3cr3t", expiresIn: "1 hour" })),
 *   schedule: RefreshPolicy.make({ refreshBefore: "5 minutes", jitter: 0 })
 * }
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: RefreshPolicyOptions = {}): Schedule.Schedule<Duration.Duration, IssueOutcome> => {
  const invalid = invalidOption(options)
  if (invalid !== undefined) {
    throw invalid
  }
  const settings = toSettings(options)
  return Schedule.makeWithState(initial, (now, outcome: IssueOutcome, state) =>
    Effect.map(settings.jitter === 0 ? Effect.succeed(0) : Random.next, (random) => {
      const [next, at] = step(settings, state, outcome, now, random)
      return [next, Duration.millis(at - now), ScheduleDecision.continueWith(ScheduleInterval.after(at))]
    })
  )
}

/**
 * The delay after a first failure of a source without a `retryAfter`: 30 seconds.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultRetryAfter: Duration.Duration = Duration.seconds(30)

/**
 * The delay at which the doubling ends for a source without a `maxRetryAfter`.
 *
 * @internal
 */
export const defaultMaxRetryAfter: Duration.Duration = Duration.minutes(5)

/**
 * Says what is wrong with the options of a policy, if anything is. `token` is the name of the token that they belong
 * to.
 *
 * @internal
 */
export const invalidOption = (options: RefreshPolicyOptions, token?: string): InvalidOptions | undefined => {
  const jitter = options.jitter
  if (jitter !== undefined && !(jitter >= 0 && jitter <= 1)) {
    return new InvalidOptions({
      token,
      option: "jitter",
      message: `jitter must be a fraction from 0 to 1, not ${jitter}`
    })
  }
  for (const option of ["refreshBefore", "retryAfter", "maxRetryAfter"] as const) {
    const invalid = invalidDuration(option, options[option], token)
    if (invalid !== undefined) {
      return invalid
    }
  }
  return undefined
}

interface Settings {
  readonly refreshBefore: number | undefined
  readonly retryAfter: number
  readonly maxRetryAfter: number
  readonly jitter: number
}

const toSettings = (options: RefreshPolicyOptions): Settings => ({
  refreshBefore: options.refreshBefore === undefined ? undefined : Duration.toMillis(options.refreshBefore),
  retryAfter: Duration.toMillis(options.retryAfter ?? defaultRetryAfter),
  maxRetryAfter: Duration.toMillis(options.maxRetryAfter ?? defaultMaxRetryAfter),
  jitter: options.jitter ?? 0.1
})

/** What a policy remembers between two steps. It is a class so that it is told apart from the state of a schedule. */
class State {
  constructor(
    readonly failures: number,
    /** The last token that was issued, which may still be usable. The cache has it, too: it takes no memory here. */
    readonly token: Pick<AccessToken, "usableUntil"> | undefined
  ) {}
}

const initial = new State(0, undefined)

/**
 * Moves the instants that a policy made by {@link make} remembers by `skew` milliseconds, because the wall clock was
 * set back. The state of any other schedule is given back as it is.
 *
 * @internal
 */
export const shifted = (state: unknown, skew: number): unknown =>
  state instanceof State && state.token !== undefined
    ? new State(state.failures, { usableUntil: state.token.usableUntil + skew })
    : state

const step = (
  settings: Settings,
  state: State,
  outcome: IssueOutcome,
  now: number,
  random: number
): readonly [State, number] => {
  if (Exit.isSuccess(outcome)) {
    const token = outcome.value
    return [new State(0, token), Math.ceil(token.issuedAt + refreshDelay(settings, token, random))]
  }
  const failures = state.failures + 1
  const error = outcome.cause._tag === "Fail" ? outcome.cause.error : undefined
  const usableFor = state.token === undefined ? 0 : state.token.usableUntil - now
  return [new State(failures, state.token), Math.ceil(now + retryDelay(settings, failures, error, usableFor, random))]
}

const second = 1000
const tenMinutes = 600_000
const hour = 3_600_000

const refreshDelay = (settings: Settings, token: AccessToken, random: number): number => {
  const lifetime = token.expiresAt - token.issuedAt
  const leeway = token.expiresAt - token.usableUntil
  const refreshBefore = settings.refreshBefore ?? Math.max(tenMinutes, lifetime / 10)
  const beforeLeeway = lifetime - leeway - Math.min(leeway, second)
  const due = Math.min(Math.max(lifetime - refreshBefore, lifetime / 2), beforeLeeway)
  return Math.max(due - random * settings.jitter * (lifetime - due), second)
}

const retryDelay = (
  settings: Settings,
  failures: number,
  error: IssueError | undefined,
  usableFor: number,
  random: number
): number => {
  const doubled = error?.permanent ? settings.maxRetryAfter : settings.retryAfter * 2 ** (failures - 1)
  const spread = Math.min(doubled, settings.maxRetryAfter) * (1 + random * settings.jitter)
  const inTime = usableFor > 0 ? Math.min(spread, usableFor / 2) : spread
  return Math.max(inTime, settings.retryAfter, retryAfterMillis(error))
}

/**
 * Gives the Retry-After of a failure in milliseconds, of which an hour at most counts, and 0 if there is none.
 *
 * @internal
 */
export const retryAfterMillis = (error: IssueError | undefined): number =>
  error?.retryAfter === undefined ? 0 : Math.min(Duration.toMillis(error.retryAfter), hour)
