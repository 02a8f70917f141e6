import { fileURLToPath } from "node:url"
import ts from "typescript"
import { assert, describe, it } from "vitest"

const root = fileURLToPath(new URL("..", import.meta.url))

const { compilerOptions } = ts.readConfigFile(`${root}tsconfig.json`, ts.sys.readFile).config
const { options } = ts.convertCompilerOptionsFromJson(compilerOptions, root)

/** The public modules: what package.json exports. */
const modules = (Object.values(compilerOptions.paths) as ReadonlyArray<ReadonlyArray<string>>).map(
  ([file = ""]) => `${root}${file}`
)

type Documented = ts.Node & { readonly name?: ts.Node | undefined }

const isMember = (node: ts.Node): node is Documented =>
  ts.isPropertySignature(node) ||
  ts.isMethodSignature(node) ||
  ts.isPropertyDeclaration(node) ||
  ts.isMethodDeclaration(node)

const isDocumentable = (node: ts.Node): node is Documented =>
  ts.isVariableDeclaration(node) ||
  ts.isFunctionDeclaration(node) ||
  ts.isClassDeclaration(node) ||
  ts.isInterfaceDeclaration(node) ||
  ts.isTypeAliasDeclaration(node)

/** Where the comment of a declaration stands: that of a `const` is before the keyword. */
const commented = (node: ts.Node): ts.Node => (ts.isVariableDeclaration(node) ? node.parent.parent : node)

const textOf = (node: ts.Node): string =>
  ts
    .getJSDocCommentsAndTags(commented(node))
    .filter(ts.isJSDoc)
    .map(({ comment }) => ts.getTextOfJSDocComment(comment) ?? "")
    .join("\n")

const isInternal = (node: ts.Node): boolean =>
  ts.getJSDocTags(commented(node)).some(({ tagName }) => tagName.text === "internal")

/** A hover on an overload shows its own comment, and one on its implementation is never seen. */
const isImplementation = (node: ts.Node): boolean =>
  ts.isMethodDeclaration(node) &&
  ts.isClassDeclaration(node.parent) &&
  node.body !== undefined &&
  node.parent.members.some((other) => other !== node && other.name?.getText() === node.name.getText())

/** The exported names of the modules, and their members, whose comment is missing or is not a sentence. */
const undocumented = (files: ReadonlyArray<string>, host?: ts.CompilerHost): ReadonlyArray<string> => {
  const program = ts.createProgram(files, options, host)
  const checker = program.getTypeChecker()
  const found = new Set<string>()

  const check = (node: Documented, path: string): void => {
    if (isInternal(node)) {
      return
    }
    const [text = ""] = textOf(node).trim().split("\n\n")
    const isSentence = /^[A-Z`][\s\S]*[.:]$/.test(text)
    if (!isImplementation(node) && node.name?.getText() !== "_tag" && !isSentence) {
      found.add(`${path}: ${text === "" ? "no comment" : text}`)
    }
    members(node, path)
  }

  /** Looks at all that a declaration says of types, and at no code. */
  const members = (node: ts.Node, path: string): void => {
    ts.forEachChild(node, (child) => {
      if (isMember(child)) {
        check(child, `${path}.${child.name?.getText()}`)
      } else if (!ts.isBlock(child) && !ts.isCallExpression(child) && !ts.isObjectLiteralExpression(child)) {
        members(child, path)
      }
    })
  }

  for (const file of files) {
    const source = program.getSourceFile(file)
    const module = source && checker.getSymbolAtLocation(source)
    for (const exported of module === undefined ? [] : checker.getExportsOfModule(module)) {
      const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported
      for (const declaration of symbol.declarations ?? []) {
        if (isDocumentable(declaration)) {
          check(declaration, `${file.slice(root.length)} ${exported.name}`)
        }
      }
    }
  }
  return [...found]
}

describe("every public name, option and field", () => {
  it("has a comment of its own, which is a sentence", () => {
    assert.deepStrictEqual(undocumented(modules), [])
  })

  it("is missed where it is absent or a fragment", () => {
    const file = `${root}test/undocumented.ts`
    const code = `
      /** Says what a thing is made of. */
      export interface Options {
        readonly none: string
        /** a fragment */
        readonly fragment: { readonly inside: string }
        /** How long it takes. Default: 1 second. */
        readonly sentence: string
      }
      /** Makes a thing. */
      export const make = (options: { readonly width: number }): Options | undefined => undefined
      /** @internal */
      export const forOthers = 1
      export class Thing {
        readonly size = 1
      }`
    const host = ts.createCompilerHost(options)
    const { getSourceFile } = host
    host.getSourceFile = (path, language) =>
      path === file ? ts.createSourceFile(path, code, language, true) : getSourceFile(path, language)
    assert.deepStrictEqual(
      undocumented([file], host).map((line) => line.replace(/^test\/undocumented.ts /, "")),
      [
        "Options.none: no comment",
        "Options.fragment: a fragment",
        "Options.fragment.inside: no comment",
        "make.width: no comment",
        "Thing: no comment",
        "Thing.size: no comment"
      ]
    )
  })
})
