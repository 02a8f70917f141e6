import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Scope, TestClock } from "effect"
import { StatusPage, TokenCache, TokenMetrics } from "effect-token-cache"
import { fail, scripted, succeed } from "./support/issuer.js"
import { quiet } from "./support/logs.js"
import * as MemoryBackend from "./support/memoryBackend.js"
import { fallible, processOn } from "./support/sharing.js"
import { linksOf } from "./support/statusPage.js"

const start = Date.UTC(2026, 0, 15, 12, 0, 0)

/** `/`, links and all, of a page under some prefix. */
const paths = ["/", "/status.json", "/events", "/metrics", "/health/ready", "/health/live"]

type WebHandler = (request: Request) => Promise<Response>

const ask = (handler: WebHandler, path: string, init?: RequestInit) =>
  Effect.promise(() => handler(new Request(`http://status.test${path}`, init)))

const read = (handler: WebHandler, path: string) =>
  Effect.flatMap(ask(handler, path), (response) => Effect.promise(() => response.text()))

const release = (response: Response) => Effect.promise(async () => response.body?.cancel())

const rejected = fail({
  reason: "Rejected",
  status: 401,
  code: "invalid_client",
  requestId: "r-17",
  permanent: true,
  advice: "Check CRM_CLIENT_ID."
})

/** One token, `api`, with 10 minutes to live, that is refreshed at half of that. */
const oneToken = (issuer: ReturnType<typeof scripted>) =>
  TokenCache.layer({
    api: { issue: issuer.issue, issuer: "client credentials", jitter: 0, refreshBefore: "5 minutes" }
  })

const settle = Effect.repeatN(Effect.yieldNow(), 20)

describe("StatusPage", () => {
  it.scoped("answers each path with its type, kept by nobody, embedded nowhere", () =>
    Effect.gen(function* () {
      const handler = yield* StatusPage.toWebHandler()
      yield* TokenCache.token("api")
      const answers: Array<unknown> = []
      for (const path of paths) {
        const response = yield* ask(handler, path)
        yield* release(response)
        const { headers, status } = response
        answers.push([path, status, headers.get("content-type")])
        assert.strictEqual(headers.get("cache-control"), "no-store", path)
        assert.strictEqual(headers.get("x-content-type-options"), "nosniff", path)
        assert.strictEqual(headers.get("referrer-policy"), "no-referrer", path)
        assert.include(headers.get("content-security-policy"), "default-src 'none'", path)
        assert.include(headers.get("content-security-policy"), "frame-ancestors 'none'; base-uri 'none'", path)
      }
      assert.deepStrictEqual(answers, [
        ["/", 200, "text/html; charset=utf-8"],
        ["/status.json", 200, "application/json; charset=utf-8"],
        ["/events", 200, "text/event-stream; charset=utf-8"],
        ["/metrics", 200, "text/plain; version=0.0.4; charset=utf-8"],
        ["/health/ready", 200, "application/json; charset=utf-8"],
        ["/health/live", 200, "application/json; charset=utf-8"]
      ])
    }).pipe(Effect.provide(oneToken(scripted(succeed("10 minutes")))))
  )

  it.scoped("reads only: 405 for every other method, with the headers of all answers", () =>
    Effect.gen(function* () {
      const handler = yield* StatusPage.toWebHandler()
      for (const path of paths) {
        for (const method of ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
          const { headers, status } = yield* ask(handler, path, { method })
          assert.deepStrictEqual([status, headers.get("allow")], [405, "GET, HEAD"], `${method} ${path}`)
          assert.strictEqual(headers.get("cache-control"), "no-store")
        }
      }
    }).pipe(Effect.provide(oneToken(scripted(succeed("10 minutes")))))
  )

  it.scoped("answers HEAD like GET, without a body", () =>
    Effect.gen(function* () {
      const handler = yield* StatusPage.toWebHandler({ maxEventStreams: 1 })
      for (const path of paths) {
        const get = yield* ask(handler, path)
        yield* release(get)
        // Another one: a stream is not opened by HEAD.
        for (let times = 0; times < 2; times++) {
          const head = yield* ask(handler, path, { method: "HEAD" })
          assert.strictEqual(head.status, get.status, path)
          assert.strictEqual(head.headers.get("content-type"), get.headers.get("content-type"), path)
          assert.strictEqual(yield* Effect.promise(() => head.text()), "", path)
        }
      }
    }).pipe(Effect.provide(oneToken(scripted(succeed("10 minutes")))))
  )

  it.scoped("answers 404 to any other path", () =>
    Effect.gen(function* () {
      const handler = yield* StatusPage.toWebHandler()
      for (const path of ["/nothing", "/health", "/status.json/", "//", "/toString", "/constructor", "/__proto__"]) {
        const { headers, status } = yield* ask(handler, path)
        assert.strictEqual(status, 404, path)
        assert.strictEqual(headers.get("x-content-type-options"), "nosniff")
      }
    }).pipe(Effect.provide(oneToken(scripted(succeed("10 minutes")))))
  )

  it.scoped("ignores a query", () =>
    Effect.gen(function* () {
      const handler = yield* StatusPage.toWebHandler()
      assert.strictEqual((yield* ask(handler, "/health/live?a=/nothing")).status, 200)
      assert.strictEqual((yield* ask(handler, "?a")).status, 200)
    }).pipe(Effect.provide(oneToken(scripted(succeed("10 minutes")))))
  )
})

