import { spawnSync } from "node:child_process"
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Effect, Layer, TestClock, TestContext } from "effect"
import { IssuedToken, StatusPage, TokenCache, TokenMetrics, TokenStore } from "effect-token-cache"
import { assert, describe } from "vitest"
import { answer, type Behaviour, die, fail, hang, run, scripted, succeed } from "./support/issuer.js"
import { quiet } from "./support/logs.js"
import * as MemoryBackend from "./support/memoryBackend.js"
import { itWith } from "./support/parts.js"
import { parse } from "./support/prometheusText.js"
import { key, processWith } from "./support/sharing.js"

const promtool = (args: ReadonlyArray<string>, options: { readonly input?: string; readonly cwd?: string } = {}) => {
  const { status, stderr, stdout } = spawnSync("promtool", args, { encoding: "utf8", ...options })
  return { status, output: `${stdout}${stderr}` }
}

const docs = fileURLToPath(new URL("../docs/", import.meta.url))

const hostile = 'a "quoted"\\name with {labels="x"} # HELP, é and 漢字'

const issuer = (behaviour: Behaviour) => ({ issue: scripted(behaviour).issue })

/** What is written to the store by another process, which is at it when this one starts. */
const Store = Layer.unwrapScoped(
  Effect.gen(function* () {
    const store = TokenStore.layer(yield* MemoryBackend.make, { encryption: [key] })
    const slow = run(
      Effect.delay(
        Effect.sync(() => IssuedToken.make({ accessToken: "theirs", expiresIn: "1 hour" })),
        "1 second"
      )
    )
    yield* processWith(
      {
        shared: { ...issuer(slow), identity: { client: "app" } },
        waiting: { ...issuer(hang), identity: { client: "app" } }
      },
      store
    )
    yield* TestClock.adjust("1 millis")
    return store
  })
)

/** `/metrics` with each metric, trigger and outcome, and a name that is not plain. */
const everything = Effect.gen(function* () {
  const handler = yield* StatusPage.toWebHandler()
  const first = yield* TokenCache.token("a")
  yield* TokenCache.refresh("a")
  yield* TokenCache.invalidate("a", first)
  const second = yield* TokenCache.token("a")
  yield* TokenCache.invalidate("a", second)
  yield* TokenCache.invalidate("a", yield* TokenCache.token("a"))
  yield* TestClock.adjust("1 minute")
  const response = yield* Effect.promise(() => handler(new Request("http://status.test/metrics")))
  return yield* Effect.promise(() => response.text())
}).pipe(
  Effect.scoped,
  Effect.provide(
    TokenMetrics.layer().pipe(
      Layer.provideMerge(
        TokenCache.layer({
          a: issuer(succeed("1 hour")),
          [hostile]: { ...issuer(succeed("1 hour")), issuer: hostile },
          unreachable: issuer(fail()),
          rejected: issuer(fail({ reason: "Rejected" })),
          throttled: issuer(fail({ reason: "Throttled" })),
          invalid: issuer(answer(undefined)),
          hanging: { ...issuer(hang), issueTimeout: "10 seconds" },
          dying: issuer(die),
          shared: { ...issuer(die), identity: { client: "app" } },
          waiting: { ...issuer(succeed("1 hour")), identity: { client: "app" } }
        })
      ),
      Layer.provide(Store)
    )
  ),
  Effect.tagMetrics("service.name", hostile),
  Effect.provide(quiet),
  Effect.provide(TestContext.TestContext)
)

const promtoolTest = itWith("promtool")

describe("promtool check metrics", () => {
  promtoolTest("accepts the text of a cache that has seen every metric", async () => {
    const text = await Effect.runPromise(everything)
    assert.deepStrictEqual(promtool(["check", "metrics"], { input: text }), { status: 0, output: "" })
    const families = parse(text)
    assert.deepStrictEqual(families.map(({ name, type }) => `${name} ${type}`).sort(), [
      "token_cache_lease_given_up_total counter",
      "token_cache_lease_wait_seconds histogram",
      "token_cache_reads_total counter",
      "token_cache_refresh_consecutive_failures gauge",
      "token_cache_refresh_duration_seconds histogram",
      "token_cache_refresh_total counter",
      "token_cache_store_operation_total counter",
      "token_cache_token_expiration_timestamp_seconds gauge",
      "token_cache_token_issued_timestamp_seconds gauge",
      "token_cache_token_ready gauge",
      "token_cache_token_refresh_timestamp_seconds gauge",
      "token_cache_unauthorized_total counter"
    ])
    const values = (label: string) =>
      [...new Set(families.flatMap(({ samples }) => samples.flatMap(({ labels }) => labels[label] ?? [])))].sort()
    assert.deepStrictEqual(values("outcome"), [
      "defect",
      "invalid_response",
      "rejected",
      "success",
      "throttled",
      "timeout",
      "unreachable"
    ])
    assert.includeMembers([...values("token")], [hostile])
    assert.deepStrictEqual(values("issuer"), [hostile])
    assert.deepStrictEqual(values("service_name"), [hostile])
  })

  promtoolTest("refuses the same with a name that Prometheus advises against", async () => {
    const text = (await Effect.runPromise(everything)).replaceAll("_total", "")
    assert.notStrictEqual(promtool(["check", "metrics"], { input: text }).status, 0)
  })
})

