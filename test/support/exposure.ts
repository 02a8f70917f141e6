import { inspect } from "node:util"
import { isPromise } from "node:util/types"
import { Cause, Effect, Exit, Logger, LogLevel, Metric } from "effect"
import { tell } from "./logs.js"
import { withEachSpan } from "./spans.js"

/** A way to print that people use. */
const ways: ReadonlyArray<(value: unknown, depth: number) => string> = [
  (value, depth) => inspect(value, { depth, showHidden: true }),
  (value, depth) => inspect(value, { depth, showHidden: true, customInspect: false }),
  (value) => String(JSON.stringify(value, (_, value) => (typeof value === "bigint" ? `${value}` : value))),
  String,
  (value) => (value instanceof Error ? `${value.stack} ${value.message}` : ""),
  (value) =>
    Exit.isExit(value) && Exit.isFailure(value)
      ? `${Cause.pretty(value.cause, { renderErrorCause: true })} ${String(Cause.squash(value.cause))}`
      : ""
]

/** Prints values to a depth in every way that people use. */
export const printTo =
  (depth: number) =>
  (value: unknown): string =>
    ways.map((way) => way(value, depth)).join("\n")

/** The value, printed in every way that people use. */
export const print = printTo(20)

/**
 * All that can be reached from a value, hidden or not, with each object printed once. A print to an infinite depth shows
 * an object again on each way that leads to it, which makes megabytes of a cache, and leaves out all but 100 elements.
 */
export const printReachable = (value: unknown): string => {
  const shown = [String(value)]
  const objects = new Set<object>()
  const add = (value: unknown) => {
    if ((typeof value === "object" && value !== null) || typeof value === "function") {
      objects.add(value)
    }
  }
  add(value)
  // What is added meanwhile has its turn as well.
  for (const object of objects) {
    shown.push(inspect(object, { ...whole, depth: isOpaque(object) ? null : 0 }))
    for (const key of Reflect.ownKeys(object)) {
      const property = Reflect.getOwnPropertyDescriptor(object, key)
      add(property?.value)
      add(property?.get)
    }
    if (object instanceof Map || object instanceof Set) {
      object.forEach((value, key) => {
        add(value)
        add(key)
      })
    }
    for (const given of [givenBy(object, inspect.custom), givenBy(object, "toJSON")]) {
      add(given)
      shown.push(typeof given === "string" ? given : "")
    }
  }
  return shown.join("\n")
}

const whole = { showHidden: true, customInspect: false, maxArrayLength: null, maxStringLength: null }

/** Nothing but `inspect` sees what these hold. */
const isOpaque = (object: object): boolean =>
  isPromise(object) || object instanceof WeakMap || object instanceof WeakSet

/** What an object gives to be printed in its place. A prototype may lack what its method needs. */
const givenBy = (object: object, method: PropertyKey): unknown => {
  try {
    const give: unknown = Reflect.get(object, method)
    return typeof give === "function" ? Reflect.apply(give, object, [0, {}, inspect]) : undefined
  } catch {
    return undefined
  }
}

/** What a log line comes to with each of Effect's loggers; the pretty one writes to the console of the fiber. */
const render = (entry: Logger.Logger.Options<unknown>): ReadonlyArray<string> => {
  Logger.prettyLogger({ mode: "tty", colors: false }).log(entry)
  return [
    Logger.logfmtLogger.log(entry),
    Logger.jsonLogger.log(entry),
    Logger.stringLogger.log(entry),
    inspect(Logger.structuredLogger.log(entry), { depth: 20, showHidden: true })
  ]
}

/** A console for the pretty logger, which writes instead of giving text. */
const withRecordingConsole =
  (shown: Array<string>) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.consoleWith((native) => {
      const write = (...values: ReadonlyArray<unknown>) => {
        shown.push(values.map((value) => (typeof value === "string" ? value : inspect(value, { depth: 20 }))).join(" "))
      }
      return Effect.withConsole(effect, { ...native, unsafe: new Proxy(native.unsafe, { get: () => write }) })
    })

/** Runs the effect with all that it logs, at Trace and in each format, put into `shown`. */
export const exposedLogs =
  (shown: Array<string>) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    effect.pipe(
      withRecordingConsole(shown),
      Effect.provide(tell((entry) => shown.push(...render(entry)))),
      Logger.withMinimumLogLevel(LogLevel.All)
    )

/** Runs the effect with all its spans put into `shown`: names, attributes, events, links and failures. */
export const exposedSpans = (shown: Array<string>) =>
  withEachSpan((span) => {
    const attribute = span.attribute.bind(span)
    const end = span.end.bind(span)
    const event = span.event.bind(span)
    span.attribute = (key, value) => {
      shown.push(print([key, value]))
      attribute(key, value)
    }
    span.event = (name, time, attributes) => {
      shown.push(print([name, attributes]))
      event(name, time, attributes)
    }
    span.end = (time, exit) => {
      end(time, exit)
      // Printing a response reads its body away: a success is not printed here.
      shown.push(print([span.name, span.attributes, span.links]), Exit.isFailure(exit) ? print(exit) : "")
    }
  })

/** All metrics of the process, printed. */
export const metrics = Effect.map(Metric.snapshot, print)

/** The secrets of which 24 characters, or all of a shorter one, are somewhere in what was shown, by name. */
export const found = (
  secrets: Readonly<Record<string, string>>,
  shown: ReadonlyArray<string>
): ReadonlyArray<string> => {
  const texts = [...new Set(shown)]
  return Object.keys(secrets).filter((name) =>
    pieces(secrets[name]!).some((piece) => texts.some((text) => text.includes(piece)))
  )
}

/** A message that is cut shows a part of a long secret. */
const pieces = (secret: string): ReadonlyArray<string> => secret.match(/.{24}/gs) ?? [secret]
