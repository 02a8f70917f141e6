import { execFile } from "node:child_process"
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { afterAll, assert, beforeAll, describe, it } from "vitest"

const root = fileURLToPath(new URL("..", import.meta.url))

const text = (file: string) => readFile(join(root, file), "utf8")

const run = async (directory: string, program: string, ...args: ReadonlyArray<string>): Promise<string> => {
  const { stdout } = await promisify(execFile)(program, args, { cwd: directory })
  return stdout
}

/** Reads a token with nothing but the packages that were installed, and prints it. */
const program = `
const issue = Effect.sync(() => IssuedToken.make({ accessToken: "it works", expiresIn: "1 hour" }))
TokenCache.token("api").pipe(
  Effect.map(Redacted.value),
  Effect.provide(TokenCache.layer({ api: { issue } })),
  Effect.runPromise
).then(console.log)
`

interface Lock {
  readonly packages: Readonly<Record<string, { readonly resolved?: string; readonly integrity?: string }>>
}

const apps = {
  module: {
    read: `import { Effect, Redacted } from "effect"\nimport { IssuedToken, TokenCache } from "effect-token-cache"${program}`,
    load: (path: string) =>
      path.endsWith(".json") ? `await import("${path}", { with: { type: "json" } })` : `await import("${path}")`
  },
  commonjs: {
    read: `const { Effect, Redacted } = require("effect")\nconst { IssuedToken, TokenCache } = require("effect-token-cache")${program}`,
    load: (path: string) => `require("${path}")`
  }
}

describe("the lock file", () => {
  it.each(["package-lock.json", "bench/package-lock.json"])(
    "has the hash of each package, and no registry: %s",
    async (file) => {
      const { "": _, ...packages }: Lock["packages"] = JSON.parse(await text(file)).packages
      assert.isAtLeast(Object.keys(packages).length, 50)
      const wrong = Object.entries(packages).filter(
        ([, { integrity = "", resolved }]) => resolved !== undefined || !integrity.startsWith("sha512-")
      )
      assert.deepStrictEqual(wrong, [])
    }
  )
})

describe("the packed package", () => {
  let temporary = ""
  let tarball = ""

  beforeAll(async () => {
    temporary = await mkdtemp(join(tmpdir(), "effect-token-cache-"))
    // Building in place would take dist away from whoever uses it meanwhile.
    const copy = join(temporary, "copy")
    await cp(root, copy, {
      recursive: true,
      filter: (path) => !["node_modules", ".git", "dist"].includes(basename(path))
    })
    await symlink(join(root, "node_modules"), join(copy, "node_modules"))
    await run(copy, "npm", "pack", "--pack-destination", temporary)
    tarball = join(temporary, `effect-token-cache-${JSON.parse(await text("package.json")).version}.tgz`)
  })

  afterAll(() => rm(temporary, { recursive: true, force: true }))

  it("holds what is built, its sources and the documents, and nothing else", async () => {
    const files = (await run(temporary, "tar", "-tzf", tarball))
      .trim()
      .split("\n")
      .map((path) => path.replace(/^package\//, ""))
    const others = files.filter((path) => !/^dist\/.+\.(js|d\.ts)(\.map)?$|^src\/.+\.ts$/.test(path))
    assert.deepStrictEqual(others.sort(), ["CHANGELOG.md", "LICENSE", "README.md", "package.json"])
    assert.deepStrictEqual(
      files.filter((path) => /test\.|\btest\//.test(path)),
      []
    )
    // Each source is built.
    const built = files
      .filter((path) => path.startsWith("src/"))
      .map((path) => path.replace(/^src\/(.*)\.ts$/, "dist/$1.js"))
    assert.includeMembers(files, ["dist/index.js", "dist/index.d.ts", ...built])
  })

  for (const [type, { load, read }] of Object.entries(apps)) {
    it.concurrent(`installs with the README's line in an empty ${type} app, shares its effect, and reads a token there`, async () => {
      const app = join(temporary, type)
      await mkdir(app)
      await writeFile(join(app, "package.json"), JSON.stringify({ name: "app", version: "1.0.0", type }))
      const [line = ""] = /^npm i effect-token-cache .*$/m.exec(await text("README.md")) ?? []
      const [npm = "", ...args] = line.split(" ").map((word) => (word === "effect-token-cache" ? tarball : word))
      await run(app, npm, ...args, "--prefer-offline", "--no-audit", "--no-fund", "--no-progress")

      const copies = await run(app, "npm", "ls", "effect", "--all", "--parseable")
      assert.deepStrictEqual(
        [...new Set(copies.trim().split("\n"))].map((path) => path.slice(app.length)),
        ["/node_modules/effect"]
      )

      await writeFile(join(app, "read.js"), read)
      assert.strictEqual(await run(app, process.execPath, "read.js"), "it works\n")

      // What one backend alone needs is installed for it alone.
      const needsMore = "./TokenStoreRedis"
      const paths = Object.keys(JSON.parse(await text("package.json")).exports).filter((path) => path !== needsMore)
      const loads = paths.map((path) => `${load(path.replace(/^\./, "effect-token-cache"))}\nconsole.log("${path}")`)
      await writeFile(join(app, "paths.js"), loads.join("\n"))
      assert.deepStrictEqual((await run(app, process.execPath, "paths.js")).trim().split("\n"), paths)

      await run(app, "npm", "i", "ioredis@5", "--prefer-offline", "--no-audit", "--no-fund", "--no-progress")
      await writeFile(join(app, "redis.js"), load(needsMore.replace(/^\./, "effect-token-cache")))
      assert.strictEqual(await run(app, process.execPath, "redis.js"), "")
    })
  }
})