describe("the page", () => {
  it.scoped("shows all there is to know about a token, in words", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(start)
      const issuer = scripted(succeed("10 minutes"))
      yield* Effect.gen(function* () {
        const handler = yield* StatusPage.toWebHandler({ title: "Tokens of node 3" })
        yield* settle
        yield* TokenCache.refresh("api")
        yield* TokenCache.token("api")
        issuer.becomes(rejected)
        yield* TestClock.adjust("6 minutes")
        const html = yield* read(handler, "/")
        const text = html
          .replaceAll(/<(style|script)[\s\S]*?<\/\1>/g, "")
          .replaceAll(/<[^>]*>/g, " ")
          .replaceAll(/\s+/g, " ")
        for (const part of [
          "Tokens of node 3",
          "12:06:00 UTC",
          "1 token, usable. 1 degraded",
          "api client credentials degraded issued 12:00:00 retry 12:07:27 expires 12:10:00 4m 0s",
          "retry in 1m 28s",
          " 1 1 issuer answered 401 invalid_client Check CRM_CLIENT_ID. passed",
          "01-15 12:05:00 failed api issuer answered 401 invalid_client — Check CRM_CLIENT_ID.",
          "01-15 12:00:00 issued api token 2, for 10m 0s"
        ]) {
          assert.include(text, part)
        }
        assert.include(html, "<title>1 degraded · Tokens of node 3</title>")
        // 6 of 10 minutes have passed, and the next attempt is due after half of what is left.
        assert.match(html, /class="passed" y="4" width="60.00%"/)
        assert.match(html, /class="due" x="74.58%"/)
        assert.match(html, /class="now" cx="60.00%"/)
        // Once it has expired, the next attempt is not on the bar.
        yield* TestClock.adjust("6 minutes")
        const later = yield* read(handler, "/")
        assert.match(later, /expired <time datetime="2026-01-15T12:10:00Z">/)
        assert.match(later, /retry in <span/)
        assert.notMatch(later, /class="due" x="[\d.]+%"/)
      }).pipe(Effect.provide(oneToken(issuer)))
    })
  )

  it.scoped("is complete without JavaScript, and refreshes itself", () =>
    Effect.gen(function* () {
      const handler = yield* StatusPage.toWebHandler()
      const html = yield* read(handler, "/")
      assert.include(html, `<noscript><meta http-equiv="refresh" content="10"></noscript>`)
      assert.include(html, ">api<")
    }).pipe(Effect.provide(oneToken(scripted(succeed("10 minutes")))))
  )

  it.scoped("allows its own style and script alone, by a nonce that is never the same", () =>
    Effect.gen(function* () {
      const handler = yield* StatusPage.toWebHandler()
      const nonces: Array<string> = []
      for (let times = 0; times < 20; times++) {
        const response = yield* ask(handler, "/")
        const html = yield* Effect.promise(() => response.text())
        const [, nonce = ""] = /<style nonce="([^"]+)">/.exec(html) ?? []
        assert.strictEqual(
          response.headers.get("content-security-policy"),
          `default-src 'none'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'`
        )
        assert.lengthOf(html.split(nonce), 3)
        assert.lengthOf(html.match(/<(style|script)/g) ?? [], 2)
        assert.notMatch(html, / style=| on[a-z]+=/)
        assert.strictEqual(Buffer.from(nonce, "base64").length, 16)
        nonces.push(nonce)
      }
      assert.strictEqual(new Set(nonces).size, 20)
    }).pipe(Effect.provide(oneToken(scripted(succeed("10 minutes")))))
  )

  it.scoped("shows markup in names, issuers, titles and errors as text", () =>
    Effect.gen(function* () {
      const markup = `</td><script>alert(1)</script><img src=x onerror='alert(2)'>"&amp;`
      const escaped =
        "&lt;/td&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=&#39;alert(2)&#39;&gt;&quot;&amp;amp;"
      const issuer = scripted(
        fail({ reason: "Rejected", message: markup, advice: `do ${markup}`, requestId: `id ${markup}` })
      )
      yield* Effect.gen(function* () {
        const handler = yield* StatusPage.toWebHandler({ title: markup })
        yield* settle
        yield* Effect.exit(TokenCache.refresh(markup))
        yield* settle
        const html = yield* read(handler, "/")
        assert.notInclude(html, markup)
        assert.notMatch(html, /<img|<script>/)
        // Title, heading, attribute; name and key; issuer; message and advice; the event's name, message and advice.
        assert.lengthOf(html.split(escaped), 12)
      }).pipe(Effect.provide(TokenCache.layer({ [markup]: { issue: issuer.issue, issuer: markup, jitter: 0 } })))
    })
  )

  it.scoped("cuts long texts", () =>
    Effect.gen(function* () {
      const long = "n".repeat(100_000)
      const error = fail({ reason: "Rejected", code: long, requestId: long, message: long, advice: long })
      yield* Effect.gen(function* () {
        const handler = yield* StatusPage.toWebHandler({ showNames: true })
        yield* TestClock.adjust("1 second")
        for (const path of ["/", "/status.json", "/health/ready"]) {
          const body = yield* read(handler, path)
          assert.isBelow(body.length, 40_000, path)
          assert.include(body, `${"n".repeat(199)}…`, path)
        }
      }).pipe(Effect.provide(TokenCache.layer({ [long]: { issue: scripted(error).issue, issuer: long, jitter: 0 } })))
    })
  )

  it.scoped("shows the 500 worst of many tokens, and says so", () =>
    Effect.gen(function* () {
      const failing = scripted(fail())
      const working = scripted(succeed("1 hour"))
      const sources = Object.fromEntries(
        Array.from({ length: 1200 }, (_, index) => [
          `token-${index}`,
          { issue: index % 400 === 399 ? failing.issue : working.issue, jitter: 0 }
        ])
      )
      yield* Effect.gen(function* () {
        const handler = yield* StatusPage.toWebHandler()
        yield* TestClock.adjust("1 second")
        const html = yield* read(handler, "/")
        const names = Array.from(html.matchAll(/data-key="([^"]*)"/g), ([, name]) => name)
        assert.lengthOf(names, 500)
        assert.deepStrictEqual(names.slice(0, 4), ["token-399", "token-799", "token-1199", "token-0"])
        assert.include(html, "1197 of 1200 tokens usable.")
        assert.include(html, "The 500 worst are shown.")
        assert.isBelow(html.length, 1_000_000)
        const { counts, tokens, total } = JSON.parse(yield* read(handler, "/status.json"))
        assert.deepStrictEqual(counts, { down: 3, degraded: 0, starting: 0, ready: 1197, stopped: 0 })
        assert.deepStrictEqual([total, tokens.length], [1200, 500])
      }).pipe(Effect.provide(TokenCache.layer(sources)))
    })
  )

  it.scoped("shows what the app declared, however many tenants fail", () =>
    Effect.gen(function* () {
      const handler = yield* StatusPage.toWebHandler()
      yield* Effect.forEach(
        Array.from({ length: 600 }, (_, index) => `tenant-${index}`),
        (name) => Effect.exit(TokenCache.token(name)),
        { discard: true }
      )
      yield* TokenCache.register("declared", { issue: scripted(succeed("1 hour")).issue, jitter: 0 })
      yield* TokenCache.register("failing", { issue: scripted(fail()).issue, jitter: 0 })
      yield* TestClock.adjust("1 second")
      const names = Array.from((yield* read(handler, "/")).matchAll(/data-key="([^"]*)"/g), ([, name]) => name)
      assert.lengthOf(names, 500)
      assert.deepStrictEqual([...names.slice(0, 2), names.at(-1)], ["failing", "tenant-0", "declared"])
    }).pipe(Effect.provide(TokenCache.layerLookup(() => Effect.succeed({ issue: scripted(fail()).issue, jitter: 0 }))))
  )

  it.scoped("tells long names apart that begin alike", () =>
    Effect.gen(function* () {
      const handler = yield* StatusPage.toWebHandler()
      yield* TestClock.adjust("1 second")
      const names = Array.from((yield* read(handler, "/")).matchAll(/data-key="([^"]*)"/g), ([, name]) => name)
      const name = `${"n".repeat(199)}…`
      assert.deepStrictEqual(names, [name, `${name} (2)`, `${name} (3)`])
    }).pipe(
      Effect.provide(
        TokenCache.layer(
          Object.fromEntries(
            ["a", "b", "c"].map((end) => [
              "n".repeat(300) + end,
              { issue: scripted(succeed("1 hour")).issue, jitter: 0 }
            ])
          )
        )
      )
    )
  )

  it.scoped("says whether a token is shared with other processes, or would be if the store worked", () =>
    Effect.gen(function* () {
      const { backend, state } = fallible(yield* MemoryBackend.make)
      const cache = yield* processOn(backend, scripted(succeed("1 hour")))
      const handler = yield* Effect.provideService(StatusPage.toWebHandler(), TokenCache, cache)
      yield* cache.token("line")
      assert.include(yield* read(handler, "/"), "<small>shared</small>")
      assert.include(yield* read(handler, "/status.json"), '"sharing":"shared"')
      state.failing = true
      yield* cache.refresh("line")
      assert.include(yield* read(handler, "/"), "<small>not shared: the token store fails</small>")
      assert.include(yield* read(handler, "/status.json"), '"sharing":"local"')
    }).pipe(Effect.provide(quiet))
  )

  it.scoped("remembers the last 100 events", () =>
    Effect.gen(function* () {
      const handler = yield* StatusPage.toWebHandler()
      yield* settle
      for (let times = 0; times < 130; times++) {
        yield* TokenCache.refresh("api")
        yield* TestClock.adjust("1 second")
      }
      const { events } = JSON.parse(yield* read(handler, "/status.json"))
      assert.lengthOf(events, 100)
      assert.deepStrictEqual([events[0].generation, events[99].generation], [131, 32])
      assert.lengthOf((yield* read(handler, "/")).match(/<li /g) ?? [], 100)
    }).pipe(Effect.provide(oneToken(scripted(succeed("1 hour")))))
  )
})

