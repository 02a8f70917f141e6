import { spawn } from "node:child_process"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { inject } from "vitest"

const root = fileURLToPath(new URL("../..", import.meta.url))

export interface ProcessOptions {
  readonly args?: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
  readonly nodeOptions?: ReadonlyArray<string>
  /** What the process is started with, for example `faketime`. */
  readonly wrapper?: ReadonlyArray<string>
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  /** What the process has written to descriptor 3, which is none of its own. */
  readonly aside: string
}

/** In milliseconds: a little less than a test may take, so that what a process that hangs has written is seen. */
const hangs = 170_000

/** Starts a program of `setup/bundles.ts`, by the name of its source, in a Node process of its own. */
export const startProcess = (
  file: string,
  { args = [], env = {}, nodeOptions = [], wrapper = [] }: ProcessOptions = {}
) => {
  const bundle = join(inject("bundles"), file.replace(/\.ts$/, ".js"))
  const [program = process.execPath, ...rest] = [...wrapper, process.execPath, ...nodeOptions, bundle, ...args]
  const child = spawn(program, rest, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "pipe", "pipe"]
  })
  const output = { stdout: "", stderr: "", aside: "" }
  for (const [descriptor, name] of [
    [1, "stdout"],
    [2, "stderr"],
    [3, "aside"]
  ] as const) {
    child.stdio[descriptor]?.on("data", (chunk) => {
      output[name] += chunk
    })
  }
  const timer = setTimeout(() => child.kill("SIGKILL"), hangs)
  const ended = new Promise<Ended>((resolve) =>
    child.on("close", (code, signal) => {
      clearTimeout(timer)
      resolve({ code, signal, ...output })
    })
  )
  return {
    child,
    /** So far. */
    output: output as Readonly<typeof output>,
    /** Waits until the process has written this to stdout, or has ended. */
    shows: async (text: string | RegExp): Promise<void> => {
      const isShown = () => (typeof text === "string" ? output.stdout.includes(text) : text.test(output.stdout))
      while (!isShown() && child.exitCode === null && child.signalCode === null) {
        await sleep(20)
      }
    },
    ended
  }
}

/** The same, and waits for it to end. */
export const runProcess = (file: string, options?: ProcessOptions): Promise<Ended> => startProcess(file, options).ended

/** Everything but printable text and line breaks. */
export const controlCharacters = /[^\P{Cc}\n]/u
