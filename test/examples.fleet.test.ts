import { randomUUID } from "node:crypto"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { connect } from "node:net"
import { assert, describe, it } from "vitest"
import { itWith } from "./support/parts.js"
import { controlCharacters, runProcess, startProcess } from "./support/process.js"

const itWithRedis = itWith("redis-server")

/** The processes that have this in their environment, where `/proc` tells. */
const processesWith = (mark: string): ReadonlyArray<string> =>
  !existsSync("/proc/self/environ")
    ? []
    : readdirSync("/proc").filter((pid) => {
        try {
          return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, "utf8").includes(mark)
        } catch {
          return false
        }
      })

const isRefused = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1")
    socket.on("error", () => resolve(true))
    socket.on("connect", () => resolve(socket.destroy() === undefined))
  })

const numbers = (stdout: string) => {
  const number = (pattern: RegExp) => Number(pattern.exec(stdout)?.[1])
  return {
    tokens: number(/^(\d+) tokens from/m),
    issues: number(/tokens from (\d+) issues/),
    without: number(/^without a store .*: (\d+) issues$/m),
    reads: number(/^(\d+) reads/m),
    failedReads: number(/reads, (\d+) failed$/m)
  }
}

describe("npm run example:fleet", () => {
  itWithRedis("loses one issue with the process that is killed, fails no read, and leaves nothing behind", async () => {
    const mark = randomUUID()
    const { code, stderr, stdout } = await runProcess("examples/fleet.ts", {
      args: ["--seconds", "14"],
      env: { FLEET: mark }
    })
    assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
    assert.notMatch(stdout, controlCharacters)
    const start = stdout.slice(0, stdout.indexOf("all have one"))
    assert.lengthOf(start.match(/token 1, issued here, shared/g) ?? [], 1)
    assert.lengthOf(start.match(/token 1, taken over, shared/g) ?? [], 4)
    const [, victim = ""] = /(bot-\d) is killed \(SIGKILL\) while it issues/.exec(stdout) ?? []
    const afterwards = stdout.slice(stdout.indexOf("is killed"))
    assert.match(afterwards, /bot-\d {2}token \d+, issued here, shared/)
    assert.match(afterwards, /bot-\d {2}token \d+, taken over, shared/)
    assert.notMatch(afterwards, new RegExp(`s {2}${victim} `))
    assert.include(stdout, `one of them lost with ${victim}`)
    const { failedReads, issues, reads, tokens, without } = numbers(stdout)
    assert.strictEqual(issues, tokens + 1)
    assert.isAbove(without, issues)
    assert.isAbove(reads, 1000)
    assert.strictEqual(failedReads, 0)
    // The v2.1 tokens and the assertions look like JWTs.
    assert.notInclude(stdout, "eyJ")
    assert.deepStrictEqual(processesWith(mark), [])
    assert.isTrue(await isRefused(Number(/^redis-server on port (\d+)/.exec(stdout)?.[1])))
  })

  itWithRedis("ends on Ctrl-C with its summary and 0, and leaves nothing behind", async () => {
    const mark = randomUUID()
    const { child, ended, shows } = startProcess("examples/fleet.ts", { env: { FLEET: mark } })
    await shows("issued here")
    child.kill("SIGINT")
    const { code, stdout } = await ended
    assert.strictEqual(code, 0)
    assert.match(stdout, /\d+ reads, \d+ failed\n$/)
    assert.deepStrictEqual(processesWith(mark), [])
  })

  it("says in one line that redis-server is not installed, and exits with 1", async () => {
    const { code, stderr, stdout } = await runProcess("examples/fleet.ts", { env: { PATH: "" } })
    assert.deepStrictEqual(
      { code, stderr, stdout },
      { code: 1, stderr: "redis-server cannot be started: is it installed?\n", stdout: "" }
    )
  })

  it("refuses seconds that are no number, and exits with 1", async () => {
    const { code, stderr } = await runProcess("examples/fleet.ts", { args: ["--seconds", "soon"] })
    assert.strictEqual(code, 1)
    assert.match(stderr, /^--seconds takes a number[^\n]*\n$/)
  })
})
