import { parseArgs } from "node:util"
import { Data, Effect } from "effect"

export class BadArguments extends Data.TaggedError("BadArguments")<{ readonly message: string }> {}

const example = "npm start -- --seconds 20"

export const usage = `Keeps the tokens of a LINE channel warm and shows them, here and on a status page.

Usage: ${example}
  --seconds N  how long, at most 86400. Default: 60
  --port N     of the status page, on 127.0.0.1. Default: one that is free
  --help       this text

Without environment it plays against an emulator on this machine. With
LINE_CHANNEL_ID and LINE_CHANNEL_SECRET it uses LINE, with LINE_KEY_ID and
LINE_PRIVATE_KEY for a v2.1 token as well; it pushes to LINE_USER_ID if set.

In the table, [===-|---] is a token's lifetime: = is what has passed, | where
the next attempt is due, ] the expiry.`

/** What the command line asks for. */
export const parseArguments = (
  args: ReadonlyArray<string>
): Effect.Effect<{ readonly help: boolean; readonly seconds: number; readonly port: number }, BadArguments> =>
  Effect.try({
    try: () => parseArgs({ args: [...args], options }).values,
    catch: (error) =>
      bad(
        String(error instanceof Error ? error.message : error)
          .replaceAll("\n", " ")
          .replace(/\.+$/, "")
      )
  }).pipe(
    Effect.map(({ help, port, seconds }) => ({
      help,
      seconds: Number(seconds),
      port: port === "" ? -1 : Number(port)
    })),
    Effect.filterOrFail(
      ({ seconds }) => seconds > 0 && seconds <= 86_400,
      () => bad("--seconds takes a number of more than 0, at most 86400")
    ),
    Effect.filterOrFail(
      ({ port }) => Number.isInteger(port) && port >= 0 && port <= 65_535,
      () => bad("--port takes a whole number of at most 65535")
    )
  )

const options = {
  seconds: { type: "string", default: "60" },
  port: { type: "string", default: "0" },
  help: { type: "boolean", short: "h", default: false }
} as const

const bad = (message: string) => new BadArguments({ message: `${message}. Usage: ${example}` })
