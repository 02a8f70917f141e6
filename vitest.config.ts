import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import type { ProjectConfig } from "vitest/node"
import { missingParts } from "./test/support/missingParts.js"
import tsconfig from "./tsconfig.json" with { type: "json" }

const path = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** What package.json exports, and nothing else: `test/exports.test.ts` compares the two. */
const alias = (index: string) =>
  Object.entries(tsconfig.compilerOptions.paths).map(([name, [file = ""]]) => ({
    find: new RegExp(`^${name}$`),
    replacement: path(name === "effect-token-cache" ? index : file)
  }))

/** What needs a process, a socket, a file or the real clock. */
const live = [
  "test/{canary*,elixir,faketime,lineBotSdk,main,oidcProvider,opentelemetry,package,promtool,recipes}.test.ts",
  "test/{socketFaults,statusPageBrowser,peers.line,whereSecretsGo}.test.ts",
  "test/examples.*.test.ts",
  "test/{BearerClient,BearerFetch,LineChannel,LineMessaging,TokenStoreRedis}{,.*}.test.ts",
  "test/OAuth2.{canary,redirects}.test.ts",
  "test/StatusPage.{canary,server}.test.ts",
  "test/TokenCache.process.test.ts",
  "test/TokenStore.{contract,file,fleet}.test.ts",
  "test/internal/lineTokens.test.ts",
  "test/testing/**/*.test.ts"
]

/** On a TestClock, with neither processes nor sockets: in threads, where files share their modules. */
const fast: ProjectConfig = {
  pool: "threads",
  setupFiles: ["test/support/setup/promptTimers.ts", "test/support/setup/noProcess.ts"]
}

export default defineConfig({
  test: {
    // Only for what hangs: a machine that is busy with other work passes as well.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    reporters: ["default", missingParts()],
    poolOptions: {
      threads: { isolate: false, maxThreads: 2, minThreads: 1 },
      // They wait most of the time, for timers and for processes of their own.
      forks: { maxForks: 4, minForks: 1 }
    },
    projects: [
      {
        extends: true,
        resolve: { alias: alias("src/index.ts") },
        test: { ...fast, name: "fast", include: ["test/**/*.test.ts"], exclude: live }
      },
      {
        extends: true,
        resolve: { alias: alias("test/support/withStore/index.ts") },
        test: {
          ...fast,
          name: "with a store",
          include: ["clock", "property", "read", "refresh", "robust", "seed"].map(
            (part) => `test/TokenCache.${part}.test.ts`
          )
        }
      },
      {
        extends: true,
        resolve: { alias: alias("src/index.ts") },
        test: { name: "live", pool: "forks", include: live, globalSetup: "test/support/setup/bundles.ts" }
      }
    ]
  }
})
