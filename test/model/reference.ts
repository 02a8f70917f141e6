/**
 * What DESIGN says of one token, as functions from a state to the next one. Instants are those of a wall clock that is
 * never set back, because a set-back gains no time; it is ahead of the monotonic clock by what it was set ahead.
 */

/** The part of a source that the rules depend on. */
export interface Rules {
  readonly retryAfter: number
  readonly maxRetryAfter: number
  /** At which of its steps the source's own schedule breaks, if it has one. From then on the default policy holds. */
  readonly breaksAt: number | undefined
}

export interface Token {
  readonly value: string
  readonly issuedAt: number
  readonly usableUntil: number
  readonly expiresAt: number
}

/** What a source or the default policy remembers. */
interface Memory {
  readonly failures: number
  readonly usableUntil: number
}

export interface State {
  readonly token: Token | undefined
  readonly attempt: boolean
  /** When the next attempt has to start. `Infinity` while one runs. */
  readonly due: number
  /** Whether it has to start at once when it is due, whatever else runs. */
  readonly urgent: boolean
  readonly notBefore: number
  readonly error: string | undefined
  readonly failures: number
  readonly generation: number
  readonly invalidated: string | undefined
  readonly inRow: number
  readonly kept: boolean
  readonly memory: Memory
  /** How often the source's own schedule was stepped. */
  readonly steps: number
}

const second = 1000
const hour = 3_600_000
const forgotten: Memory = { failures: 0, usableUntil: -Infinity }

export const added = (now: number): State => ({
  token: undefined,
  attempt: false,
  due: now,
  urgent: false,
  notBefore: -Infinity,
  error: undefined,
  failures: 0,
  generation: 0,
  invalidated: undefined,
  inRow: 0,
  kept: false,
  memory: forgotten,
  steps: 0
})

export const usable = ({ token }: State, now: number): Token | undefined =>
  token !== undefined && now < token.usableUntil ? token : undefined

/** Whether an attempt runs, or waits for its turn. */
export const isBusy = (state: State, now: number): boolean => state.attempt || now >= state.due

export const isBackingOff = (state: State, now: number): boolean => !isBusy(state, now) && state.error !== undefined

export const stateName = (state: State, now: number): string =>
  usable(state, now) !== undefined
    ? state.error === undefined
      ? "ready"
      : "degraded"
    : state.generation === 0 && state.error === undefined
      ? "starting"
      : "down"

export const started = (state: State): State => ({ ...state, attempt: true, due: Infinity, urgent: false })

/** Somebody asks for an attempt no later than `at`. */
export const demanded = (state: State, at: number): State =>
  state.attempt ? state : { ...state, urgent: true, due: Math.max(Math.min(at, state.due), state.notBefore) }

/** A reader that found no usable token asks for an attempt, but not for two in a second. */
export const wanted = (state: State, now: number): State =>
  demanded(state, Math.max(now, (state.token?.issuedAt ?? -Infinity) + second))

/** Gives the token of an answer, or `undefined` if it is of no use. The lifetime counts from the start. */
export const tokenOf = (value: string, lifetime: number, startedAt: number): Token => ({
  value,
  issuedAt: startedAt,
  expiresAt: Math.ceil(startedAt + lifetime),
  usableUntil: Math.ceil(startedAt + lifetime - Math.min(5 * second, lifetime / 10))
})

/** Whether the schedule that is stepped next breaks, and takes its second if it hangs. */
export const breaksNow = ({ steps }: State, { breaksAt }: Rules): boolean => steps + 1 === breaksAt

/** Steps the schedule. What breaks leaves no memory behind. */
const stepped = (state: State, rules: Rules, memory: Memory) => ({
  memory: breaksNow(state, rules) ? forgotten : memory,
  steps: state.steps + 1
})

