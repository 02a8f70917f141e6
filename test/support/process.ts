import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))

export interface ProcessOptions {
  readonly args?: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
  readonly nodeOptions?: ReadonlyArray<string>
  /** In milliseconds. Default: 50 seconds, for what hangs. */
  readonly timeout?: number
  /** What the process is started with, for example `faketime`. */
  readonly wrapper?: ReadonlyArray<string>
}

/** Starts a TypeScript file of this repository in a Node process of its own. */
export const startProcess = (
  file: string,
  { args = [], env = {}, nodeOptions = [], wrapper = [] }: ProcessOptions = {}
) => {
  const [program = process.execPath, ...rest] = [
    ...wrapper,
    process.execPath,
    ...nodeOptions,
    "--import",
    "tsx",
    file,
    ...args
  ]
  return spawn(program, rest, { cwd: root, env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"] })
}

/** Waits for a process to end, and kills it if it does not in time. */
export const ended = async (child: ChildProcessWithoutNullStreams, timeout = 50_000) => {
  let stdout = ""
  let stderr = ""
  child.stdout.on("data", (chunk) => {
    stdout += chunk
  })
  child.stderr.on("data", (chunk) => {
    stderr += chunk
  })
  const timer = setTimeout(() => child.kill("SIGKILL"), timeout)
  const [code, signal] = await new Promise<readonly [number | null, NodeJS.Signals | null]>((resolve) =>
    child.on("close", (code, signal) => resolve([code, signal]))
  )
  clearTimeout(timer)
  return { code, signal, stdout, stderr }
}

export const runProcess = (file: string, options?: ProcessOptions) =>
  ended(startProcess(file, options), options?.timeout)
