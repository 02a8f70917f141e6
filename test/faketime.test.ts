import { spawnSync } from "node:child_process"
import { assert, it } from "vitest"
import { runProcess } from "./support/process.js"

const found = spawnSync("faketime", ["--version"]).error === undefined

if (!found && process.env.REQUIRE_PARTS === undefined) {
  console.warn("faketime is not installed: the test of a 30-day token under the real clock is skipped")
}

it.runIf(found || process.env.REQUIRE_PARTS !== undefined)(
  "a 30-day token is refreshed after 27 days, by real timers on a clock that runs 200,000 times as fast",
  { timeout: 60_000 },
  async () => {
    const wrapper = ["faketime", "-f", "+0 x200000"]
    const { code, stderr, stdout } = await runProcess("test/processes/thirtyDays.ts", { wrapper, timeout: 50_000 })
    assert.deepStrictEqual({ code, stderr, stdout }, { code: 0, stderr: "", stdout: "2 issues, 27 days\n" })
  }
)
