/**
 * When the next attempt to issue a token starts.
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
 * What a refresh schedule is stepped with, once per attempt.
 *
 * @since 0.1.0
 * @category models
 */
export type IssueOutcome = Exit.Exit<AccessToken, IssueError>

/**
 * @since 0.1.0
 * @category models
 */
export interface RefreshPolicyOptions {
  /** How long before its expiry a token is refreshed. Default: 10 minutes, or a tenth of the lifetime if that is more. */
  readonly refreshBefore?: Duration.DurationInput | undefined
  /** The delay after a first failure; it doubles with each further one. Default: 30 seconds. */
  readonly retryAfter?: Duration.DurationInput | undefined
  /** Where the doubling ends, and the delay after a permanent failure. Default: 5 minutes. */
  readonly maxRetryAfter?: Duration.DurationInput | undefined
  /** Spreads attempts by up to this fraction: refreshes earlier, retries later. 0 to 1, default: 0.1. */
  readonly jitter?: number | undefined
}

/**
 * The default refresh schedule. After a success delays are counted from the clock before the request, after a failure from
 * the end of the attempt:
 *
 * - after a success: `max(lifetime - refreshBefore, lifetime / 2)`, at least a second, and before the leeway begins;
 *   jitter only makes it earlier
 * - after a failure: `retryAfter`, doubled per consecutive failure up to `maxRetryAfter`. While a token is still usable
 *   no more than half of what is left of it, but never less than `retryAfter`
 * - after a failure with a Retry-After: at least that long, up to an hour
 * - after a permanent failure: `maxRetryAfter`
 *
 * It never ends. Throws {@link InvalidOptions} for a duration that is not positive or a jitter outside 0 to 1.
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
 * The delay after a first failure when the source does not say.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultRetryAfter: Duration.Duration = Duration.seconds(30)

/** @internal */
export const defaultMaxRetryAfter: Duration.Duration = Duration.minutes(5)

/** @internal */
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

interface State {
  readonly failures: number
  /** The last token, which may still be usable. */
  readonly token: AccessToken | undefined
}

const initial: State = { failures: 0, token: undefined }

const step = (
  settings: Settings,
  state: State,
  outcome: IssueOutcome,
  now: number,
  random: number
): readonly [State, number] => {
  if (Exit.isSuccess(outcome)) {
    const token = outcome.value
    return [{ failures: 0, token }, Math.ceil(token.issuedAt + refreshDelay(settings, token, random))]
  }
  const failures = state.failures + 1
  const error = outcome.cause._tag === "Fail" ? outcome.cause.error : undefined
  const usableFor = state.token === undefined ? 0 : state.token.usableUntil - now
  return [{ failures, token: state.token }, Math.ceil(now + retryDelay(settings, failures, error, usableFor, random))]
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

/** @internal */
export const retryAfterMillis = (error: IssueError | undefined): number =>
  error?.retryAfter === undefined ? 0 : Math.min(Duration.toMillis(error.retryAfter), hour)
