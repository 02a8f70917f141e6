import type { History } from "./history.js"
import { make } from "./history.js"
import { run } from "./run.js"

const failureOf = async (history: History): Promise<string | undefined> => {
  const { stackTraceLimit } = Error
  try {
    // Nobody looks at the stacks of the many errors that issuers fail with, and they take time.
    Error.stackTraceLimit = 0
    await run(history)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

/** Leaves out what a history fails without: first half of the commands at a time, in the end each of them. */
const shrink = async (history: History): Promise<History> => {
  let smallest = history
  for (let size = Math.ceil(history.commands.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < smallest.commands.length; ) {
      const commands = smallest.commands.filter((_, index) => index < at || index >= at + size)
      const candidate = { ...smallest, commands }
      if ((await failureOf(candidate)) === undefined) at += size
      else smallest = candidate
    }
  }
  return smallest
}

/** Says in which history of a seed the cache and the model differ, if they do. */
export const find = async (seed: number): Promise<string | undefined> => {
  const history = make(seed)
  if ((await failureOf(history)) === undefined) return undefined
  const { commands, ...options } = await shrink(history)
  return [
    `MODEL_SEED=${seed} npm run test:model`,
    JSON.stringify(options),
    ...commands.map((command) => JSON.stringify(command)),
    (await failureOf({ ...options, commands })) ?? "It failed once only."
  ].join("\n")
}
