import { spawnSync } from "node:child_process"
import { assert, it } from "vitest"
import { runProcess } from "./support/process.js"

const found = spawnSync("faketime", ["--version"]).error === undefined

if (!found && process.env.REQUIRE_PARTS === undefined) {
  console.warn("faketime is not installed: the test of a 30-day token under the real clock is skipped")
}

it.runIf(found || process.env.REQUIRE_PARTS !== undefined)(
  "a 30-day token is refreshed after 27 days, by real timers on a clock that runs 100,000 times as fast",
  // At this speed a stall of the machine of 2 seconds is more than 2 days: that alone may be tried again.
  { timeout: 60_000, retry: 2 },
  async () => {
    const wrapper = ["faketime", "-f", "+0 x100000"]
    const { code, stderr, stdout } = await runProcess("test/processes/thirtyDays.ts", { wrapper, timeout: 50_000 })
    assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
    // Without its timer the token would be issued anew only when a reader finds it expired, at 30 days.
    assert.match(stdout, /^2 issues, (27|28) days\n$/)
  }
)