describe("promtool test rules", () => {
  const rules = readFileSync(join(docs, "alerts.yml"), "utf8")
  const alerts = Array.from(rules.matchAll(/- alert: (\w+)/g), ([, name = ""]) => name)

  /** The tests of docs, with these rules. */
  const testRules = (text: string) => {
    const directory = mkdtempSync(join(tmpdir(), "alerts-"))
    try {
      copyFileSync(join(docs, "alerts.test.yml"), join(directory, "alerts.test.yml"))
      writeFileSync(join(directory, "alerts.yml"), text)
      assert.strictEqual(promtool(["check", "rules", "alerts.yml"], { cwd: directory }).status, 0)
      return promtool(["test", "rules", "alerts.test.yml"], { cwd: directory })
    } finally {
      rmSync(directory, { recursive: true })
    }
  }

  const withExpression = (alert: string, expression: string) =>
    rules.replace(new RegExp(`(- alert: ${alert}\n +expr: )[\\s\\S]*?(?=\n +(?:for|labels):)`), `$1${expression}`)

  promtoolTest("fires each alert as meant, and not otherwise", async () => {
    assert.deepStrictEqual(alerts, [
      "AccessTokenExpiringSoon",
      "AccessTokenNotReady",
      "AccessTokenRefreshFailing",
      "AccessTokenIssueStorm",
      "TokenCacheMetricsAbsent"
    ])
    const { output, status } = testRules(rules)
    assert.strictEqual(status, 0, output)
  })

  for (const alert of alerts) {
    promtoolTest(`finds that ${alert} fires never, or always`, async () => {
      for (const expression of ["vector(1) > 2", "vector(1)"]) {
        const changed = withExpression(alert, expression)
        assert.notStrictEqual(changed, rules)
        const { output, status } = testRules(changed)
        assert.notStrictEqual(status, 0)
        assert.include(output, alert)
      }
    })
  }
})

describe("docs/metrics.md", () => {
  const text = readFileSync(join(docs, "metrics.md"), "utf8")

  promtoolTest("has queries that can be parsed, of metrics that there are", async () => {
    const queries = Array.from(text.matchAll(/```promql\n([\s\S]*?)```/g), ([, query = ""]) => query)
    assert.isAtLeast(queries.length, 7)
    // JSON is YAML.
    const rules = queries.map((expr, index) => ({ record: `q${index}`, expr }))
    const { output, status } = check({ groups: [{ name: "queries", rules }] })
    assert.strictEqual(status, 0, output)
    const metrics = await names()
    for (const query of queries) {
      for (const [name] of query.matchAll(/token_cache_\w+/g)) {
        assert.include(metrics, name.replace(/_bucket$/, ""))
      }
    }
  })

  promtoolTest("has each metric with its type and labels, and each alert", async () => {
    const families = parse(await Effect.runPromise(everything))
    const rows = Array.from(
      text.matchAll(/^\| `(token_cache_\w+)` \| (\w+) \| ([^|]+) \| [^|]+ \| ([^|]*)\|$/gm),
      ([, name, type, labels = "", alerts = ""]) => ({ name, type, labels: inCode(labels), alerts: inCode(alerts) })
    )
    const ofCache = (label: string) => label !== "service_name" && label !== "le"
    assert.deepStrictEqual(
      rows.map(({ labels, name, type }) => ({ name, type, labels: [...labels].sort() })).sort(byName),
      families
        .map(({ name, samples, type }) => ({
          name,
          type,
          labels: [...new Set(samples.flatMap(({ labels }) => Object.keys(labels)))].filter(ofCache).sort()
        }))
        .sort(byName)
    )
    const rules = readFileSync(join(docs, "alerts.yml"), "utf8")
    const alerts = Array.from(rules.matchAll(/- alert: (\w+)/g), ([, name = ""]) => name)
    assert.deepStrictEqual([...new Set(rows.flatMap(({ alerts }) => alerts))].sort(), [...alerts].sort())
    for (const alert of alerts) {
      assert.include(text, `\n| \`${alert}\` |`)
    }
  })

  const inCode = (cell: string) => Array.from(cell.matchAll(/`([^`]+)`/g), ([, code = ""]) => code)

  const byName = (a: { readonly name?: string | undefined }, b: { readonly name?: string | undefined }) =>
    String(a.name) < String(b.name) ? -1 : 1

  const names = async () => parse(await Effect.runPromise(everything)).map(({ name }) => name)

  const check = (rules: unknown) => {
    const directory = mkdtempSync(join(tmpdir(), "queries-"))
    try {
      writeFileSync(join(directory, "queries.yml"), JSON.stringify(rules))
      return promtool(["check", "rules", "queries.yml"], { cwd: directory })
    } finally {
      rmSync(directory, { recursive: true })
    }
  }
})
