import type { History } from "./history.js"
import type { Call } from "./issuers.js"
import { rulesOf } from "./issuers.js"
import * as Reference from "./reference.js"

/** The two clocks: the monotonic one, and the wall clock as if nobody ever set it back. */
export interface Now {
  readonly monotonic: number
  readonly wall: number
}

/** How a read or a refresh ended: with a token, or with the reason of its error. */
export type Outcome = `token ${string}` | "UnknownName" | "IssueFailed" | "TimedOut" | "Closed"

/** A read or a refresh. */
export interface Reader {
  readonly name: string
  /** Until when it waits, on the monotonic clock. */
  readonly until: number
  /** How it may end, and has to by now. */
  expected: ReadonlyArray<Outcome>
}

/** One name of the model. */
interface Member {
  readonly rules: Reference.Rules
  state: Reference.State
  /** The attempt that runs. */
  attempt: { readonly call: number; readonly startedAt: number; holdsPermit: boolean; interrupted: boolean } | undefined
  /** What becomes of the state on the monotonic clock, once a schedule that hangs is given up. */
  settling: { readonly at: number; readonly settle: (now: Now) => void } | undefined
  /** Whether the outcome of an attempt is waited for, or was by somebody who has left. */
  awaited: boolean
  readAt: number
}

const issueTimeout = 30_000
export const readTimeout = 5000
export const idleTimeToLive = 600_000

