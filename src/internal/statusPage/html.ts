import * as Event from "./event.js"
import * as Row from "./row.js"
import { script } from "./script.js"
import { shape } from "./shapes.js"
import { style } from "./style.js"
import * as Text from "./text.js"
import { stateNames, type View } from "./view.js"

export interface PageOptions {
  readonly title: string
  /** What the links on the page begin with, relative to its address. */
  readonly base: string
  /** The nonce of the content security policy, which the page's own style and script carry. */
  readonly nonce: string
}

/** Writes the whole page. It is complete without JavaScript, which only keeps it up to date. */
export const page = (view: View, { base, nonce, title }: PageOptions): string => {
  const link = (path: string, text: string) => `<a href="${Text.escapeHtml(base + path)}">${text}</a>`
  const rows = view.rows.map((row) => Row.row(row, view.now)).join("")
  const heads = Row.columns.map((column) => `<th role="columnheader" scope="col">${column}</th>`).join("")
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<noscript><meta http-equiv="refresh" content="10"></noscript>
<title>${Text.escapeHtml(pageTitle(view, title))}</title>
<style nonce="${nonce}">${style}</style>
</head>
<body data-now="${view.now}" data-events="${Text.escapeHtml(`${base}events`)}" data-title="${Text.escapeHtml(pageTitle(view, title))}">
<a class="skip" href="#tokens">Skip to the tokens</a>
<header>
<h1>${Text.escapeHtml(title)}</h1>
<p class="live"><span id="live" role="status">refreshed every 10 s</span> <time id="clock">${Text.timeOfDay(view.now)}</time> UTC</p>
<div id="summary" role="status" aria-live="polite">${summary(view)}</div>
</header>
<main>
<section id="tokens" tabindex="-1" aria-labelledby="tokens-title">
<h2 id="tokens-title" class="hidden">Tokens</h2>
<table role="table">
<caption>Each token, the worst state first. Times are UTC.</caption>
<thead role="rowgroup"><tr role="row">${heads}</tr></thead>
<tbody role="rowgroup" id="rows">${rows}</tbody>
</table>
<p class="legend" aria-hidden="true">
<span><svg width="34" height="14"><rect class="track" y="4" width="34" height="6" rx="3"/><rect class="passed" y="4" width="17" height="6" rx="3"/><circle class="now" cx="17" cy="7" r="4"/></svg> passed, and now</span>
<span><svg width="10" height="14"><rect class="due" x="4" width="2" height="14"/></svg> next attempt due</span>
<span>The bar begins when the token is issued and ends when it expires.</span>
</p>
</section>
<section>
<h2 id="events-title">Events</h2>
<div class="events" tabindex="0" role="region" aria-labelledby="events-title">
<ol id="events">${view.events.map(({ event }) => Event.entry(event)).join("")}</ol>
</div>
</section>
</main>
<footer><nav aria-label="The same for machines">${[
    link("status.json", "status.json"),
    link("metrics", "metrics"),
    link("health/ready", "health/ready"),
    link("health/live", "health/live")
  ].join(" ")}</nav></footer>
<script nonce="${nonce}">${script}</script>
</body>
</html>
`
}

const count = (tokens: number): string => `${tokens} ${tokens === 1 ? "token" : "tokens"}`

/** Says how many tokens are in which state. */
export const summary = ({ counts, rows, total }: View): string => {
  const usable = counts.ready + counts.degraded
  const sentence =
    total === 0
      ? "There are no tokens yet."
      : usable === total
        ? `${count(total)}, ${total === 1 ? "usable" : "all usable"}.`
        : `${usable} of ${count(total)} usable.`
  const states = stateNames
    .filter((state) => counts[state] > 0)
    .map((state) => ` <span class="badge ${state}">${shape(state)}${counts[state]} ${state}</span>`)
  const cut = rows.length < total ? ` <span class="none">The ${rows.length} worst are shown.</span>` : ""
  return `<span class="sentence">${sentence}</span>${states.join("")}${cut}`
}

/** Puts the worst state before the title, which is all that a tab in the background shows. */
export const pageTitle = ({ counts }: View, title: string): string => {
  const worst = (["down", "degraded"] as const).find((state) => counts[state] > 0)
  return worst === undefined ? title : `${counts[worst]} ${worst} · ${title}`
}