describe("/status.json", () => {
  it.scoped("has the statuses and events, in epoch milliseconds", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(start)
      const issuer = scripted(succeed("10 minutes"))
      yield* Effect.gen(function* () {
        const handler = yield* StatusPage.toWebHandler()
        yield* settle
        yield* TokenCache.refresh("api")
        yield* TokenCache.token("api")
        issuer.becomes(fail({ reason: "Throttled", status: 429, retryAfter: "2 minutes" }))
        yield* TestClock.adjust("6 minutes")
        const error = {
          reason: "Throttled",
          message: "issuer answered 429",
          permanent: false,
          status: 429,
          retryAfter: 120_000
        }
        assert.deepStrictEqual(JSON.parse(yield* read(handler, "/status.json")), {
          now: start + 360_000,
          total: 1,
          counts: { down: 0, degraded: 1, starting: 0, ready: 0, stopped: 0 },
          tokens: [
            {
              name: "api",
              issuer: "client credentials",
              state: "degraded",
              refreshing: false,
              issuedAt: start,
              expiresAt: start + 600_000,
              nextAttemptAt: start + 420_000,
              generation: 2,
              consecutiveFailures: 1,
              lastError: error,
              reads: 1
            }
          ],
          events: [
            { type: "IssueFailed", name: "api", at: start + 300_000, error },
            { type: "Issued", name: "api", at: start, generation: 2, expiresAt: start + 600_000 }
          ]
        })
      }).pipe(Effect.provide(oneToken(issuer)))
    })
  )
})

