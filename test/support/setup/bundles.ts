import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { build, type Plugin } from "esbuild"
import type { TestProject } from "vitest/node"

declare module "vitest" {
  interface ProvidedContext {
    /** The directory of the programs that tests start. */
    bundles: string
  }
}

const root = fileURLToPath(new URL("../../..", import.meta.url))

/** The program that starts members looks for theirs beside its own file. */
const builtMember: Plugin = {
  name: "built member",
  setup: ({ onLoad }) => {
    onLoad({ filter: /examples\/fleet\/members\.ts$/ }, async ({ path }) => ({
      contents: (await readFile(path, "utf8")).replace('"member.ts"', '"fleet/member.js"'),
      loader: "ts"
    }))
  }
}

/** Builds the programs that tests start, which then start in a fifth of the time that their modules would take. */
export default async ({ provide }: TestProject) => {
  const bundles = mkdtempSync(join(tmpdir(), "effect-token-cache-bundles-"))
  writeFileSync(join(bundles, "package.json"), JSON.stringify({ type: "module" }))
  await build({
    absWorkingDir: root,
    entryPoints: [
      "test/processes/*.ts",
      "examples/main.ts",
      "examples/fleet.ts",
      "examples/fleet/member.ts",
      "examples/line-bot.ts",
      "examples/opentelemetry.ts"
    ],
    outbase: root,
    outdir: bundles,
    bundle: true,
    splitting: true,
    platform: "node",
    target: "node20",
    format: "esm",
    // For the dependencies that are CommonJS.
    banner: { js: 'import { createRequire as $ } from "node:module"\nconst require = $(import.meta.url)' },
    plugins: [builtMember]
  })
  provide("bundles", bundles)
  return () => rmSync(bundles, { recursive: true, force: true })
}
