import ts from "typescript"

/** What is tried in place of a piece of code. A statement has one mutant, which leaves it out. */
export type Mutation =
  | { readonly _tag: "expression"; readonly replacements: ReadonlyArray<string> }
  | { readonly _tag: "statement" }
  | { readonly _tag: "block" }

const comparisons: ReadonlyMap<ts.SyntaxKind, { readonly boundary: ReadonlyArray<string>; readonly negation: string }> =
  new Map([
    [ts.SyntaxKind.LessThanToken, { boundary: ["<="], negation: ">=" }],
    [ts.SyntaxKind.LessThanEqualsToken, { boundary: ["<"], negation: ">" }],
    [ts.SyntaxKind.GreaterThanToken, { boundary: [">="], negation: "<=" }],
    [ts.SyntaxKind.GreaterThanEqualsToken, { boundary: [">"], negation: "<" }],
    [ts.SyntaxKind.EqualsEqualsEqualsToken, { boundary: [], negation: "!==" }],
    [ts.SyntaxKind.ExclamationEqualsEqualsToken, { boundary: [], negation: "===" }]
  ])

const arithmetic: ReadonlyMap<ts.SyntaxKind, string> = new Map([
  [ts.SyntaxKind.PlusToken, "-"],
  [ts.SyntaxKind.MinusToken, "+"],
  [ts.SyntaxKind.AsteriskToken, "/"],
  [ts.SyntaxKind.SlashToken, "*"],
  [ts.SyntaxKind.AsteriskAsteriskToken, "*"],
  [ts.SyntaxKind.PlusEqualsToken, "-="],
  [ts.SyntaxKind.MinusEqualsToken, "+="]
])

const logical = [
  ts.SyntaxKind.AmpersandAmpersandToken,
  ts.SyntaxKind.BarBarToken,
  ts.SyntaxKind.QuestionQuestionToken
] as const

const functions: ReadonlyMap<string, string> = new Map([
  ["Math.max", "Math.min"],
  ["Math.min", "Math.max"],
  ["Math.ceil", "Math.floor"],
  ["Math.floor", "Math.ceil"]
])

/** Says what is tried in place of a node, if anything is. */
export const mutationOf = (node: ts.Node): Mutation | undefined => {
  if (ts.isExpressionStatement(node)) {
    return { _tag: "statement" }
  }
  if (ts.isBlock(node)) {
    return isLongBody(node) ? { _tag: "block" } : undefined
  }
  if (!ts.isExpression(node)) {
    return undefined
  }
  const replacements = [...ofValue(node), ...ofPlace(node)]
  return replacements.length === 0 ? undefined : { _tag: "expression", replacements }
}

/** What leaves out the one statement of a body, or what a function returns at its end, leaves out the body as well. */
const isLongBody = ({ parent, statements }: ts.Block): boolean =>
  statements.length > 1 &&
  !ts.isReturnStatement(statements[statements.length - 1]!) &&
  (ts.isFunctionLike(parent) || ts.isForOfStatement(parent))

/** What is tried because of what the expression is. */
const ofValue = (node: ts.Expression): ReadonlyArray<string> => {
  if (ts.isBinaryExpression(node)) {
    return ofBinary(node)
  }
  if (ts.isNumericLiteral(node) || ts.isBigIntLiteral(node)) {
    return ofNumber(node.getText())
  }
  if (ts.isStringLiteral(node)) {
    return ofDuration(node.text)
  }
  if (ts.isPrefixUnaryExpression(node)) {
    return ofPrefix(node)
  }
  if (ts.isPostfixUnaryExpression(node)) {
    return [`${node.operand.getText()}${node.operator === ts.SyntaxKind.PlusPlusToken ? "--" : "++"}`]
  }
  if (ts.isCallExpression(node)) {
    const callee = node.expression.getText()
    const other = functions.get(callee)
    return other === undefined ? [] : [other + node.getText().slice(callee.length)]
  }
  return node.kind === ts.SyntaxKind.TrueKeyword ? ["false"] : node.kind === ts.SyntaxKind.FalseKeyword ? ["true"] : []
}

/** What is tried because of where the expression stands: a condition is decided, and what a function gives is dropped. */
const ofPlace = (node: ts.Expression): ReadonlyArray<string> => {
  const { parent } = node
  if (isCondition(node)) {
    // A loop that never ends says nothing about the tests.
    return ts.isForStatement(parent) || ts.isWhileStatement(parent) ? ["false"] : ["true", "false"]
  }
  const isResult =
    (ts.isReturnStatement(parent) && parent.expression === node) || (ts.isArrowFunction(parent) && parent.body === node)
  return isResult && !["undefined", "true", "false"].includes(node.getText()) ? ["undefined"] : []
}

const isCondition = (node: ts.Expression): boolean => {
  const { parent } = node
  return (
    ((ts.isIfStatement(parent) || ts.isWhileStatement(parent)) && parent.expression === node) ||
    ((ts.isConditionalExpression(parent) || ts.isForStatement(parent)) && parent.condition === node)
  )
}

const ofBinary = (node: ts.BinaryExpression): ReadonlyArray<string> => {
  const left = node.left.getText()
  const right = node.right.getText()
  const operator = node.operatorToken.kind
  const comparison = comparisons.get(operator)
  if (comparison !== undefined) {
    // In a condition, `true` and `false` say all that a negation would.
    const others = isCondition(node) ? comparison.boundary : [...comparison.boundary, comparison.negation]
    return others.map((other) => `${left} ${other} ${right}`)
  }
  if (logical.some((kind) => kind === operator)) {
    // Whoever tells each operand from the whole tells `&&` from `||` as well.
    return [left, right]
  }
  const other = arithmetic.get(operator)
  return other === undefined || isText(node.left) || isText(node.right) ? [] : [`${left} ${other} ${right}`]
}

const isText = (node: ts.Expression): boolean => ts.isStringLiteralLike(node) || ts.isTemplateExpression(node)

const ofNumber = (text: string): ReadonlyArray<string> => {
  const [suffix, number] = text.endsWith("n") ? ["n", text.slice(0, -1)] : ["", text]
  const value = Number(number.replaceAll("_", ""))
  return value === 0 ? [`1${suffix}`] : value === 1 ? [`0${suffix}`, `2${suffix}`] : [`${value * 2}${suffix}`]
}

/** Of all texts, only durations are changed: a message may say what it likes. */
const ofDuration = (text: string): ReadonlyArray<string> => {
  const [, count, unit] = /^(\d+) ((?:milli|second|minute|hour|day)s?)$/.exec(text) ?? []
  return count === undefined ? [] : [`"${2 * Number(count)} ${unit}"`]
}

const ofPrefix = ({ operand, operator }: ts.PrefixUnaryExpression): ReadonlyArray<string> =>
  operator === ts.SyntaxKind.ExclamationToken || operator === ts.SyntaxKind.MinusToken ? [operand.getText()] : []
