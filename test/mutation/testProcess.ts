import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { Order, Outcome } from "./protocol.js"

/** Where the tests run: a process that is started when it is needed, and again when a mutant has brought it down. */
export interface TestProcess {
  /** Runs tests. Whatever happens to the process meanwhile is a failure. */
  readonly run: (order: Order) => Promise<Outcome>
  /** Ends the process, so that the next tests load all modules again. */
  readonly restart: () => void
}

/** For a loop that the mutant's own code is not in: nothing else keeps the process from answering. */
const longestRun = 300_000

export const make = (): TestProcess => {
  let running: ChildProcess | undefined

  const restart = () => {
    running?.removeAllListeners()
    running?.kill("SIGKILL")
    running = undefined
  }

  const start = () => {
    const child = fork(fileURLToPath(new URL("worker.ts", import.meta.url)), {
      execArgv: ["--import", "tsx", "--max-old-space-size=1500"],
      // A mutant may break what the library logs to the console.
      stdio: ["ignore", "ignore", "inherit", "ipc"]
    })
    running = child
    return new Promise<ChildProcess>((resolve, reject) => {
      child.once("message", () => resolve(child))
      child.once("exit", () => reject(new Error("the tests could not be started")))
    })
  }

  const run = async (order: Order): Promise<Outcome> => {
    const child = running ?? (await start())
    return new Promise<Outcome>((resolve) => {
      const breakOff = (what: string) => {
        restart()
        resolve({ failure: { file: undefined, what }, tests: [] })
      }
      const timer = setTimeout(() => breakOff("no answer"), longestRun)
      child.removeAllListeners()
      child.once("message", (outcome: Outcome) => {
        clearTimeout(timer)
        if (outcome.failure !== undefined && outcome.failure.file === undefined) {
          restart()
        }
        resolve(outcome)
      })
      child.once("exit", () => {
        clearTimeout(timer)
        breakOff("the process ended")
      })
      child.send(order)
    })
  }

  return { run, restart }
}
