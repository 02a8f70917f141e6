import type { LineRequest, LineResponse } from "./lineReply.js"

/**
 * A fault to inject. A request meets at most one: the oldest one that matches and has times left.
 *
 * A fault may only delay. With `status`, `body` or `headers` it makes the answer; with `drop` or `hang` there is none.
 *
 * @since 0.1.0
 * @category models
 */
export interface LineFault {
  /** The path, a pattern that the path matches, or a predicate. Default: every request. */
  readonly match?: string | RegExp | ((request: LineRequest) => boolean) | undefined
  /** How many requests meet it. Default: 1. */
  readonly times?: number | undefined
  /**
   * `"before"`: LINE never sees the request, unless the fault only delays it. `"after"`: LINE does what was asked for,
   * and what the fault leaves out comes from its answer. Default: `"before"`.
   */
  readonly mode?: "before" | "after" | undefined
  /** Milliseconds on Effect's `Clock`, which `TestClock` moves and `advance` does not. Default: 0. */
  readonly delayMs?: number | undefined
  /** Closes the connection without an answer. Default: `false`. */
  readonly drop?: boolean | undefined
  /** Leaves the request without an answer until either side closes the connection. Default: `false`. */
  readonly hang?: boolean | undefined
  /** Default: the status of LINE's answer, 200 where there is none. */
  readonly status?: number | undefined
  /**
   * A string is sent as it is, anything else as JSON. Default: the body of LINE's answer where `status` is left
   * out too, else empty.
   */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>> | undefined
}

export interface FaultQueue {
  readonly add: (fault: LineFault) => void
  readonly clear: () => void
  /** The fault that the request meets, which is one less from then on. */
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

/** The answer that the fault makes, given LINE's own where there is one; none if the fault makes no answer. */
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
  // search, for test has a memory where the pattern is global
  return match instanceof RegExp ? request.path.search(match) !== -1 : match(request)
}

const contentType = (body: unknown): Readonly<Record<string, string>> =>
  body === undefined ? {} : { "content-type": typeof body === "string" ? "text/plain" : "application/json" }

const lowerCased = (headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