describe("/metrics", () => {
  it.scoped("counts from when the page is made, and has no metrics but the cache's", () =>
    Effect.gen(function* () {
      const handler = yield* StatusPage.toWebHandler()
      yield* TokenCache.token("metered")
      yield* TokenCache.refresh("metered")
      const lines = (yield* read(handler, "/metrics")).trim().split("\n")
      assert.isEmpty(lines.filter((line) => !/^(# (HELP|TYPE) )?token_cache_/.test(line)))
      assert.includeMembers(lines, [
        'token_cache_token_ready{token="metered",issuer="meter"} 1',
        'token_cache_reads_total{token="metered",result="waited"} 1',
        'token_cache_refresh_total{token="metered",issuer="meter",trigger="manual",outcome="success"} 1'
      ])
    }).pipe(
      Effect.provide(
        TokenCache.layer({ metered: { issue: scripted(succeed("10 minutes")).issue, issuer: "meter", jitter: 0 } })
      )
    )
  )

  it.scoped("counts once beside TokenMetrics.layer", () =>
    Effect.gen(function* () {
      const handler = yield* StatusPage.toWebHandler()
      yield* TokenCache.token("beside")
      const body = yield* Effect.zipRight(
        read(handler, "/metrics"),
        Effect.provide(read(handler, "/metrics"), TokenMetrics.layer())
      )
      assert.include(body, 'token_cache_refresh_total{token="beside",trigger="startup",outcome="success"} 1\n')
      assert.include(body, 'token_cache_reads_total{token="beside",result="waited"} 1\n')
    }).pipe(Effect.provide(TokenCache.layer({ beside: { issue: scripted(succeed("10 minutes")).issue, jitter: 0 } })))
  )
})

describe("the gauges", () => {
  it.scoped("end when the page closes, and stay beside TokenMetrics.layer", () =>
    Effect.gen(function* () {
      const other = yield* StatusPage.toWebHandler().pipe(Effect.provide(TokenCache.layerTest({})))
      const once = Effect.gen(function* () {
        const handler = yield* StatusPage.toWebHandler()
        yield* TokenCache.token("shown")
        return yield* read(handler, "/metrics")
      })
      const gauge = 'token_cache_token_ready{token="shown"}'
      assert.include(yield* Effect.scoped(once), `${gauge} 1`)
      assert.notInclude(yield* read(other, "/metrics"), gauge)
      yield* Effect.gen(function* () {
        yield* Effect.scoped(once)
        assert.include(yield* read(other, "/metrics"), `${gauge} 1`)
      }).pipe(Effect.provide(TokenMetrics.layer()))
      assert.notInclude(yield* read(other, "/metrics"), gauge)
    }).pipe(Effect.provide(TokenCache.layer({ shown: { issue: scripted(succeed("10 minutes")).issue, jitter: 0 } })))
  )
})

describe("/health", () => {
  it.scoped("is ready while each declared token is usable, and live anyway", () =>
    Effect.gen(function* () {
      const steady = scripted(succeed("10 days"))
      const issuer = scripted(succeed("10 minutes"))
      yield* Effect.gen(function* () {
        const handler = yield* StatusPage.toWebHandler()
        const probe = Effect.gen(function* () {
          const ready = yield* ask(handler, "/health/ready")
          const live = yield* ask(handler, "/health/live")
          return [ready.status, live.status, JSON.parse(yield* Effect.promise(() => ready.text()))]
        })
        // Nothing has been issued yet.
        assert.deepStrictEqual(yield* probe, [503, 200, { ready: false, declared: 2, usable: 0 }])
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* probe, [200, 200, { ready: true, declared: 2, usable: 2 }])
        issuer.becomes(rejected)
        // Degraded is usable.
        yield* TestClock.adjust("6 minutes")
        assert.deepStrictEqual(yield* probe, [200, 200, { ready: true, declared: 2, usable: 2 }])
        yield* TestClock.adjust("6 minutes")
        assert.deepStrictEqual(yield* probe, [503, 200, { ready: false, declared: 2, usable: 1 }])
        issuer.becomes(succeed("10 minutes"))
        yield* TestClock.adjust("6 minutes")
        assert.deepStrictEqual(yield* probe, [200, 200, { ready: true, declared: 2, usable: 2 }])
      }).pipe(
        Effect.provide(
          TokenCache.layer({
            steady: { issue: steady.issue, jitter: 0 },
            api: { issue: issuer.issue, jitter: 0, refreshBefore: "5 minutes" }
          })
        )
      )
    })
  )

  it.scoped("names what is not usable by option alone", () =>
    Effect.gen(function* () {
      const silent = yield* StatusPage.toWebHandler()
      const telling = yield* StatusPage.toWebHandler({ showNames: true })
      yield* TestClock.adjust("1 second")
      assert.notInclude(yield* read(silent, "/health/ready"), "api")
      assert.deepStrictEqual(JSON.parse(yield* read(telling, "/health/ready")).unusable, [
        { name: "api", state: "down" }
      ])
    }).pipe(Effect.provide(oneToken(scripted(fail()))))
  )

  it.scoped("does not count tenants", () =>
    Effect.gen(function* () {
      const handler = yield* StatusPage.toWebHandler()
      yield* Effect.exit(TokenCache.token("tenant"))
      assert.strictEqual((yield* TokenCache.status("tenant")).state, "down")
      const response = yield* ask(handler, "/health/ready")
      assert.strictEqual(response.status, 200)
      assert.deepStrictEqual(yield* Effect.promise(() => response.json()), { ready: true, declared: 0, usable: 0 })
      assert.match(yield* read(handler, "/"), /<bdi>tenant<\/bdi><small>tenant<\/small>/)
    }).pipe(Effect.provide(TokenCache.layerLookup(() => Effect.succeed({ issue: scripted(fail()).issue, jitter: 0 }))))
  )

  it.scoped("is not ready once the cache is closed, and live still", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(oneToken(scripted(succeed("10 minutes"))), scope)
      const handler = yield* Effect.provide(StatusPage.toWebHandler(), context)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* ask(handler, "/health/ready")).status, 200)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* ask(handler, "/health/ready")).status, 503)
      assert.strictEqual((yield* ask(handler, "/health/live")).status, 200)
    })
  )
})

