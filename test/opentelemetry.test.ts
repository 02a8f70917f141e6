import { readFileSync } from "node:fs"
import { assert, beforeAll, describe, it } from "vitest"
import { runProcess } from "./support/process.js"

describe("the recipe opentelemetry", () => {
  let stdout = ""

  beforeAll(async () => {
    const result = await runProcess("examples/opentelemetry.ts")
    assert.deepStrictEqual({ code: result.code, stderr: result.stderr }, { code: 0, stderr: "" })
    stdout = result.stdout
  })

  it("has less than 60 lines", () => {
    const text = readFileSync(new URL("../examples/opentelemetry.ts", import.meta.url), "utf8")
    assert.isTrue(text.trimEnd().split("\n").length < 60)
  })

  it("gets a span of each attempt and of each push, with its attributes", () => {
    const spans = Array.from(
      stdout.matchAll(/^(TokenCache|LineMessaging)\.(\w+) (.*)$/gm),
      ([, module, name, text = ""]) => [`${module}.${name}`, JSON.parse(text)]
    )
    const attempt = (trigger: string, outcome: string) => [
      "TokenCache.refresh",
      {
        "token_cache.token": "line",
        "token_cache.issuer": "line stateless",
        "token_cache.trigger": trigger,
        "token_cache.outcome": outcome
      }
    ]
    const push = ["LineMessaging.push", { "token_cache.token": "line" }]
    assert.deepStrictEqual(spans, [
      attempt("startup", "success"),
      push,
      attempt("unauthorized", "success"),
      push,
      attempt("manual", "unreachable")
    ])
  })

  it("gets each metric, counters with the ending _total", () => {
    const names = Array.from(stdout.matchAll(/^(token_cache_\w+)\{/gm), ([, name]) => name)
    assert.deepStrictEqual([...new Set(names)].sort(), [
      "token_cache_reads_total",
      "token_cache_refresh_consecutive_failures",
      "token_cache_refresh_duration_seconds_count",
      "token_cache_refresh_duration_seconds_sum",
      "token_cache_refresh_total",
      "token_cache_token_expiration_timestamp_seconds",
      "token_cache_token_issued_timestamp_seconds",
      "token_cache_token_ready",
      "token_cache_token_refresh_timestamp_seconds",
      "token_cache_unauthorized_total"
    ])
    const unreachable =
      'token_cache_refresh_total{token="line",issuer="line stateless",trigger="manual",outcome="unreachable"'
    assert.match(stdout, new RegExp(`^${unreachable.replaceAll(/[{]/g, "\\{")}.*\\} 1$`, "m"))
  })
})
