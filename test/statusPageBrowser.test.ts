import { writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { NodeHttpClient } from "@effect/platform-node"
import { Effect, Exit, Layer, Scope, TestClock, TestContext } from "effect"
import { LineChannel, StatusPage, TokenCache } from "effect-token-cache"
import { LineEmulator } from "effect-token-cache/testing"
import { assert, describe } from "vitest"
import { serve } from "../examples/main/serve.js"
import { contrast, type OpenPage, open } from "./support/browser.js"
import { fail, scripted, succeed } from "./support/issuer.js"
import { lineChannel } from "./support/lineChannel.js"
import { itWith } from "./support/parts.js"

const itInBrowser = itWith("chromium")

/** Run by `npm run screenshots`, it keeps the pictures that it takes. */
const keepsPictures = process.env.SCREENSHOTS === "1"

const docs = fileURLToPath(new URL("../docs/", import.meta.url))

const run = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) => Effect.runPromise(Effect.scoped(effect))

/** In milliseconds: less than a test may take, so that a failure names the text that never came. */
const hangs = 150_000

/** Waits until a part of the page has a text. */
const shows = ({ page }: OpenPage, selector: string, text: string | RegExp) =>
  Effect.promise(() => page.locator(selector).filter({ hasText: text }).first().waitFor({ timeout: hangs }))

const textOf = ({ page }: OpenPage, selector: string) => Effect.promise(() => page.locator(selector).textContent())

