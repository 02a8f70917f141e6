import { spawn } from "node:child_process"
import { once } from "node:events"
import { type AddressInfo, connect, createServer } from "node:net"
import { assert, describe, it } from "vitest"
import { runProcess, startProcess } from "./support/process.js"

const main = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
  runProcess("examples/main.ts", { args, env })

describe("npm start", () => {
  it("shows the same tokens on its status page, and does not wait for who watches it", async () => {
    const address = /^status page at (\S+)$/m
    const { ended, output, shows } = startProcess("examples/main.ts", { args: ["--seconds", "6"] })
    await shows(address)
    const [, url = ""] = address.exec(output.stdout) ?? []
    const watching = (await fetch(`${url}/events`)).body!.getReader()
    // And one who never reads.
    const stuck = connect(Number(new URL(url).port), "127.0.0.1")
    stuck.on("error", () => {}).write("GET /events HTTP/1.1\r\nHost: status.test\r\n\r\n")
    const { tokens } = (await (await fetch(`${url}/status.json`)).json()) as { tokens: ReadonlyArray<{ name: string }> } // as documented
    assert.sameMembers(
      tokens.map(({ name }) => name),
      ["stateless", "v2.1"]
    )
    const { value } = await watching.read()
    assert.match(new TextDecoder().decode(value), /data-key=\\"v2\.1\\"/)
    // The program breaks it off.
    watching.closed.catch(() => {})
    const { code, stderr } = await ended
    assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
    stuck.destroy()
  })

  it("serves its status page on the port that it is told, or ends in one line where that is taken", async () => {
    const server = createServer()
    await once(server.listen(0, "127.0.0.1"), "listening")
    const { port } = server.address() as AddressInfo // it listens on a port
    const taken = await main(["--seconds", "2", "--port", String(port)])
    assert.strictEqual(taken.code, 1)
    assert.match(taken.stderr, /^[^\n]*EADDRINUSE[^\n]*\n$/)
    await once(server.close(), "close")
    const { code, stdout } = await main(["--seconds", "2", "--port", String(port)])
    assert.strictEqual(code, 0)
    assert.include(stdout, `status page at http://127.0.0.1:${port}\n`)
  })

  it("ends on Ctrl-C with its summary and 0", async () => {
    // A terminal sends the signal to npm, its shell and the program alike.
    const child = spawn("npm", ["start"], { detached: true, stdio: ["ignore", "pipe", "ignore"] })
    let stdout = ""
    const code = await new Promise((resolve) => {
      child.on("close", resolve)
      child.stdout.on("data", (text) => {
        if (!stdout.includes("pushed") && String(text).includes("pushed")) {
          setTimeout(() => process.kill(-Number(child.pid), "SIGINT"), 200)
        }
        stdout += text
      })
    })
    assert.strictEqual(code, 0)
    assert.match(stdout, /\d+ issued, .* not pushed\n$/)
  })

  const refused: ReadonlyArray<readonly [string, ReadonlyArray<string>, Record<string, string>, RegExp]> = [
    ["seconds that are no number", ["--seconds", "soon"], {}, /^--seconds takes a number/],
    ["negative seconds", ["--seconds=-1"], {}, /^--seconds takes a number/],
    ["an unknown argument", ["--minutes", "1"], {}, /--minutes.*Usage: npm start/],
    ["a channel without its secret", [], { LINE_CHANNEL_ID: "1" }, /LINE_CHANNEL_SECRET/],
    [
      "a key id without the key",
      [],
      { LINE_CHANNEL_ID: "1", LINE_CHANNEL_SECRET: "s3cr3t", LINE_KEY_ID: "key" },
      /LINE_PRIVATE_KEY/
    ]
  ]
  for (const [name, args, env, message] of refused) {
    it(`refuses ${name} in one line, and exits with 1`, async () => {
      const { code, stderr, stdout } = await main(args, env)
      assert.strictEqual(code, 1)
      assert.match(stderr, message)
      assert.strictEqual(stderr.trim().split("\n").length, 1)
      assert.notInclude(stdout + stderr, "s3cr3t")
    })
  }
})
