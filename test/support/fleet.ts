import { spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { Effect } from "effect"
import { inject } from "vitest"

/** What a member says. */
export interface Said {
  readonly name: string
  readonly at: number
  /** Tells tokens apart. */
  readonly token?: string
  readonly generation?: number
  readonly sharing?: "shared" | "local"
  readonly failed?: string
  readonly refreshed?: boolean
  readonly log?: string
}

/** Makes an encryption key in base64. */
export const makeKey = (): string => randomBytes(32).toString("base64")

/** Starts processes of `test/processes/member.ts`, which are killed when the scope closes. */
export const startFleet = (names: ReadonlyArray<string>, env: Readonly<Record<string, string>>) =>
  Effect.map(
    Effect.forEach(names, (name) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          const said: Array<Said> = []
          const program = join(inject("bundles"), "test/processes/member.js")
          const child = spawn(process.execPath, [program], { env: { ...process.env, ...env, MEMBER: name } })
          createInterface(child.stdout).on("line", (line) => said.push({ ...JSON.parse(line), at: Date.now() }))
          let stderr = ""
          child.stderr.on("data", (text) => {
            stderr += text
          })
          return {
            name,
            said,
            stderr: () => stderr,
            signal: (signal: NodeJS.Signals) => void child.kill(signal),
            refresh: () => void child.stdin.write("refresh\n"),
            /** The last token it has seen. */
            token: () => said.findLast(({ token }) => token !== undefined)?.token,
            sharing: () => said.findLast(({ token }) => token !== undefined)?.sharing
          }
        }),
        ({ signal }) =>
          Effect.sync(() => {
            signal("SIGCONT")
            signal("SIGKILL")
          })
      )
    ),
    (members) => ({
      members,
      /** The one token that all of these have, if there is one. */
      sharedToken: (of = members) => {
        const tokens = new Set(of.map((member) => member.token()))
        return tokens.size === 1 ? [...tokens][0] : undefined
      },
      /** The reads that have failed, from an instant on. */
      failures: (since = 0) =>
        members.flatMap(({ said }) =>
          said.flatMap(({ at, failed, name }) => (failed === undefined || at < since ? [] : [`${name}: ${failed}`]))
        ),
      stderr: () => members.map((member) => member.stderr()).join("")
    })
  )

export type Fleet = Effect.Effect.Success<ReturnType<typeof startFleet>>
