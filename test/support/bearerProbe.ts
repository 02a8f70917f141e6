import { Console } from "node:console"
import { Writable } from "node:stream"
import { inspect } from "node:util"
import { Cause, Effect, Exit, Logger, LogLevel, Tracer } from "effect"

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

/** Runs the effect with a tracer that keeps all spans. */
export const withSpans = <A, E, R>(
  f: (spans: ReadonlyArray<Tracer.Span>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.flatMap(Effect.tracer, (native) => {
    const spans: Array<Tracer.Span> = []
    return Effect.withTracer(
      f(spans),
      Tracer.make({
        span: (...args) => {
          const span = native.span(...args)
          spans.push(span)
          return span
        },
        context: (f, fiber) => native.context(f, fiber)
      })
    )
  })

/** Runs the effect at log level Trace, with a logger that keeps what it is given. */
export const withLogs = <A, E, R>(
  f: (logs: ReadonlyArray<Logger.Logger.Options<unknown>>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  const logs: Array<Logger.Logger.Options<unknown>> = []
  return f(logs).pipe(
    Effect.provide(
      Logger.replace(
        Logger.defaultLogger,
        Logger.make((options) => {
          logs.push(options)
        })
      )
    ),
    Logger.withMinimumLogLevel(LogLevel.Trace)
  )
}
