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

/** Those that have been read for another example; the text of the sources does not change meanwhile. */
const parsed = new Map<string, ts.SourceFile | undefined>()

/** What is wrong with the examples themselves: the sources that they use are checked with the rest of the repository. */
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
    if (code !== undefined) {
      return ts.createSourceFile(path, code, language)
    }
    if (!parsed.has(path)) {
      parsed.set(path, getSourceFile(path, language, ...rest))
    }
    return parsed.get(path)
  }
  const program = ts.createProgram([...sources.keys()], { ...options, noUnusedLocals: false }, host)
  return [...sources.keys()]
    .flatMap((path) => ts.getPreEmitDiagnostics(program, program.getSourceFile(path)))
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

/** A test file that a page names, with the titles that it gives: whole ones in quotes, others in part. */
interface NamedTest {
  readonly file: string
  readonly titles: ReadonlyArray<string>
}

const namedTests = (page: string): ReadonlyArray<NamedTest> =>
  Array.from(
    page.replaceAll(/\s+/g, " ").matchAll(/`(test\/[^`]+\.ts)`(?: \(((?:"[^"]*"|[^)"])*)\))?/g),
    ([, file = "", titles = ""]) => ({
      file,
      titles: titles.match(/"[^"]*"|[^,"\s][^,"]*/g) ?? []
    })
  )

/** All texts of a program, with … for what a template fills in. */
const textsOf = (code: string): ReadonlyArray<string> => {
  const texts: Array<string> = []
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node)) {
      texts.push(node.text)
    } else if (ts.isTemplateExpression(node)) {
      texts.push([node.head, ...node.templateSpans.map(({ literal }) => literal)].map(({ text }) => text).join("…"))
    }
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile("test.ts", code, ts.ScriptTarget.Latest))
  return texts
}

/** The titles that a page gives to tests that are not called so. */
const misnamed = (page: string): ReadonlyArray<string> =>
  namedTests(page).flatMap(({ file, titles }) => {
    const texts = existsSync(join(root, file)) ? textsOf(readFileSync(join(root, file), "utf8")) : undefined
    const isIn = (title: string) =>
      texts?.some((text) => (title.startsWith('"') ? `"${text}"` === title : text.includes(title))) === true
    return texts === undefined ? [file] : titles.filter((title) => !isIn(title)).map((title) => `${file}: ${title}`)
  })

describe("the tests that a page names", () => {
  it.each(files("docs", ".md"))("exist and are called so: %s", (file) => {
    assert.deepStrictEqual(misnamed(readFileSync(join(root, file), "utf8")), [])
  })

  it("are missed where they have another name, or are gone", () => {
    assert.deepStrictEqual(
      misnamed(
        'see `test/exports.test.ts` ("are the files", "name the types beside the code"), `test/exports.test.ts` (types beside, were) and `test/no.test.ts`'
      ),
      ['test/exports.test.ts: "are the files"', "test/exports.test.ts: were", "test/no.test.ts"]
    )
  })
})

describe("docs/security.md", () => {
  it("says which tests of a file show a defence", () => {
    const named = namedTests(readFileSync(join(root, "docs/security.md"), "utf8"))
    assert.isAtLeast(named.length, 50)
    assert.deepStrictEqual(
      named.filter(({ titles }) => titles.length === 0),
      [{ file: "test/docs.test.ts", titles: [] }]
    )
  })
})

describe("docs/architecture.md", () => {
  const page = readFileSync(join(root, "docs/architecture.md"), "utf8")

  /** The modules and files that everything may import: the picture leaves them out. */
  const words = ["TokenError", "IssuedToken", "TokenSource", "RefreshPolicy", "TokenStatus"]

  /** The public module or the room that a file of `src` belongs to. */
  const placeOf = (file: string): string | undefined => {
    const [first = "", ...rest] = relative("src", file)
      .replace(/\.[jt]s$/, "")
      .split("/")
    const place = first !== "internal" ? first : rest.length > 1 || rest[0] === "layer" ? rest[0] : undefined
    return place === "index" || words.includes(place ?? "") ? undefined : place
  }

  it("has an arrow for each import between rooms, and no other", () => {
    const [picture = ""] = /```mermaid\n[\s\S]*?```/.exec(page) ?? []
    const arrows = Array.from(picture.matchAll(/^ *(\w+) --> (\w+)$/gm), ([, from, to]) => `${from} --> ${to}`)
    const imports = files("src", ".ts").flatMap((file) => {
      const { importedFiles } = ts.preProcessFile(readFileSync(join(root, file), "utf8"))
      return importedFiles
        .filter(({ fileName }) => fileName.startsWith("."))
        .map(({ fileName }) => [placeOf(file), placeOf(join(dirname(file), fileName))])
        .filter(([from, to]) => from !== undefined && to !== undefined && from !== to)
        .map(([from, to]) => `${from} --> ${to}`)
    })
    assert.deepStrictEqual([...arrows].sort(), [...new Set(imports)].sort())
  })

  it("names functions that are in the files that it links to", () => {
    const named = Array.from(page.matchAll(/`([\w.]+)`\s+(?:in|of)\s+\[[^\]]+\]\(([^)]+\.ts)\)/g))
    assert.isAtLeast(named.length, 40)
    for (const [, name = "", file = ""] of named) {
      const code = readFileSync(join(root, "docs", file), "utf8")
      assert.match(code, new RegExp(`(const|static|readonly) ${name}\\b|^ {4}${name}:`, "m"), `${name} in ${file}`)
    }
  })
})

describe("the documentation", () => {
  const pages = [".", "docs"].flatMap((directory) =>
    readdirSync(join(root, directory))
      .filter((file) => file.endsWith(".md"))
      .map((file) => join(directory, file))
  )

  it("links to files and headings that there are, and shows such pictures", () => {
    const headings = (file: string) =>
      Array.from(readFileSync(join(root, file), "utf8").matchAll(/^#+ (.*)$/gm), ([, heading = ""]) =>
        heading
          .toLowerCase()
          .replaceAll(/[^\w -]/g, "")
          .replaceAll(" ", "-")
      )
    for (const file of pages) {
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

  it("has commands whose test files exist", () => {
    const named = pages.flatMap((file) =>
      Array.from(
        readFileSync(join(root, file), "utf8").matchAll(/vitest run[^`]*?(test\/\S+\.test\.ts)/g),
        ([, test = ""]) => ({
          file,
          test
        })
      )
    )
    assert.isAtLeast(named.length, 3)
    for (const { file, test } of named) {
      assert.isTrue(existsSync(join(root, test)), `${test} in ${file}`)
    }
  })

  it("has npm scripts that there are", () => {
    const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
    const named = pages.flatMap((file) =>
      Array.from(readFileSync(join(root, file), "utf8").matchAll(/npm run ([\w:]+)/g), ([, script = ""]) => script)
    )
    assert.isAtLeast(named.length, 5)
    assert.deepStrictEqual(
      named.filter((script) => scripts[script] === undefined),
      []
    )
  })

  it("has examples that compile", () => {
    const all = [...files("src", ".ts"), ...files("docs", ".md"), "README.md"].flatMap(examples)
    assert.isTrue(all.length >= 10, `${all.length} examples`)
    assert.deepStrictEqual(problems(all), [])
  })

  it("finds an example that does not compile", () => {
    const wrong = {
      path: join(root, "test", "wrong.ts"),
      code: `import { TokenCache } from "effect-token-cache"\nTokenCache.tokn("line")\n`
    }
    assert.lengthOf(problems([wrong]), 1)
  })
})
