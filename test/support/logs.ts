import { Effect, Logger, LogLevel } from "effect"

export type Entry = Logger.Logger.Options<unknown>

/** Nothing is logged. */
export const quiet = Logger.remove(Logger.defaultLogger)

/** What is logged is told, and nothing else is done with it. */
export const tell = (note: (entry: Entry) => unknown) =>
  Logger.replace(
    Logger.defaultLogger,
    Logger.make((entry) => void note(entry))
  )

/** Whoever logs meets an exception. */
export const throwing = tell(() => {
  throw new Error("disk full")
})

/** Runs the effect at log level Trace, with all that it has logged so far. */
export const recordedLogs = <A, E, R>(f: (logs: ReadonlyArray<Entry>) => Effect.Effect<A, E, R>) => {
  const logs: Array<Entry> = []
  return f(logs).pipe(Effect.provide(tell((entry) => logs.push(entry))), Logger.withMinimumLogLevel(LogLevel.Trace))
}

/** The messages that are logged meanwhile, beside the effect's result. */
export const logged = <A, E, R>(effect: Effect.Effect<A, E, R>) => {
  const lines: Array<string> = []
  return Effect.map(
    Effect.provide(
      effect,
      tell(({ message }) => lines.push(String(message)))
    ),
    (result) => [result, lines] as const
  )
}