describe("mounting", () => {
  it.scoped("works under a prefix as a web handler", () =>
    Effect.gen(function* () {
      const handler = yield* StatusPage.toWebHandler({ prefix: "/ops/tokens/" })
      yield* TokenCache.token("api")
      const statuses: Array<readonly [string, number]> = []
      for (const path of [
        "/ops/tokens",
        "/ops/tokens/",
        "/ops/tokens/health/ready",
        "/ops/tokens/health/nothing",
        "/ops/tokens-and-more",
        "/health/ready",
        "/"
      ]) {
        statuses.push([path, (yield* ask(handler, path)).status])
      }
      assert.deepStrictEqual(
        statuses.map(([, status]) => status),
        [200, 200, 200, 404, 404, 404, 404]
      )
      assert.include(linksOf(yield* read(handler, "/ops/tokens"), "http://x/ops/tokens"), "/ops/tokens/events")
    }).pipe(Effect.provide(oneToken(scripted(succeed("10 minutes")))))
  )

  it.scoped("answers many requests at once, each with its own", () =>
    Effect.gen(function* () {
      const handler = yield* StatusPage.toWebHandler()
      const statuses = yield* Effect.forEach(
        Array.from({ length: 60 }, (_, index) => ["/health/live", "/nothing", "/status.json"][index % 3]!),
        (path) => Effect.map(ask(handler, path), ({ status }) => status),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        statuses,
        Array.from({ length: 60 }, (_, index) => [200, 404, 200][index % 3])
      )
    }).pipe(Effect.provide(oneToken(scripted(succeed("10 minutes")))))
  )
})
