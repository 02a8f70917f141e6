import { assert } from "vitest"
import { itWith } from "./support/parts.js"
import { runProcess } from "./support/process.js"

itWith("faketime")(
  "a 30-day token is refreshed after 27 days, by real timers on a clock that runs 100,000 times as fast",
  // At this speed a stall of the machine of 2 seconds is more than 2 days: that alone may be tried again.
  { timeout: 60_000, retry: 2 },
  async () => {
    const wrapper = ["faketime", "-f", "+0 x100000"]
    const { code, stderr, stdout } = await runProcess("test/processes/thirtyDays.ts", { wrapper, timeout: 50_000 })
    assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
    // Nobody reads it meanwhile: without a timer there would be one issue for ever.
    assert.match(stdout, /^2 issues, (27|28) days\n$/)
  }
)
