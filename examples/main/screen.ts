import { Context, Effect, Layer } from "effect"

/** Lines that scroll by, and on a terminal a table below them that is drawn in place. */
export class Screen extends Context.Tag("examples/Screen")<
  Screen,
  {
    readonly isTerminal: boolean
    readonly width: number
    readonly line: (text: string) => Effect.Effect<void>
    readonly table: (lines: ReadonlyArray<string>) => Effect.Effect<void>
  }
>() {}

export const layer = Layer.sync(Screen, () => {
  const { stdout } = process
  const isTerminal = stdout.isTTY === true
  let drawn: ReadonlyArray<string> = []
  const erase = () => (drawn.length === 0 ? "" : `\u001b[${drawn.length}A\u001b[J`)
  const print = (lines: ReadonlyArray<string>) => lines.map((line) => `${line}\n`).join("")
  return {
    isTerminal,
    get width() {
      return isTerminal ? (stdout.columns ?? 80) : 200
    },
    line: (text) =>
      Effect.sync(() => {
        stdout.write(isTerminal ? erase() + print([text.slice(0, stdout.columns), ...drawn]) : print([text]))
      }),
    table: (lines) =>
      Effect.sync(() => {
        stdout.write(erase() + print(lines))
        drawn = isTerminal ? lines : []
      })
  }
})
