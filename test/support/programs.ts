import { existsSync } from "node:fs"
import { delimiter, join } from "node:path"

/** The programs that some tests need, and the package of Debian that has each. */
export const packages = {
  chromium: "chromium",
  faketime: "faketime",
  promtool: "prometheus",
  "redis-server": "redis-server"
} as const

export type Part = keyof typeof packages

/** Where a program is, if it is installed. */
export const find = (program: Part): string | undefined =>
  (process.env.PATH ?? "")
    .split(delimiter)
    .map((directory) => join(directory, program))
    .find(existsSync)
