import ts from "typescript"
import { mutationOf } from "./mutators.js"

/** One change to one file. */
export interface Mutant {
  /** Its number among the mutants of all files. */
  readonly id: number
  /** The path of the file from the root of the repository. */
  readonly file: string
  readonly line: number
  /** The line of code, by which a survivor is found again when lines are added above it. */
  readonly code: string
  readonly original: string
  readonly mutated: string
  /** Whether the code runs once, when its module is loaded. */
  readonly isStatic: boolean
}

/** A file that holds all of its mutants at once. */
export interface Instrumented {
  readonly text: string
  readonly mutants: ReadonlyArray<Mutant>
}

/** The key of the function that says whether a mutant is the one that is tried, in the global object. */
export const switchKey = "effect-token-cache/mutants"

/**
 * Puts all mutants into the text of a file, each beside the code that it replaces: `($m(7) ? mutated : original)`. So
 * the next mutant needs no module to be loaded again.
 */
export const instrument = (file: string, text: string, firstId: number): Instrumented => {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
  const lines = text.split("\n")
  const mutants: Array<Mutant> = []

  const add = (node: ts.Node, mutated: string): number => {
    const { line } = source.getLineAndCharacterOfPosition(node.getStart())
    const id = firstId + mutants.length
    mutants.push({
      id,
      file,
      line: line + 1,
      code: (lines[line] ?? "").trim(),
      original: inOneLine(node.getText()),
      mutated: inOneLine(mutated),
      isStatic: isStatic(node)
    })
    return id
  }

  const emit = (node: ts.Node): string => {
    if (ts.isTypeNode(node) || ts.isImportDeclaration(node) || ts.isInterfaceDeclaration(node)) {
      return node.getText()
    }
    const mutation = mutationOf(node)
    switch (mutation?._tag) {
      case undefined:
        return children(node)
      case "statement":
        return `if (!$m(${add(node, "")})) { ${children(node)}\n}`
      case "block":
        return `{ if (!$m(${add(node, "{}")})) ${children(node)}\n}`
      case "expression": {
        const tests = mutation.replacements.map((mutated) => `$m(${add(node, mutated)}) ? (${mutated}) : `)
        return `(${tests.join("")}(${children(node)}))`
      }
    }
  }

  /** The text of a node, with the mutants of what is in it. */
  const children = (node: ts.Node): string => {
    let result = ""
    let at = node.getStart()
    ts.forEachChild(node, (child) => {
      result += text.slice(at, child.getStart()) + emit(child)
      at = child.end
    })
    return result + text.slice(at, node.end)
  }

  const body = children(source)
  return { text: `const $m = globalThis[Symbol.for(${JSON.stringify(switchKey)})];\n${body}`, mutants }
}

const isStatic = (node: ts.Node): boolean =>
  ts.findAncestor(node, (ancestor) => ancestor !== node && ts.isFunctionLike(ancestor)) === undefined

const longest = 100

const inOneLine = (code: string): string => {
  const line = code.replaceAll(/\s+/g, " ")
  return line.length > longest ? `${line.slice(0, longest)}...` : line
}
