import { parseArgs } from "node:util"
import { Data, Effect } from "effect"

export class BadArguments extends Data.TaggedError("BadArguments")<{ readonly message: string }> {}

/** `--seconds N`, 60 without it. */
export const secondsFromArguments = (args: ReadonlyArray<string>): Effect.Effect<number, BadArguments> =>
  Effect.try({
    try: () => parseArgs({ args: [...args], options: { seconds: { type: "string", default: "60" } } }).values.seconds,
    catch: (error) => new BadArguments({ message: `${error instanceof Error ? error.message : error}. ${usage}` })
  }).pipe(
    Effect.map(Number),
    Effect.filterOrFail(
      (seconds) => seconds > 0 && seconds <= 86_400,
      () => new BadArguments({ message: `--seconds takes a number from 0 to 86400. ${usage}` })
    )
  )

const usage = "Usage: npm start -- --seconds 20"