/** Runs the model beside the cache. A rule that is broken throws. */
export const make = (history: History) => {
  const members = new Map<string, Member>()
  const readers = new Set<Reader>()
  /** The names that somebody waited for before the last step: not all of them stop waiting at once. */
  let wereAwaited: ReadonlySet<string> = new Set()
  let closed = false

  const memberOf = (name: string): Member | undefined => members.get(name)

  const waitingFor = (name: string) => [...readers].filter((reader) => reader.name === name && isWaiting(reader))

  const add = (name: string, now: Now): Member => {
    const member: Member = {
      rules: rulesOf(history.sources[name] ?? {}),
      state: Reference.added(now.wall),
      attempt: undefined,
      settling: undefined,
      awaited: false,
      readAt: now.wall
    }
    members.set(name, member)
    return member
  }

  const remove = (name: string): void => {
    members.delete(name)
    for (const reader of waitingFor(name)) reader.expected = ["Closed"]
  }

  /** Gives the outcome of a reader, or makes it wait. */
  const proceed = (member: Member, reader: Reader, now: Now): void => {
    const token = Reference.usable(member.state, now.wall)
    if (token !== undefined) {
      reader.expected = [`token ${token.value}`]
    } else if (Reference.isBackingOff(member.state, now.wall)) {
      reader.expected = ["IssueFailed"]
    } else {
      member.state = Reference.wanted(member.state, now.wall)
      member.awaited = true
    }
  }

  const join = (name: string, until: number, now: Now, f: (member: Member, reader: Reader) => void): Reader => {
    const reader: Reader = { name, until, expected: [] }
    readers.add(reader)
    const member = memberOf(name) ?? (history.kind === "tenants" && !closed ? add(name, now) : undefined)
    if (closed || member === undefined) {
      reader.expected = [
        closed && member !== undefined ? "Closed" : closed && history.kind === "tenants" ? "Closed" : "UnknownName"
      ]
    } else {
      member.readAt = now.wall
      f(member, reader)
    }
    return reader
  }

  const read = (name: string, now: Now): Reader =>
    join(name, now.monotonic + readTimeout, now, (member, reader) => proceed(member, reader, now))

  const refresh = (name: string, now: Now): Reader =>
    join(name, Infinity, now, (member, reader) => {
      if (now.wall < member.state.notBefore) {
        reader.expected = ["IssueFailed"]
      } else {
        member.state = Reference.demanded(member.state, now.wall)
        member.awaited = true
      }
    })

  const report = (name: string, verb: "invalidate" | "unauthorized", value: string, now: Now): void => {
    const member = memberOf(name)
    if (member !== undefined && !closed) {
      member.state = Reference.reported(member.state, member.rules, verb, value, now.wall)
    }
  }

  /** Ends an attempt. A schedule that hangs when it is stepped is given up after a second. */
  const conclude = (
    name: string,
    member: Member,
    now: Now,
    next: (state: Reference.State) => Reference.State
  ): void => {
    member.attempt = undefined
    const settle = (now: Now) => {
      const before = member.state
      member.settling = undefined
      member.state = next(before)
      member.awaited = false
      for (const reader of waitingFor(name)) {
        if (member.state.generation === before.generation) {
          reader.expected = ["IssueFailed"]
        } else {
          proceed(member, reader, now)
        }
      }
    }
    const hangs = history.sources[name]?.breaks?.how === "hangs" && Reference.breaksNow(member.state, member.rules)
    if (hangs) {
      member.settling = { at: now.monotonic + 1000, settle }
    } else {
      settle(now)
    }
  }

  const permits = () => [...members.values()].filter(({ attempt }) => attempt?.holdsPermit).length

  const onStarted = ({ call, name }: Call, now: Now): void => {
    const member = memberOf(name)
    if (member === undefined) throw new Error(`${name} is asked for, and is not in the cache`)
    const { state } = member
    if (state.attempt) throw new Error(`${name} has two attempts`)
    if (now.wall < state.notBefore) throw new Error(`${name} is asked for during a Retry-After`)
    if (now.wall < state.due) throw new Error(`${name} is asked for ${state.due - now.wall} ms before it is due`)
    if (!state.urgent && permits() >= history.concurrency) throw new Error(`${name} starts above the concurrency`)
    member.state = Reference.started(state)
    member.attempt = { call, startedAt: now.wall, holdsPermit: true, interrupted: false }
  }

  const onEnded = (ended: Call & { _tag: "ended" }, now: Now): void => {
    const { behaviour, call, exit, name } = ended
    const member = memberOf(name)
    if (member?.attempt?.call !== call) return
    const { attempt, rules } = member
    if (exit === "interrupted") {
      // The token has been dropped, or it should not have been.
      attempt.holdsPermit = false
      attempt.interrupted = true
      return
    }
    if (exit._tag === "Failure") {
      const failure = exit.cause._tag === "Fail" ? exit.cause.error : { reason: "Defect" }
      conclude(name, member, now, (state) => Reference.failed(state, rules, failure, now.wall))
      return
    }
    const lifetime = "lifetime" in behaviour ? behaviour.lifetime : 0
    const token = Reference.tokenOf(exit.value, lifetime, attempt.startedAt)
    conclude(name, member, now, (state) => Reference.succeeded(state, rules, token, now.wall))
  }

  const dropIdle = (now: Now): void => {
    for (const [name, member] of members) {
      if (history.kind === "tenants" && !member.awaited && now.wall >= member.readAt + idleTimeToLive) remove(name)
    }
  }

  /** What the passing of time leads to. */
  const tick = (now: Now): void => {
    dropIdle(now)
    for (const [name, member] of members) {
      const { attempt, rules, settling } = member
      if (settling !== undefined && now.monotonic >= settling.at) settling.settle(now)
      if (attempt === undefined) continue
      if (now.wall >= attempt.startedAt + issueTimeout) {
        conclude(name, member, now, (state) => Reference.failed(state, rules, { reason: "Timeout" }, now.wall))
      } else if (now.wall >= attempt.startedAt + readTimeout) {
        attempt.holdsPermit = false
      }
    }
  }

  /** Goes on to an instant at which these calls were seen, and all fibers have run. These tenants are `present`. */
  const advance = (calls: ReadonlyArray<Call>, now: Now, present: ReadonlySet<string>): void => {
    if (closed) {
      if (calls.some(({ _tag }) => _tag === "started")) throw new Error("a token is asked for after the end")
      return
    }
    wereAwaited = new Set([...readers].map(({ name }) => name))
    tick(now)
    for (const [name, { attempt }] of members) {
      // Its permit may be another's before its call has been interrupted.
      if (history.kind === "tenants" && !present.has(name) && attempt !== undefined) attempt.holdsPermit = false
    }
    for (const call of calls) {
      if (call._tag === "started") onStarted(call, now)
      else onEnded(call, now)
    }
    dropIdle(now)
    for (const reader of readers) {
      // At the very end of its time, it may have the outcome or not.
      if (now.monotonic >= reader.until)
        reader.expected = isWaiting(reader) ? ["TimedOut"] : [...reader.expected, "TimedOut"]
    }
  }

  /** Whoever is due has to be asked for, if another attempt may run. */
  const checkDue = (now: Now): void => {
    for (const [name, { settling, state }] of members) {
      const mayStart = state.urgent || permits() < history.concurrency
      if (settling === undefined && !state.attempt && now.wall >= state.due && mayStart) {
        throw new Error(`${name} is due, and nobody asks for it`)
      }
    }
  }

  /** The tenants that the cache has dropped: those read least recently, and those that fail last. */
  const onDropped = (present: ReadonlySet<string>): ReadonlyArray<string> => {
    const isFree = (name: string) => !wereAwaited.has(name)
    const rank = ({ readAt, state }: Member) => readAt + (state.error === undefined ? 0 : 2 ** 52)
    const gone = [...members].filter(([name]) => !present.has(name))
    const stay = [...members].filter(([name]) => present.has(name) && isFree(name))
    for (const [name, member] of gone) {
      if (history.kind !== "tenants") throw new Error(`${name} has been dropped`)
      if (members.size <= history.capacity) throw new Error(`${name} was dropped, and there was room`)
      const better = stay.find(([, other]) => rank(other) < rank(member))
      if (better !== undefined) throw new Error(`${name} was dropped, and ${better[0]} was not`)
      remove(name)
    }
    for (const [name, { attempt }] of members) {
      if (attempt?.interrupted) throw new Error(`the attempt of ${name} was interrupted`)
    }
    const waiting = [...members.keys()].filter((name) => waitingFor(name).length > 0).length
    if (history.kind === "tenants" && members.size > Math.max(history.capacity, waiting)) {
      throw new Error(`there are ${members.size} tenants`)
    }
    return gone.map(([name]) => name)
  }

  return {
    members,
    add,
    remove,
    read,
    refresh,
    report,
    advance,
    onDropped,
    checkDue,
    waitingFor,
    leave: (reader: Reader) => readers.delete(reader),
    isClosed: () => closed,
    close: () => {
      closed = true
      for (const reader of readers) if (isWaiting(reader)) reader.expected = ["Closed"]
    },
    /** When something is to be looked at next, on the monotonic clock. */
    next: (now: Now): number => {
      let next = Infinity
      const consider = (wall: number) => {
        if (wall > now.wall && wall < next) next = wall
      }
      for (const { attempt, readAt, settling, state } of members.values()) {
        consider(state.due)
        consider(state.token?.usableUntil ?? Infinity)
        consider(readAt + idleTimeToLive)
        if (settling !== undefined) consider(settling.at - now.monotonic + now.wall)
        if (attempt !== undefined) {
          consider(attempt.startedAt + issueTimeout)
          consider(attempt.startedAt + readTimeout)
        }
      }
      for (const { until } of readers) consider(until - now.monotonic + now.wall)
      return next - now.wall + now.monotonic
    }
  }
}

export type World = ReturnType<typeof make>

export const isWaiting = ({ expected }: Reader): boolean => expected.length === 0
