import { setTimeout as sleep } from "node:timers/promises"
import { assert, describe, it } from "vitest"
import { runProcess, startProcess } from "./support/process.js"

describe("closing the layer", () => {
  it("lets a process exit by itself", async () => {
    const { code, signal, stdout } = await runProcess("test/processes/exits.ts")
    assert.deepStrictEqual({ code, signal, stdout }, { code: 0, signal: null, stdout: "token-1\n" })
  })
})

describe("a tenant that nobody reads", () => {
  it("gives its memory back", async () => {
    const { code, stderr, stdout } = await runProcess("test/processes/idleTenants.ts", {
      nodeOptions: ["--expose-gc"]
    })
    assert.strictEqual(code, 0, stderr)
    const { full, held, left } = JSON.parse(stdout)
    assert.strictEqual(full, 10_000)
    assert.isAbove(held, 4_000_000)
    assert.isBelow(left, held / 5)
  })
})

describe("a failure is not the end", () => {
  it("azure tokenCycler: a refresh in the background that fails past the expiry does not end the process", async () => {
    const { code, stderr, stdout } = await runProcess("test/processes/failsPastExpiry.ts")
    assert.strictEqual(stderr, "")
    assert.strictEqual(code, 0)
    assert.match(stdout, /IssueFailed after failed attempts\n$/)
  })
})

describe("a process suspended past expiry", () => {
  it("gives out no expired token, then a fresh one", async () => {
    const { child, output, shows } = startProcess("test/processes/suspended.ts")
    const lines = () => output.stdout.split("\n").slice(0, -1)
    try {
      await shows("\n")
      assert.strictEqual(lines()[0], "token-1")
      child.kill("SIGSTOP")
      await sleep(4000)
      // On a busy machine it may have got the next token of 3 seconds before it was stopped.
      const seen = lines().length
      child.kill("SIGCONT")
      await shows(new RegExp(`^(.*\n){${seen + 1}}`))
      // The very next read after the process goes on: the token has expired meanwhile.
      assert.strictEqual(lines()[seen], `token-${seen + 1}`)
    } finally {
      child.kill("SIGKILL")
    }
  })
})
