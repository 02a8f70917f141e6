import type { LineRequest, LineResponse } from "./lineReply.js"

/**
 * A fault to inject. A request meets at most one: the oldest in the queue that matches it.
 *
 * A fault with `status`, `body` or `headers` replaces the answer, or parts of it. With `drop` or `hang` there is no answer.
 * With `delayMs` alone, LINE's own answer is late.
 *
 * @since 0.1.0
 * @category models
 */
export interface LineFault {
  /** The path of the requests that meet the fault, a pattern for the path, or a predicate. Default: every request. */
  readonly match?: string | RegExp | ((request: LineRequest) => boolean) | undefined
  /** How many requests meet the fault before it leaves the queue. Default: 1. */
  readonly times?: number | undefined
  /**
   * With `"before"` the fault stands in for LINE, which does not see the request unless the fault only delays it. With
   * `"after"` LINE does what it was asked for, and its answer fills in what the fault leaves out. Default: `"before"`.
   */
  readonly mode?: "before" | "after" | undefined
  /**
   * How late the fault takes effect, in milliseconds of Effect's `Clock`, which `TestClock` moves and `advance` does not.
   * Default: 0.
   */
  readonly delayMs?: number | undefined
  /** Closes the connection without an answer. Default: `false`. */
  readonly drop?: boolean | undefined
  /** Leaves the request without an answer until either side closes the connection. Default: `false`. */
  readonly hang?: boolean | undefined
  /** The status of the answer. Default: that of LINE's answer, or 200 if LINE does not see the request. */
  readonly status?: number | undefined
  /**
   * The body of the answer: a string is sent as it is, any other value as JSON. Default: the body of LINE's answer if
   * `status` is left out, too, and otherwise an empty body.
   */
  readonly body?: unknown
  /** Headers of the answer, which are added to those it has anyway or replace them. Default: none. */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/** The faults that requests are still to meet. */
export interface FaultQueue {
  readonly add: (fault: LineFault) => void
  readonly clear: () => void
  /** Gives the fault that a request meets, and counts it as met. */
  readonly take: (request: LineRequest) => LineFault | undefined
}

export const makeQueue = (): FaultQueue => {
  let queue: Array<{ readonly fault: LineFault; left: number }> = []
  return {
    add: (fault) => {
      const left = fault.times ?? 1
      if (left > 0) {
        queue.push({ fault, left })
      }
    },
    clear: () => {
      queue = []
    },
    take: (request) => {
      const met = queue.find(({ fault }) => matches(fault, request))
      if (met === undefined) {
        return undefined
      }
      met.left -= 1
      queue = queue.filter(({ left }) => left > 0)
      return met.fault
    }
  }
}

/** The answer that a fault makes, given LINE's own answer if there is one. A fault that only delays makes none. */
export const replacement = (fault: LineFault, answer: LineResponse | undefined): LineResponse | undefined => {
  if (fault.status === undefined && fault.body === undefined && fault.headers === undefined) {
    return undefined
  }
  const kept = fault.status === undefined && fault.body === undefined ? answer : undefined
  return {
    status: fault.status ?? answer?.status ?? 200,
    headers: { ...(kept?.headers ?? contentType(fault.body)), ...lowerCased(fault.headers ?? {}) },
    body: kept?.body ?? (typeof fault.body === "string" ? fault.body : (JSON.stringify(fault.body) ?? ""))
  }
}

const matches = ({ match }: LineFault, request: LineRequest): boolean => {
  if (match === undefined) {
    return true
  }
  if (typeof match === "string") {
    return match === request.path
  }
  // Not `test`, which remembers its place in a global pattern.
  return match instanceof RegExp ? request.path.search(match) !== -1 : match(request)
}

const contentType = (body: unknown): Readonly<Record<string, string>> =>
  body === undefined ? {} : { "content-type": typeof body === "string" ? "text/plain" : "application/json" }

const lowerCased = (headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
