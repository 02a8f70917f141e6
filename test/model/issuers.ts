import { Deferred, Duration, Effect, Exit, FiberId, Schedule, ScheduleDecision } from "effect"
import { IssuedToken, IssueError, RefreshPolicy, type TokenSource } from "effect-token-cache"
import type { Behaviour, SourceOptions } from "./history.js"
import type { Failure, Rules } from "./reference.js"

/** What an issuer has done, in the order in which it did it. */
export type Call = { readonly name: string; readonly call: number; readonly behaviour: Behaviour } & (
  | { readonly _tag: "started" }
  | { readonly _tag: "ended"; readonly exit: Exit.Exit<string, Failure> | "interrupted" }
)

/** The issuers of all names. They do what they are told, and record it. */
export interface Issuers {
  readonly calls: Array<Call>
  /** What the issuer of each name does when it is called next. */
  readonly behaviours: Map<string, Behaviour>
  /** The token of each name that was invalidated last. */
  readonly invalidated: Map<string, string>
  readonly source: (name: string, options: SourceOptions) => TokenSource.TokenSource<unknown>
  /** Ends all calls that cannot be interrupted, of one name or of all. */
  readonly release: (name?: string) => void
}

/** How often in a row an issuer does what it was told. After that it gives tokens that last, which costs less time. */
const mostInRow = 4

const lasting: Behaviour = { _tag: "succeed", lifetime: 86_400_000, delay: 0 }

const failureOf = (reason: string): Exit.Exit<never, Failure> => Exit.fail({ reason })

export const make = (): Issuers => {
  const calls: Array<Call> = []
  const behaviours = new Map<string, Behaviour>()
  const invalidated = new Map<string, string>()
  const lastValue = new Map<string, string>()
  const last = new Map<string, { readonly told: Behaviour; readonly inRow: number }>()
  const gates = new Map<Deferred.Deferred<void>, string>()
  let count = 0

  const valueOf = (name: string, call: number, { _tag }: Behaviour): string => {
    const value =
      (_tag === "again" ? lastValue.get(name) : _tag === "invalidated" ? invalidated.get(name) : undefined) ??
      `${name}-${call}`
    lastValue.set(name, value)
    return value
  }

  /** Does what the behaviour says, and gives the outcome that has to be recorded with what the issuer returns. */
  const answerOf = (
    name: string,
    call: number,
    behaviour: Behaviour
  ): { readonly exit: Exit.Exit<string, Failure>; readonly issue: Effect.Effect<IssuedToken.IssuedToken, unknown> } => {
    switch (behaviour._tag) {
      case "succeed":
      case "again":
      case "invalidated": {
        const accessToken = valueOf(name, call, behaviour)
        const token = IssuedToken.make({ accessToken, expiresIn: behaviour.lifetime })
        return { exit: Exit.succeed(accessToken), issue: Effect.succeed(token) }
      }
      case "fail": {
        const { permanent = false, retryAfter } = behaviour
        const wait = retryAfter === undefined ? undefined : Duration.millis(retryAfter)
        return {
          exit: Exit.fail({ reason: "Unreachable", retryAfter, permanent }),
          issue: new IssueError({ reason: "Unreachable", permanent, retryAfter: wait })
        }
      }
      case "die":
        return { exit: failureOf("Defect"), issue: Effect.die("boom") }
      case "interrupt":
        return { exit: failureOf("Defect"), issue: Effect.interrupt }
      case "nonsense":
        // What an issuer written without types might return.
        return { exit: failureOf("InvalidResponse"), issue: Effect.succeed({} as IssuedToken.IssuedToken) }
      case "hang":
        return { exit: failureOf("Timeout"), issue: Effect.never }
      case "hangUninterruptibly": {
        const gate = Deferred.unsafeMake<void>(FiberId.none)
        gates.set(gate, name)
        const token = IssuedToken.make({ accessToken: `${name}-late`, expiresIn: "1 day" })
        return { exit: failureOf("Timeout"), issue: Effect.uninterruptible(Effect.as(Deferred.await(gate), token)) }
      }
    }
  }

  const issue = (name: string) =>
    Effect.suspend(() => {
      const call = ++count
      const told = behaviours.get(name) ?? lasting
      const before = last.get(name)
      const inRow = before?.told === told ? before.inRow + 1 : 1
      last.set(name, { told, inRow })
      const behaviour = inRow > mostInRow ? lasting : told
      calls.push({ _tag: "started", name, call, behaviour })
      let exit: Exit.Exit<string, Failure> | "interrupted" = "interrupted"
      const answered = Effect.suspend(() => {
        const answer = answerOf(name, call, behaviour)
        // One that hangs records that it was interrupted, whenever that is.
        if (behaviour._tag !== "hang" && behaviour._tag !== "hangUninterruptibly") exit = answer.exit
        return answer.issue
      })
      return Effect.ensuring(
        behaviour.delay === 0 ? answered : Effect.delay(answered, behaviour.delay),
        Effect.sync(() => calls.push({ _tag: "ended", name, call, behaviour, exit }))
      )
    })

  return {
    calls,
    behaviours,
    invalidated,
    source: (name, options) => ({ issue: issue(name), identity: { client: "model" }, ...optionsOf(options) }),
    release: (name) => {
      for (const [gate, of] of gates) {
        if (name === undefined || of === name) {
          Deferred.unsafeDone(gate, Exit.void)
          gates.delete(gate)
        }
      }
    }
  }
}

const optionsOf = ({ breaks, maxRetryAfter, retryAfter }: SourceOptions) =>
  breaks === undefined ? { jitter: 0, retryAfter, maxRetryAfter } : { schedule: breaking(breaks) }

/** The default policy, until it breaks. */
const breaking = ({ at, how }: NonNullable<SourceOptions["breaks"]>) => {
  const policy = RefreshPolicy.make({ jitter: 0 })
  let steps = 0
  return Schedule.makeWithState(policy.initial, (now, outcome: RefreshPolicy.IssueOutcome, state) => {
    if (++steps < at) {
      return policy.step(now, outcome, state)
    }
    switch (how) {
      case "ends":
        return Effect.succeed([state, Duration.zero, ScheduleDecision.done] as const)
      case "dies":
        return Effect.die("boom")
      case "hangs":
        return Effect.never
    }
  })
}

/** What the model has to know of a source. */
export const rulesOf = ({ breaks, maxRetryAfter = 300_000, retryAfter = 30_000 }: SourceOptions): Rules => ({
  retryAfter,
  maxRetryAfter,
  breaksAt: breaks?.at
})
