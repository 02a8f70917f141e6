import { parseArgs } from "node:util"
import { Effect } from "effect"
import { BadArguments } from "../main/arguments.js"

const example = "npm run example:fleet -- --seconds 30"

/** For how long, from when all processes have a token. */
export const parseSeconds = (args: ReadonlyArray<string>): Effect.Effect<number, BadArguments> =>
  Effect.try({
    try: () => Number(parseArgs({ args: [...args], options }).values.seconds),
    catch: () => bad("--seconds is the only argument")
  }).pipe(
    Effect.filterOrFail(
      (seconds) => seconds > 0 && seconds <= 3600,
      () => bad("--seconds takes a number of more than 0, at most 3600")
    )
  )

const options = { seconds: { type: "string", default: "30" } } as const

const bad = (message: string) => new BadArguments({ message: `${message}. Usage: ${example}` })
