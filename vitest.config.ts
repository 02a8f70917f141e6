import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const path = (path: string) => fileURLToPath(new URL(path, import.meta.url))

const alias = (index: string) => [
  { find: /^effect-token-cache$/, replacement: path(index) },
  { find: /^effect-token-cache\/testing$/, replacement: path("src/testing/index.ts") },
  { find: /^effect-token-cache\/(.*)$/, replacement: path("src/$1.ts") }
]

export default defineConfig({
  test: {
    testTimeout: 20_000,
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
