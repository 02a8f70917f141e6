import type { Section } from "../section.js"

/** Loaded one by one: what a section measures must not share its process with the packages of the others. */
export const sections: Readonly<Record<string, () => Promise<{ readonly section: Section }>>> = {
  "warm-read": () => import("./warmRead.js"),
  stampede: () => import("./stampede.js"),
  refresh: () => import("./refresh.js"),
  scale: () => import("./scale.js"),
  steady: () => import("./steady.js"),
  streams: () => import("./streams.js"),
  bearer: () => import("./bearer.js")
}
