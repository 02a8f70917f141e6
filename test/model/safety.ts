import { Exit } from "effect"
import type { History } from "./history.js"
import type { Call } from "./issuers.js"
import { tokenOf } from "./reference.js"
import type { Now, Outcome } from "./world.js"

/**
 * The rules that hold of every cache, with a store as well, where the model does not know which token is taken over:
 * no token is given out that has expired or was invalidated, no name has two attempts, and a Retry-After is kept.
 */
export const make = (kind: History["kind"]) => {
  /** When the attempt of each running call started. */
  const running = new Map<number, { readonly name: string; readonly startedAt: number }>()
  const usableUntil = new Map<string, number>()
  const notBefore = new Map<string, number>()
  const seen = new Map<string, ReadonlyArray<string>>()
  const invalidated = new Map<string, string>()

  const onStarted = ({ behaviour, call, name }: Call, now: Now): void => {
    // One that cannot be interrupted may go on after its time limit, or after the lease was lost.
    if (behaviour._tag !== "hangUninterruptibly") running.set(call, { name, startedAt: now.wall })
    if (now.wall < (notBefore.get(name) ?? -Infinity)) throw new Error(`${name} is asked for during a Retry-After`)
  }

  const onEnded = ({ behaviour, call, exit, name }: Call & { readonly _tag: "ended" }, now: Now): void => {
    const started = running.get(call)
    running.delete(call)
    if (exit === "interrupted" || started === undefined) return
    if (Exit.isSuccess(exit)) {
      const token = tokenOf(exit.value, "lifetime" in behaviour ? behaviour.lifetime : 0, started.startedAt)
      usableUntil.set(exit.value, Math.max(token.usableUntil, usableUntil.get(exit.value) ?? 0))
      notBefore.delete(name)
    } else if (exit.cause._tag === "Fail" && exit.cause.error.retryAfter !== undefined && kind !== "tenants") {
      // A tenant that is dropped, and then read again, knows of none.
      notBefore.set(name, now.wall + exit.cause.error.retryAfter)
    }
  }

  return {
    onCalls: (calls: ReadonlyArray<Call>, now: Now): void => {
      for (const call of calls) {
        if (call._tag === "started") onStarted(call, now)
        else onEnded(call, now)
      }
      // Only now, because an attempt that has lost its lease begins again while its first call is being interrupted.
      const asked = [...running.values()].map(({ name }) => name)
      if (new Set(asked).size < asked.length) throw new Error(`one of ${asked} has two attempts`)
    },
    onOutcome: (name: string, outcome: Outcome, now: Now): void => {
      if (!outcome.startsWith("token ")) return
      const value = outcome.slice("token ".length)
      if (now.wall >= (usableUntil.get(value) ?? -Infinity)) throw new Error(`${value} was given out, and has expired`)
      if (invalidated.get(name) === value) throw new Error(`${value} was given out, and was invalidated`)
      const before = seen.get(name) ?? []
      if (before.at(-1) !== value) seen.set(name, [...before, value])
    },
    /** The current token was invalidated. */
    onInvalidated: (name: string, value: string): void => {
      invalidated.set(name, value)
    },
    /** The token of a name that was seen last, or an older one. */
    tokenOf: (name: string, old: boolean): string | undefined => seen.get(name)?.at(old ? -2 : -1),
    /** A name that leaves the cache and comes back knows nothing of the past. */
    forget: (name: string): void => {
      notBefore.delete(name)
      invalidated.delete(name)
      for (const [call, other] of running) if (other.name === name) running.delete(call)
    }
  }
}
