import { assert } from "vitest"
import { itWith } from "./support/parts.js"
import { runProcess } from "./support/process.js"

itWith("faketime")(
  "a 30-day token is refreshed after 27 days, by real timers on a clock that runs 100,000 times as fast",
  async () => {
    const wrapper = ["faketime", "-f", "+0 x100000"]
    const { code, stderr, stdout } = await runProcess("test/processes/thirtyDays.ts", { wrapper })
    assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
    // Nobody reads it meanwhile: without a timer there would be one issue for ever. A stall of a second is a day here.
    const [, days] = /^2 issues, (\d+) days\n$/.exec(stdout) ?? []
    assert.isAtLeast(Number(days), 27, stdout)
  }
)
