import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "vitest"

const root = fileURLToPath(new URL("..", import.meta.url))

const json = (file: string) => JSON.parse(readFileSync(`${root}${file}`, "utf8"))

const exported: Readonly<Record<string, { readonly types: string; readonly default: string }>> = Object.fromEntries(
  Object.entries<{ types: string; default: string }>(json("package.json").exports).filter(
    ([path]) => path !== "./package.json"
  )
)

const sourceOf = (built: string) => built.replace(/^\.\/dist\/(.*)\.(d\.ts|js)$/, "src/$1.ts")

describe("the exports of package.json", () => {
  it("are the files of src, and src/testing", () => {
    const files = readdirSync(`${root}src`)
      .filter((file) => file.endsWith(".ts"))
      .map((file) => `src/${file}`)
    assert.sameMembers(
      Object.values(exported).map(({ default: built }) => sourceOf(built)),
      [...files, "src/testing/index.ts"]
    )
    assert.deepStrictEqual(
      readdirSync(`${root}src`, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => name)
        .sort(),
      ["internal", "testing"]
    )
  })

  it("name the types beside the code", () => {
    for (const { default: built, types } of Object.values(exported)) {
      assert.strictEqual(types, built.replace(/\.js$/, ".d.ts"))
    }
  })

  it.each([
    ["tsconfig.json", "./"],
    ["bench/tsconfig.json", "../"]
  ])("are the aliases of %s, which the tests take as well", (file, up) => {
    assert.deepStrictEqual(
      json(file).compilerOptions.paths,
      Object.fromEntries(
        Object.entries(exported).map(([path, { default: built }]) => [
          path.replace(/^\./, "effect-token-cache"),
          [`${up}${sourceOf(built)}`]
        ])
      )
    )
  })
})
