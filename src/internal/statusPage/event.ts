import type { TokenEvent } from "../../TokenStatus.js"
import { cut } from "../text.js"
import * as Text from "./text.js"

/** Writes an entry of the list of events. */
export const entry = (event: TokenEvent): string => {
  const { text, word } = describe(event)
  const at = `<time datetime="${Text.iso(event.at)}">${Text.dayAndTime(event.at)}</time>`
  return [
    `<li class="${word}">${at} <b class="word">${word}</b> <bdi>${Text.shown(event.name)}</bdi>`,
    ` <span>${Text.escapeHtml(text)}</span></li>`
  ].join("")
}

/** Says what happened, in one word and in a few. */
const describe = (event: TokenEvent): { readonly word: string; readonly text: string } => {
  switch (event._tag) {
    case "Issued":
      return { word: "issued", text: `token ${event.generation}, for ${Text.span(event.expiresAt - event.at)}` }
    case "IssueFailed": {
      const { advice, message } = event.error
      return { word: "failed", text: cut(message) + (advice === undefined ? "" : ` — ${cut(advice)}`) }
    }
    case "Invalidated":
      return { word: "refused", text: "an API refused the token" }
    case "Expired":
      return { word: "expired", text: "readers wait until a new one is issued" }
    case "Dropped":
      return { word: "dropped", text: "no longer in the cache" }
  }
}
