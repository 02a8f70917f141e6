import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import type { LineMessaging } from "effect-token-cache"
import type { IssueErrorReason, TokenUnavailableReason } from "effect-token-cache/TokenError"
import ts from "typescript"
import { assert, describe, it } from "vitest"

const root = fileURLToPath(new URL("..", import.meta.url))

const files = (directory: string, extension: string): ReadonlyArray<string> =>
  readdirSync(join(root, directory), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(extension))
    .map((file) => join(directory, file))

interface Example {
  readonly path: string
  readonly code: string
}

/** The fenced `ts` blocks of a file, each a module next to it. */
const examples = (file: string): ReadonlyArray<Example> => {
  const text = readFileSync(join(root, file), "utf8").replaceAll(/^ *\* ?/gm, file.endsWith(".ts") ? "" : "$&")
  return Array.from(text.matchAll(/```ts\n([\s\S]*?)```/g), (block, index) => ({
    path: join(root, "test", `${file.replaceAll(/[^A-Za-z0-9]/g, "-")}-${index + 1}.ts`),
    code: block[1] ?? ""
  }))
}

const problems = (all: ReadonlyArray<Example>): ReadonlyArray<string> => {
  const { config } = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile)
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [] }, ts.sys, root)
  // An example may leave what it shows unused.
  const host = ts.createCompilerHost({ ...options, noUnusedLocals: false })
  const sources = new Map(all.map(({ code, path }) => [path, code]))
  const { fileExists, getSourceFile, readFile } = host
  host.fileExists = (path) => sources.has(path) || fileExists(path)
  host.readFile = (path) => sources.get(path) ?? readFile(path)
  host.getSourceFile = (path, language, ...rest) => {
    const code = sources.get(path)
    return code === undefined ? getSourceFile(path, language, ...rest) : ts.createSourceFile(path, code, language)
  }
  const program = ts.createProgram([...sources.keys()], { ...options, noUnusedLocals: false }, host)
  return ts
    .getPreEmitDiagnostics(program)
    .map(
      ({ file, messageText, start }) =>
        `${file === undefined ? "" : `${relative(root, file.fileName)}:${file.getLineAndCharacterOfPosition(start ?? 0).line + 1} `}${ts.flattenDiagnosticMessageText(messageText, "\n")}`
    )
}

/** The first cells, in code, of the rows of the tables under a heading. */
const rows = (file: string, heading: string): ReadonlyArray<string> => {
  const section = readFileSync(join(root, file), "utf8")
    .split(/^## /m)
    .find((text) => text.startsWith(`${heading}\n`))
  return Array.from((section ?? "").matchAll(/^\| (`[^|]*) \|/gm), ([, cell = ""]) => cell).filter(
    (cell) => cell !== "`reason`"
  )
}

const unavailable: Record<TokenUnavailableReason, true> = {
  UnknownName: true,
  IssueFailed: true,
  TimedOut: true,
  Closed: true
}

const issue: Record<IssueErrorReason, true> = {
  Unreachable: true,
  Rejected: true,
  Throttled: true,
  InvalidResponse: true,
  Timeout: true,
  Defect: true
}

const push: Record<LineMessaging.PushErrorReason, true> = {
  InvalidRequest: true,
  Unauthorized: true,
  RateLimited: true,
  MonthlyLimit: true,
  Rejected: true,
  Unavailable: true,
  InvalidResponse: true
}

describe("docs/errors.md", () => {
  for (const [name, reasons] of Object.entries({ TokenUnavailable: unavailable, IssueError: issue, PushError: push })) {
    it(`has each reason of ${name}`, () => {
      const documented = rows("docs/errors.md", name).map((cell) => cell.split("`")[1])
      assert.deepStrictEqual([...new Set(documented)].sort(), Object.keys(reasons).sort())
    })
  }
})

describe("docs/security.md", () => {
  it("names tests that there are, and what they are called", () => {
    const text = readFileSync(join(root, "docs/security.md"), "utf8")
    const named = Array.from(text.matchAll(/`(test\/[^`]+)`(?: \(([^)]+)\))?/g), ([, file = "", titles = ""]) => ({
      file,
      titles
    }))
    assert.isAtLeast(named.length, 20)
    for (const { file, titles } of named) {
      const tests = readFileSync(join(root, file), "utf8")
      for (const title of titles.split(", ").filter((title) => title !== "")) {
        assert.include(tests, title.replaceAll('"', ""), file)
      }
    }
  })
})

describe("the documentation", () => {
  it("links to files and headings that there are, and shows such pictures", () => {
    const headings = (file: string) =>
      Array.from(readFileSync(join(root, file), "utf8").matchAll(/^#+ (.*)$/gm), ([, heading = ""]) =>
        heading
          .toLowerCase()
          .replaceAll(/[^\w -]/g, "")
          .replaceAll(" ", "-")
      )
    for (const file of ["README.md", ...files("docs", ".md")]) {
      const text = readFileSync(join(root, file), "utf8")
      const links = Array.from(text.matchAll(/(?:\]\(|src(?:set)?=")([^)"]+)[)"]/g), ([, link = ""]) => link)
      for (const link of links.filter((link) => !link.includes(":"))) {
        const [path = "", heading] = link.split("#")
        const target = path === "" ? file : join(dirname(file), path)
        assert.isTrue(existsSync(join(root, target)), `${link} in ${file}`)
        if (heading !== undefined) {
          assert.include(headings(target), heading, `${link} in ${file}`)
        }
      }
    }
  })

  it("has examples that compile", { timeout: 120_000 }, () => {
    const all = [...files("src", ".ts"), ...files("docs", ".md"), "README.md"].flatMap(examples)
    assert.isTrue(all.length >= 10, `${all.length} examples`)
    assert.deepStrictEqual(problems(all), [])
  })

  it("finds an example that does not compile", { timeout: 120_000 }, () => {
    const wrong = {
      path: join(root, "test", "wrong.ts"),
      code: `import { TokenCache } from "effect-token-cache"\nTokenCache.tokn("line")\n`
    }
    assert.lengthOf(problems([wrong]), 1)
  })
})
