import { type ChildProcess, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** Starts a script of `test/processes` in a Node process of its own. */
export const startProcess = (script: string, command: ReadonlyArray<string> = []): ChildProcess => {
  const [program, ...args] = [...command, process.execPath, "--import", "tsx", `test/processes/${script}`]
  return spawn(program!, args, { cwd: root, stdio: ["pipe", "pipe", "pipe"] })
}

/** Runs a script to its end, and kills it if it has none within 15 seconds. */
export const runProcess = async (script: string, command: ReadonlyArray<string> = [], timeout = 15_000) => {
  const child = startProcess(script, command)
  let stdout = ""
  let stderr = ""
  child.stdout?.on("data", (chunk) => {
    stdout += chunk
  })
  child.stderr?.on("data", (chunk) => {
    stderr += chunk
  })
  const timer = setTimeout(() => child.kill("SIGKILL"), timeout)
  const [code, signal] = await new Promise<readonly [number | null, NodeJS.Signals | null]>((resolve) =>
    child.on("close", (code, signal) => resolve([code, signal]))
  )
  clearTimeout(timer)
  return { code, signal, stdout, stderr }
}