export const succeeded = (state: State, rules: Rules, token: Token, now: number): State => {
  if (token.value === state.invalidated || token.usableUntil <= now) {
    return failed(state, rules, { reason: "InvalidResponse" }, now)
  }
  const lifetime = token.expiresAt - token.issuedAt
  const leeway = token.expiresAt - token.usableUntil
  const beforeLeeway = lifetime - leeway - Math.min(leeway, second)
  const delay = Math.min(Math.max(lifetime - Math.max(600 * second, lifetime / 10), lifetime / 2), beforeLeeway)
  const gap = state.token?.value === token.value ? rules.retryAfter : second
  const accepted =
    state.token !== undefined && !state.kept && now - state.token.issuedAt >= rules.maxRetryAfter ? 0 : state.inRow
  const { steps } = stepped(state, rules, state.memory)
  return {
    ...state,
    token,
    attempt: false,
    due: token.issuedAt + Math.ceil(Math.max(delay, gap, second)),
    notBefore: -Infinity,
    error: undefined,
    failures: 0,
    generation: state.generation + 1,
    inRow: accepted,
    kept: false,
    memory: { failures: 0, usableUntil: token.usableUntil },
    steps
  }
}

export interface Failure {
  readonly reason: string
  readonly retryAfter?: number | undefined
  readonly permanent?: boolean | undefined
}

/** The delay after a failure, and what is remembered of it. */
const backOff = (rules: Rules, before: Memory, failure: Failure, now: number) => {
  const memory = { ...before, failures: before.failures + 1 }
  const doubled = failure.permanent ? rules.maxRetryAfter : rules.retryAfter * 2 ** before.failures
  const capped = Math.min(doubled, rules.maxRetryAfter)
  const left = before.usableUntil - now
  const inTime = left > 0 ? Math.min(capped, left / 2) : capped
  return { memory, delay: Math.max(inTime, rules.retryAfter, Math.min(failure.retryAfter ?? 0, hour)) }
}

export const failed = (state: State, rules: Rules, failure: Failure, now: number): State => {
  const step = stepped(state, rules, state.memory)
  const { delay, memory } = backOff(rules, step.memory, failure, now)
  return {
    ...state,
    attempt: false,
    due: Math.ceil(now + Math.max(delay, second)),
    notBefore: Math.max(state.notBefore, now + Math.min(failure.retryAfter ?? 0, hour)),
    error: failure.reason,
    failures: state.failures + 1,
    memory,
    steps: step.steps
  }
}

const dropped = (state: State): State => ({
  ...state,
  token: undefined,
  invalidated: state.token?.value,
  inRow: Math.max(state.inRow, 1),
  kept: false
})

/** A report of a token, by `invalidate` or by `unauthorized`. */
export const reported = (
  before: State,
  rules: Rules,
  verb: "invalidate" | "unauthorized",
  value: string,
  now: number
): State => {
  if (before.token?.value !== value) {
    return before
  }
  const lasted = !before.kept && now - before.token.issuedAt >= rules.maxRetryAfter
  const state = lasted ? { ...before, inRow: 0 } : before
  const drops = verb === "invalidate"
  if (isBusy(state, now)) {
    return drops || (!state.kept && state.inRow === 0) ? dropped(state) : before
  }
  if (state.kept) {
    return drops ? dropped(state) : before
  }
  if (state.error === undefined && state.inRow === 0) {
    return { ...dropped(state), memory: forgotten, urgent: true, due: Math.max(now, state.notBefore) }
  }
  return drops || state.error === undefined ? reportedAgain(state, rules, drops, now) : before
}

const reportedAgain = (state: State, rules: Rules, drops: boolean, now: number): State => {
  const goesOn = !drops || state.error !== undefined
  const step = stepped(state, rules, goesOn ? state.memory : forgotten)
  const next = backOff(rules, step.memory, { reason: "Rejected" }, now)
  const delay = Math.max(next.delay, second)
  const doublings = state.error === undefined ? Math.max(state.inRow - 1, 0) : 0
  const at = Math.ceil(now + Math.max(delay, Math.min(delay * 2 ** doublings, hour)))
  const counted: State = {
    ...state,
    error: state.error ?? "Rejected",
    failures: Math.max(state.failures + 1, state.inRow),
    inRow: state.inRow + 1,
    due: Math.max(drops ? at : Math.min(at, state.due), state.notBefore),
    memory: next.memory,
    steps: step.steps
  }
  return drops ? dropped(counted) : { ...counted, kept: true }
}
