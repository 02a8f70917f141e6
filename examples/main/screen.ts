import { stripVTControlCharacters } from "node:util"
import { Context, Deferred, Effect, Layer } from "effect"

/** Lines that scroll by, and on a terminal a table below them that is drawn in place. */
export class Screen extends Context.Tag("examples/Screen")<
  Screen,
  {
    readonly isTerminal: boolean
    /** Not with NO_COLOR, and never where it is not a terminal. */
    readonly hasColors: boolean
    readonly width: number
    readonly line: (text: string) => Effect.Effect<void>
    readonly table: (lines: ReadonlyArray<string>) => Effect.Effect<void>
    /** Waits until nobody reads any more, as with `npm start | head`. */
    readonly closed: Effect.Effect<void>
  }
>() {}

export const layer = Layer.effect(
  Screen,
  Effect.gen(function* () {
    const { stdout } = process
    const isTerminal = stdout.isTTY === true && process.env.TERM !== "dumb"
    const closed = yield* Deferred.make<void>()
    // Without a listener the first write to a closed pipe ends the process, with a stack trace.
    stdout.on("error", () => Deferred.unsafeDone(closed, Effect.void))

    // Some pseudo-terminals say that they have no columns.
    const columns = () => stdout.columns || 80
    let drawn: ReadonlyArray<string> = []
    // A line takes several rows once the terminal has become narrower than it.
    const rows = (line: string) => Math.max(1, Math.ceil(stripVTControlCharacters(line).length / columns()))
    const erase = () =>
      drawn.length === 0 ? "" : `\r\u001b[${drawn.reduce((sum, line) => sum + rows(line), 0)}A\u001b[J`
    const print = (lines: ReadonlyArray<string>) => lines.map((line) => `${line}\n`).join("")
    return {
      isTerminal,
      hasColors: isTerminal && stdout.hasColors(),
      get width() {
        return isTerminal ? columns() : 200
      },
      line: (text) => Effect.sync(() => stdout.write(erase() + print([text, ...drawn]))),
      table: (lines) =>
        Effect.sync(() => {
          stdout.write(erase() + print(lines))
          drawn = isTerminal ? lines : []
        }),
      closed: Deferred.await(closed)
    }
  })
)