describe("the status page in Chromium", () => {
  itInBrowser("shows a token of the emulator ready, degraded, down and ready again, live and without a reload", () =>
    run(
      Effect.gen(function* () {
        const { bySecret, line } = yield* lineChannel
        const source = {
          ...LineChannel.stateless(bySecret),
          refreshBefore: "4 seconds",
          retryAfter: "1 second",
          maxRetryAfter: "1 second",
          jitter: 0
        } as const
        const scope = yield* Scope.make()
        const { opened, url } = yield* Effect.gen(function* () {
          const { url } = yield* serve(yield* Scope.extend(StatusPage.make(), scope))
          const opened = yield* open(`${url}/`)
          yield* shows(opened, "#live", "live")
          yield* shows(opened, "#rows tr.ready", "ready")
          yield* shows(opened, "#summary", "1 token, usable.")
          assert.strictEqual(yield* Effect.promise(() => opened.page.title()), "Access tokens")

          yield* line.fault({ match: /^\/oauth2\//, times: Number.POSITIVE_INFINITY, status: 503 })
          yield* shows(opened, "#rows tr.degraded", "issuer answered 503")
          yield* shows(opened, "#summary", "1 degraded")
          yield* shows(opened, "#rows tr.down", "expired")
          yield* shows(opened, "#summary", "0 of 1 token usable.")
          yield* shows(opened, "#events li.failed", "issuer answered 503")
          yield* shows(opened, "#events li.expired", "line")
          assert.strictEqual(yield* Effect.promise(() => opened.page.title()), "1 down · Access tokens")

          yield* line.clearFaults
          yield* shows(opened, "#rows tr.ready", "issued token")
          yield* shows(opened, "#events li.issued", "line")
          return { opened, url }
        }).pipe(
          Effect.provide(TokenCache.layer({ line: source })),
          Effect.tapErrorCause(() => Scope.close(scope, Exit.void))
        )
        assert.strictEqual(opened.loads(), 1)
        assert.deepStrictEqual(opened.problems, [])
        assert.deepStrictEqual([...new Set(opened.requests)], [`${url}/`, `${url}/events`])

        // The cache is closed by now.
        yield* shows(opened, "#live", "connection lost, trying again")
        yield* Scope.close(scope, Exit.void)
      }).pipe(
        Effect.provide(LineEmulator.layer({ statelessLifetime: "6 seconds" })),
        Effect.provide(NodeHttpClient.layer)
      )
    )
  )

  itInBrowser("shows markup in names, issuers, titles and errors as text", () =>
    run(
      Effect.gen(function* () {
        const markup = `</td></tr></script><script>alert("run")</script><img src=/x.png onerror="alert('run')"><b>bold</b>&amp;`
        const issuer = scripted(succeed("10 minutes"))
        yield* Effect.gen(function* () {
          const { url } = yield* serve(yield* StatusPage.make({ title: markup }))
          const opened = yield* open(url)
          yield* shows(opened, "#live", "live")
          // By the live script, and by the server.
          for (const _ of ["live", "loaded"]) {
            issuer.becomes(fail({ reason: "Rejected", message: markup, advice: `do ${markup}`, requestId: markup }))
            yield* Effect.exit(TokenCache.refresh(markup))
            yield* TestClock.adjust("2 seconds")
            yield* shows(opened, "#rows tr.degraded .outcome", markup)
            yield* shows(opened, "#events li.failed", `do ${markup}`)
            assert.include(yield* textOf(opened, "#rows th"), markup)
            assert.include(yield* textOf(opened, "h1"), markup)
            assert.include(yield* Effect.promise(() => opened.page.title()), markup)
            assert.deepStrictEqual(
              yield* Effect.promise(() =>
                opened.page.evaluate(() => [
                  document.querySelectorAll("img, th b, td b b, h1 *").length,
                  document.querySelectorAll("#rows > tr").length
                ])
              ),
              [0, 1]
            )
            yield* Effect.promise(() => opened.page.reload())
          }
          assert.deepStrictEqual(opened.problems, [])
          assert.isEmpty(opened.requests.filter((request) => request.includes("x.png")))
        }).pipe(Effect.provide(TokenCache.layer({ [markup]: { issue: issuer.issue, issuer: markup, jitter: 0 } })))
      }).pipe(Effect.provide(TestContext.TestContext))
    )
  )

  itInBrowser("refreshes itself without JavaScript", () =>
    run(
      Effect.gen(function* () {
        const issuer = scripted(succeed("10 minutes"), fail())
        yield* Effect.gen(function* () {
          const { url } = yield* serve(yield* StatusPage.make())
          yield* TokenCache.token("api")
          const opened = yield* open(url, { javaScriptEnabled: false })
          yield* shows(opened, "#rows tr.ready", "api")
          assert.include(yield* textOf(opened, "#rows .left"), "10m 0s")
          yield* shows(opened, "#live", "refreshed every 10 s")
          yield* Effect.exit(TokenCache.refresh("api"))
          yield* shows(opened, "#rows tr.degraded", "issuer unreachable")
          assert.deepStrictEqual(opened.problems, [])
        }).pipe(Effect.provide(TokenCache.layer({ api: { issue: issuer.issue, jitter: 0 } })))
      }).pipe(Effect.provide(TestContext.TestContext))
    )
  )

  itInBrowser("is read anew every 10 seconds while there is no live stream", () =>
    run(
      Effect.gen(function* () {
        const issuer = scripted(succeed("10 minutes"), fail(), succeed("10 minutes"))
        yield* Effect.gen(function* () {
          const { url } = yield* serve(yield* StatusPage.make({ maxEventStreams: 1 }))
          yield* TokenCache.token("api")
          const other = yield* open(url)
          yield* shows(other, "#live", "live")
          const opened = yield* open(url)
          const { page } = opened
          yield* Effect.promise(() => page.clock.install())
          const pass = (seconds: number) => Effect.promise(() => page.clock.runFor(seconds * 1000))

          // There is one client already, and this is one more.
          yield* Effect.promise(() => page.reload())
          yield* Effect.exit(TokenCache.refresh("api"))
          yield* pass(10)
          yield* shows(opened, "#rows tr.degraded", "issuer unreachable")
          yield* shows(opened, "#live", "refreshed every 10 s")
          assert.strictEqual(yield* Effect.promise(() => page.title()), "1 degraded · Access tokens")
          yield* Effect.promise(() => other.page.close())
          yield* pass(10)
          yield* shows(opened, "#live", "live")

          // A proxy holds the stream back.
          yield* Effect.promise(() => page.route("**/events", () => {}))
          yield* Effect.promise(() => page.reload())
          yield* TokenCache.refresh("api")
          yield* pass(10)
          yield* shows(opened, "#rows tr.ready", "issued token 2")
          yield* shows(opened, "#live", "refreshed every 10 s")

          // Whoever looks is signed out.
          yield* Effect.promise(() => page.route(`${url}/`, (route) => route.fulfill({ body: "<body>Sign in" })))
          yield* pass(10)
          yield* shows(opened, "#live", "connection lost, trying again")
          yield* shows(opened, "#rows tr.ready", "issued token 2")
          // Chromium's own line about the 503 is all.
          assert.deepStrictEqual(
            opened.problems.filter((problem) => !problem.includes("503")),
            []
          )
        }).pipe(Effect.provide(TokenCache.layer({ api: { issue: issuer.issue, jitter: 0 } })))
      }).pipe(Effect.provide(TestContext.TestContext))
    )
  )

  itInBrowser("goes on with another server at its address, and shows what happened there", () =>
    run(
      Effect.gen(function* () {
        const start = (refreshes: number, port?: number) =>
          Effect.gen(function* () {
            const source = { issue: scripted(succeed("10 minutes")).issue, jitter: 0 }
            const context = yield* Layer.build(TokenCache.layer({ api: source }))
            return yield* Effect.gen(function* () {
              const page = yield* StatusPage.make()
              // Until it listens to the events.
              yield* Effect.sleep("10 millis")
              yield* Effect.replicateEffect(TokenCache.refresh("api"), refreshes)
              return yield* serve(page, port)
            }).pipe(Effect.provide(context))
          })
        const scope = yield* Scope.make()
        const { url } = yield* Scope.extend(start(5), scope)
        const opened = yield* open(url)
        yield* shows(opened, "#live", "live")
        yield* shows(opened, "#events li.issued", "token 6")
        yield* Scope.close(scope, Exit.void)
        yield* shows(opened, "#live", "connection lost, trying again")
        yield* start(2, Number(new URL(url).port))
        yield* shows(opened, "#live", "live")
        yield* shows(opened, "#events li.issued", "token 3")
        const events = yield* Effect.promise(() => opened.page.locator("#events li span").allTextContents())
        assert.deepStrictEqual(
          events.map((text) => text.replace(/,.*/, "")),
          ["token 3", "token 2"]
        )
        assert.strictEqual(opened.loads(), 1)
      })
    )
  )
})

/** A cache at noon: three tokens, of which the state of one changes. */
const atNoon = Effect.gen(function* () {
  yield* TestClock.setTime(Date.UTC(2026, 0, 15, 12, 0, 7))
  const crm = scripted(succeed("10 minutes"))
  const rejected = fail({
    reason: "Rejected",
    status: 401,
    code: "invalid_client",
    advice: "Check CRM_CLIENT_ID and CRM_CLIENT_SECRET."
  })
  const layer = TokenCache.layer({
    line: { issue: scripted(succeed("15 minutes")).issue, issuer: "line stateless", jitter: 0 },
    crm: { issue: crm.issue, issuer: "client credentials", jitter: 0, refreshBefore: "3 minutes" },
    "github-app": { issue: scripted(succeed("1 hour")).issue, issuer: "github app", jitter: 0 }
  })
  const use = (times: number) =>
    Effect.forEach(["line", "crm", "github-app"], (name, index) =>
      Effect.ignore(Effect.repeatN(TokenCache.token(name), times * (index + 1)))
    )
  return { crm, layer, rejected, use }
})

/** What a picture shows is still: the clock of the page does not go on. */
const still = { reducedMotion: "reduce", viewport: { width: 1140, height: 600 } } as const

const maxPictureBytes = 100_000

describe("each state of the status page", () => {
  itInBrowser("is readable in light and dark, on a phone, by keyboard and by screen readers", () =>
    run(
      Effect.gen(function* () {
        const { crm, layer, rejected, use } = yield* atNoon
        yield* Effect.gen(function* () {
          const { url } = yield* serve(yield* StatusPage.make())
          const opened = yield* open(url, still)
          const { page } = opened
          yield* shows(opened, "#live", "live")

          const look = (state: string, isKept = keepsPictures) =>
            Effect.gen(function* () {
              // Until the page is as late as the test's clock.
              yield* use(1)
              yield* TestClock.adjust("1 second")
              const { reads } = yield* TokenCache.status("line")
              yield* shows(opened, '#rows tr[data-key="line"] .count:not(.failures)', new RegExp(`^${reads}$`))
              yield* shows(opened, `#rows tr.${state} .badge`, state)
              for (const colorScheme of ["light", "dark"] as const) {
                yield* Effect.promise(() => page.emulateMedia({ colorScheme }))
                const { texts, weak } = yield* contrast(page)
                assert.isAbove(texts, 40)
                assert.deepStrictEqual(weak, [], `${state}, ${colorScheme}`)
                const picture = yield* Effect.promise(async () => {
                  // Down to the second event, and not through the middle of another.
                  const box = await page.locator("#events li:nth-child(2)").boundingBox()
                  return page.screenshot({ clip: { x: 0, y: 0, width: 1140, height: box!.y + box!.height } })
                })
                assert.isBelow(picture.length, maxPictureBytes)
                if (isKept) writeFileSync(`${docs}status-${state}-${colorScheme}.png`, picture)
              }
              for (const width of [320, 360, 768, 1024]) {
                yield* Effect.promise(() => page.setViewportSize({ width, height: 740 }))
                const scrolled = yield* Effect.promise(() => page.evaluate(() => document.documentElement.scrollWidth))
                assert.isAtMost(scrolled, width, `${state}, ${width} pixels`)
              }
              yield* Effect.promise(() => page.setViewportSize(still.viewport))
            })

          yield* use(40)
          yield* TestClock.adjust("8 minutes")
          yield* look("ready")
          const phone = yield* open(url, { colorScheme: "dark", viewport: { width: 360, height: 740 } })
          yield* shows(phone, "#live", "live")
          const picture = yield* Effect.promise(() => phone.page.screenshot())
          assert.isBelow(picture.length, maxPictureBytes)
          if (keepsPictures) writeFileSync(`${docs}status-phone.png`, picture)
          // Cards to the eye, and still a table in the tree that Chromium gives to screen readers.
          const roles = yield* Effect.promise(async () => {
            const session = await phone.page.context().newCDPSession(phone.page)
            const { nodes } = await session.send("Accessibility.getFullAXTree")
            return nodes.map(({ role }) => String(role?.value))
          })
          assert.deepStrictEqual(
            ["table", "row", "columnheader", "rowheader", "cell"].map(
              (role) => `${roles.filter((other) => other === role).length} ${role}`
            ),
            ["1 table", "4 row", "8 columnheader", "3 rowheader", "21 cell"]
          )
          // Each value with its label.
          assert.match(
            yield* Effect.promise(() => phone.page.locator("body").ariaSnapshot()),
            /cell "Time left \d+m \d+s"[\s\S]*cell "Next attempt in \d+m \d+s"[\s\S]*cell "Reads \d+"/
          )

          crm.becomes(rejected)
          yield* use(20)
          yield* TestClock.adjust("7 minutes")
          yield* look("degraded")
          yield* use(10)
          yield* TestClock.adjust("3 minutes")
          yield* look("down")

          const tree = yield* Effect.promise(() => page.locator("body").ariaSnapshot())
          for (const part of [
            /- heading "Access tokens" \[level=1\]/,
            /- status: live/,
            /- status: 2 of 3 tokens usable\. 1 down 2 ready/,
            /- table "Each token, the worst state first\. Times are UTC\."/,
            /- row "Token State Lifetime Time left Next attempt Failures Reads Last outcome"/,
            /- columnheader "Time left"/,
            /- rowheader "crm client credentials"/,
            /- cell "down"/,
            /- cell "issued 12:07:07 expired 12:17:07"/,
            /- cell "expired"/,
            /- cell "issuer answered 401 invalid_client Check CRM_CLIENT_ID and CRM_CLIENT_SECRET\."/,
            /- region "Events":\s+- list:\s+- listitem/,
            /- navigation "The same for machines"/
          ]) {
            assert.match(tree, part)
          }

          // The way of the keyboard: each stop can be seen, and an update does not take it away.
          const stops: Array<string> = []
          for (let stop = 0; stop < 6; stop++) {
            yield* Effect.promise(() => page.keyboard.press("Tab"))
            stops.push(
              yield* Effect.promise(() => page.evaluate(() => document.activeElement?.textContent?.trim() ?? ""))
            )
            const outline = yield* Effect.promise(() =>
              page.evaluate(() => getComputedStyle(document.activeElement!).outlineStyle)
            )
            assert.strictEqual(outline, "solid", stops.at(-1))
          }
          assert.strictEqual(stops[0], "Skip to the tokens")
          assert.match(stops[1] ?? "", /^01-15 .*failed.*crm/)
          assert.deepStrictEqual(stops.slice(2), ["status.json", "metrics", "health/ready", "health/live"])
          yield* Effect.promise(() => page.keyboard.press("Shift+Tab"))

          crm.becomes(succeed("10 minutes"))
          yield* TestClock.adjust("5 minutes")
          yield* look("ready", false)
          yield* shows(opened, "#summary", "3 tokens, all usable.")
          const focused = yield* Effect.promise(() => page.evaluate(() => document.activeElement?.textContent))
          assert.strictEqual(focused, "health/ready")
          assert.strictEqual(opened.loads(), 1)
          assert.deepStrictEqual(opened.problems, [])
        }).pipe(Effect.provide(layer))
      }).pipe(Effect.provide(TestContext.TestContext))
    )
  )
})
