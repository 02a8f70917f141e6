import { Effect, type Scope } from "effect"
import { type BrowserContextOptions, chromium, type Page } from "playwright-core"
import { find } from "./programs.js"

/** The system's Chromium. */
const executablePath = find("chromium")

export const browser = Effect.acquireRelease(
  Effect.promise(() =>
    chromium.launch({
      ...(executablePath === undefined ? undefined : { executablePath }),
      // Chromium's sandbox does not work for root, as in a container; all that is loaded here is the test's own.
      args: ["--no-sandbox"]
    })
  ),
  (browser) => Effect.promise(() => browser.close())
)

export interface OpenPage {
  readonly page: Page
  /** Errors and warnings of the console, uncaught errors, violations of the content security policy, dialogs. */
  readonly problems: Array<string>
  /** The addresses that were asked for. */
  readonly requests: Array<string>
  /** How often the page was loaded. */
  readonly loads: () => number
}

/** Opens an address in a browser of its own, and watches what goes wrong there. */
export const open = (url: string, options: BrowserContextOptions = {}): Effect.Effect<OpenPage, never, Scope.Scope> =>
  Effect.flatMap(browser, (browser) =>
    Effect.promise(async () => {
      const context = await browser.newContext(options)
      const page = await context.newPage()
      const problems: Array<string> = []
      const requests: Array<string> = []
      let loads = 0
      page.on("console", (message) => {
        if (["error", "warning"].includes(message.type())) problems.push(message.text())
      })
      page.on("pageerror", (error) => problems.push(String(error)))
      page.on("dialog", (dialog) => {
        problems.push(`dialog: ${dialog.message()}`)
        void dialog.dismiss()
      })
      page.on("request", (request) => requests.push(request.url()))
      page.on("load", () => loads++)
      if (options.javaScriptEnabled !== false) {
        await page.exposeFunction("reportViolation", (text: string) => problems.push(text))
        await page.addInitScript(
          `document.addEventListener("securitypolicyviolation", (event) => reportViolation("CSP: " + event.violatedDirective))`
        )
      }
      await page.goto(url)
      return { page, problems, requests, loads: () => loads }
    })
  )

/** Texts with a contrast under 4.5 to 1 (WCAG 2.1, 1.4.3), and how many were looked at. */
export const contrast = (page: Page): Effect.Effect<{ readonly texts: number; readonly weak: ReadonlyArray<string> }> =>
  Effect.promise(() =>
    page.evaluate(() => {
      type Rgba = readonly [number, number, number, number]
      const parse = (color: string): Rgba => {
        const [r = 0, g = 0, b = 0, a = 1] = (color.match(/[\d.]+/g) ?? []).map(Number)
        return [r, g, b, a]
      }
      const luminance = (color: Rgba) => {
        const [r = 0, g = 0, b = 0] = color
          .slice(0, 3)
          .map((channel) => channel / 255)
          .map((channel) => (channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4))
        return 0.2126 * r + 0.7152 * g + 0.0722 * b
      }
      const background = (element: Element | null): Rgba => {
        if (element === null) return [255, 255, 255, 1]
        const color = parse(getComputedStyle(element).backgroundColor)
        return color[3] === 1 ? color : background(element.parentElement)
      }
      const weak: Array<string> = []
      let texts = 0
      document.body.querySelectorAll("*").forEach((element) => {
        const { height, left, width } = element.getBoundingClientRect()
        let text = ""
        element.childNodes.forEach((node) => {
          text += node.nodeType === Node.TEXT_NODE ? node.textContent : ""
        })
        if (text.trim() === "" || width <= 1 || height <= 1 || left < 0 || element instanceof HTMLScriptElement) return
        texts++
        const light = [luminance(parse(getComputedStyle(element).color)), luminance(background(element))]
        const ratio = (Math.max(...light) + 0.05) / (Math.min(...light) + 0.05)
        if (ratio < 4.5) weak.push(`${ratio.toFixed(2)}: ${text}`)
      })
      return { texts, weak }
    })
  )
