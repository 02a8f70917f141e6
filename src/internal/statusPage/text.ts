import { cut } from "../text.js"

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;"
}

/** Escapes a text for HTML, also for attributes in quotes. */
export const escapeHtml = (text: string): string =>
  text.replaceAll(/[&<>"']/g, (character) => entities[character] ?? "")

/** Cuts and escapes a text that comes from outside. */
export const shown = (text: string): string => escapeHtml(cut(text))

/** Writes a duration in its two largest units, such as `14m 59s`. The live script has the same function. */
export const span = (millis: number): string => {
  const seconds = Math.max(0, Math.round(millis / 1000))
  const units = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"]
  ] as const
  const largest = units.findIndex(([count]) => count > 0)
  return largest === -1
    ? "0s"
    : units
        .slice(largest, largest + 2)
        .map(([count, unit]) => `${count}${unit}`)
        .join(" ")
}

/** Writes an instant in UTC, or an empty text if no date can hold it. */
export const iso = (millis: number): string =>
  Math.abs(millis) <= 8.64e15 ? new Date(millis).toISOString().replace(/\.\d+Z$/, "Z") : ""

export const timeOfDay = (millis: number): string => iso(millis).slice(11, 19)

export const dayAndTime = (millis: number): string => iso(millis).slice(5, 19).replace("T", " ")

/** Says where an instant lies between two others, in percent. The live script has the same function. */
export const percent = (at: number, from: number, to: number): string =>
  `${(to > from ? Math.min(1, Math.max(0, (at - from) / (to - from))) * 100 : 100).toFixed(2)}%`
