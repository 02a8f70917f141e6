import { Console } from "node:console"
import { Writable } from "node:stream"
import { inspect } from "node:util"
import { Cause, Exit } from "effect"

const printedBy: Record<string, (value: unknown) => string> = {
  "console.error": (value) => {
    const written: Array<string> = []
    const stream = new Writable({
      write: (chunk, _encoding, done) => {
        written.push(String(chunk))
        done()
      }
    })
    new Console(stream, stream).error(value)
    return written.join("")
  },
  inspect: (value) => inspect(value, { depth: 20, showHidden: true }),
  "inspect without customInspect": (value) => inspect(value, { depth: 20, showHidden: true, customInspect: false }),
  "JSON.stringify": (value) =>
    String(JSON.stringify(value, (_, value) => (typeof value === "bigint" ? `${value}` : value))),
  String,
  "Cause.pretty": (value) =>
    Exit.isExit(value) && Exit.isFailure(value) ? Cause.pretty(value.cause, { renderErrorCause: true }) : ""
}

/** The ways of printing the value that give the secret away. */
export const leaks = (secret: string, value: unknown): ReadonlyArray<string> =>
  Object.keys(printedBy).filter((way) => printedBy[way]!(value).includes(secret))

export { recordedLogs as withLogs } from "./logs.js"
export { withSpans } from "./spans.js"
