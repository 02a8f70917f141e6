import { Clock, type Duration, Effect, Redacted } from "effect"
import { IssuedToken, IssueError } from "effect-token-cache"

/** What a scripted issuer does when it is asked for a token. */
export type Behaviour =
  | { readonly _tag: "succeed"; readonly token?: string; readonly expiresIn: Duration.DurationInput }
  | { readonly _tag: "fail"; readonly error: IssueError }
  | { readonly _tag: "answer"; readonly value: unknown }
  | { readonly _tag: "run"; readonly effect: Effect.Effect<IssuedToken.IssuedToken, unknown> }

export const succeed = (expiresIn: Duration.DurationInput, token?: string): Behaviour => ({
  _tag: "succeed",
  expiresIn,
  ...(token === undefined ? undefined : { token })
})

export const fail = (options: Partial<ConstructorParameters<typeof IssueError>[0]> = {}): Behaviour => ({
  _tag: "fail",
  error: new IssueError({ reason: "Unreachable", ...options })
})

export const run = (effect: Effect.Effect<IssuedToken.IssuedToken, unknown>): Behaviour => ({ _tag: "run", effect })

/** Succeeds after a while. */
export const slow = (
  token: string,
  delay: Duration.DurationInput = "1 second",
  expiresIn: Duration.DurationInput = "15 minutes"
): Behaviour => run(Effect.delay(scripted(succeed(expiresIn, token)).issue, delay))

export const hang = run(Effect.never)

export const hangUninterruptibly = run(Effect.uninterruptible(Effect.never))

export const die = run(Effect.die(new TypeError("boom")))

export const throws = run(
  Effect.suspend(() => {
    throw new RangeError("boom")
  })
)

export const interruptItself = run(Effect.interrupt)

export const answer = (value: unknown): Behaviour => ({ _tag: "answer", value })

/**
 * An issuer that does what it is told: the scripted behaviours in order, and then the last one again and again. Tokens
 * are `token-1`, `token-2`, ... by the number of the call; `calls` holds the instant of each.
 */
export const scripted = (...behaviours: readonly [Behaviour, ...ReadonlyArray<Behaviour>]) => {
  const calls: Array<number> = []
  let script = [...behaviours]
  let running = 0
  const record = { mostAtOnce: 0 }
  const issue: Effect.Effect<IssuedToken.IssuedToken, unknown> = Effect.gen(function* () {
    calls.push(yield* Clock.currentTimeMillis)
    running++
    record.mostAtOnce = Math.max(record.mostAtOnce, running)
    const behaviour = script.length > 1 ? script.shift()! : script[0]!
    switch (behaviour._tag) {
      case "succeed":
        return IssuedToken.make({
          accessToken: behaviour.token ?? `token-${calls.length}`,
          expiresIn: behaviour.expiresIn
        })
      case "fail":
        return yield* behaviour.error
      case "answer":
        // What an issuer written without types might return.
        return behaviour.value as IssuedToken.IssuedToken
      case "run":
        return yield* behaviour.effect
    }
  }).pipe(Effect.ensuring(Effect.sync(() => running--)))
  return {
    issue,
    calls,
    record,
    /** Replaces the rest of the script. */
    becomes: (...next: readonly [Behaviour, ...ReadonlyArray<Behaviour>]) => {
      script = [...next]
    }
  }
}

export const value = (token: Redacted.Redacted<string>): string => Redacted.value(token)
