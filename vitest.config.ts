import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import { missingParts } from "./test/support/missingParts.js"
import tsconfig from "./tsconfig.json" with { type: "json" }

const path = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** What package.json exports, and nothing else: `test/exports.test.ts` compares the two. */
const alias = (index: string) =>
  Object.entries(tsconfig.compilerOptions.paths).map(([name, [file = ""]]) => ({
    find: new RegExp(`^${name}$`),
    replacement: path(name === "effect-token-cache" ? index : file)
  }))

export default defineConfig({
  test: {
    // Only for what hangs: a machine that is busy with other work passes as well.
    testTimeout: 60_000,
    reporters: ["default", missingParts()],
    // Many tests wait for timers and for processes of their own.
    maxWorkers: 2,
    minWorkers: 1,
    projects: [
      {
        extends: true,
        resolve: { alias: alias("src/index.ts") },
        test: { name: "library", include: ["test/**/*.test.ts"] }
      },
      {
        extends: true,
        resolve: { alias: alias("test/support/withStore/index.ts") },
        test: {
          name: "with a store",
          include: ["clock", "property", "read", "refresh", "robust", "seed"].map(
            (part) => `test/TokenCache.${part}.test.ts`
          )
        }
      }
    ]
  }
})
