import { readdirSync, readFileSync } from "node:fs"
import { posix } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import ts from "typescript"

const src = fileURLToPath(new URL("../src/", import.meta.url))

/**
 * Whom the files of a room may import, besides each other: rooms of `src/internal`, public modules, and packages. What
 * lies in `src/internal` itself are leaves, which each room may import.
 */
const rooms: Readonly<Record<string, ReadonlyArray<string>>> = {
  http: ["TokenError", "effect", "@effect/platform"],
  store: ["TokenError", "effect", "@effect/platform", "ioredis", "node:crypto"],
  cache: ["TokenError", "IssuedToken", "RefreshPolicy", "TokenSource", "TokenStatus", "effect", "flatqueue"],
  sharing: ["cache", "TokenError", "IssuedToken", "TokenSource", "TokenStore", "effect"],
  line: [
    "http",
    "LineAssertion",
    "TokenError",
    "IssuedToken",
    "TokenSource",
    "effect",
    "@effect/platform",
    "jose",
    "node:crypto"
  ],
  oauth2: [
    ...["http", "TokenError", "IssuedToken", "RefreshPolicy", "TokenSource", "TokenStore"],
    ...["effect", "@effect/platform", "jose", "node:crypto", "oauth4webapi"]
  ],
  bearer: ["http", "TokenCache", "TokenError", "effect", "@effect/platform"],
  metrics: ["cache", "TokenCache", "TokenStatus", "effect"],
  statusPage: ["metrics", "TokenCache", "TokenError", "TokenStatus", "effect", "@effect/platform"]
}

/** The leaves of `src/internal`, and what they may import; they import each other as well. */
const leaves = ["TokenError", "TokenStatus", "effect", "jose", "node:crypto"]

/** The rooms of a public module, which may import other public modules besides. */
const ownRooms: Readonly<Record<string, ReadonlyArray<string>>> = {
  BearerClient: ["bearer"],
  LineAssertion: ["line"],
  LineChannel: ["line"],
  LineMessaging: ["line", "http"],
  OAuth2: ["oauth2"],
  StatusPage: ["statusPage", "metrics"],
  TokenCache: ["cache", "layer"],
  TokenMetrics: ["metrics"],
  TokenStore: ["store"],
  TokenStoreRedis: ["store"],
  testing: ["store", "http"]
}

const importsOf = (code: string): ReadonlyArray<string> =>
  ts.createSourceFile("source.ts", code, ts.ScriptTarget.Latest).statements.flatMap((statement) => {
    if (!ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement)) {
      return []
    }
    const { moduleSpecifier } = statement
    return moduleSpecifier !== undefined && ts.isStringLiteral(moduleSpecifier) ? [moduleSpecifier.text] : []
  })

/** `cache` for a file of that room, `leaf` for one of `src/internal` itself, `TokenCache` for a public module. */
const placeOf = (file: string): string => {
  const [first = "", room = "", ...rest] = file.replace(/\.ts$/, "").split("/")
  return first !== "internal" ? first : rest.length > 0 ? room : room === "layer" ? "layer" : "leaf"
}

/** What an import names: a place, or a package. */
const targetOf = (file: string, specifier: string): string =>
  specifier.startsWith(".")
    ? placeOf(posix.join(posix.dirname(file), specifier).replace(/\.js$/, ".ts"))
    : (/^(@[^/]+\/[^/]+|node:\w+|[^/]+)/.exec(specifier)?.[0] ?? specifier)

/** The imports of a file that the rule does not allow. */
const violations = (file: string, code: string): ReadonlyArray<string> => {
  const place = placeOf(file)
  const allowed = place === "leaf" ? leaves : rooms[place]
  return importsOf(code)
    .map((specifier) => targetOf(file, specifier))
    .filter((target) =>
      place === "layer" || target === place
        ? false
        : allowed === undefined
          ? (target in rooms || target === "layer") && !(ownRooms[place] ?? []).includes(target)
          : target !== "leaf" && !allowed.includes(target)
    )
    .map((target) => `${file} imports ${target}`)
}

const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"))

describe("the rooms of src", () => {
  it("import what they may", () => {
    assert.isAtLeast(files.length, 100)
    assert.deepStrictEqual(
      files.flatMap((file) => violations(file, readFileSync(src + file, "utf8"))),
      []
    )
  })

  it("are all of the folders of src/internal", () => {
    const folders = readdirSync(`${src}internal`, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
    assert.sameMembers(folders, Object.keys(rooms))
  })

  it.each([
    ["internal/cache/entry.ts", `import type { Lease } from "../../TokenStore.js"`, "TokenStore"],
    ["internal/cache/entry.ts", `import * as Store from "../store/backend.js"`, "store"],
    ["internal/cache/entry.ts", `import * as Layer from "../layer.js"`, "layer"],
    ["internal/cache/entry.ts", `export * from "@effect/platform/HttpClient"`, "@effect/platform"],
    ["internal/http/exchange.ts", `import * as IssuedToken from "../../IssuedToken.js"`, "IssuedToken"],
    ["internal/oauth2/source.ts", `import type { Entry } from "../cache/entry.js"`, "cache"],
    ["internal/options.ts", `import * as Url from "./http/url.js"`, "http"],
    ["RefreshPolicy.ts", `import * as Next from "./internal/cache/nextAttempt.js"`, "cache"]
  ])("are guarded by a test that reports %s with %s", (file, code, target) => {
    assert.deepStrictEqual(violations(file, code), [`${file} imports ${target}`])
  })
})
