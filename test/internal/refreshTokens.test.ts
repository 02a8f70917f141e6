import { Option, Redacted } from "effect"
import { assert, describe, it } from "vitest"
import { login, mergeStored, onLoad, type RefreshTokens, replace } from "../../src/internal/oauth2/refreshTokens.js"

const token = (text: string) => Redacted.make(text)

/** The tokens that a server has given one after the other, the first of them by a login. */
const chain = (first: string, ...others: ReadonlyArray<string>) =>
  others.reduce((tokens, next) => replace(tokens, token(next)), login(token(first)))

const saved = (tokens: RefreshTokens): RefreshTokens => ({ ...tokens, unsaved: false })

const shown = ({ current, loaded, spent, unsaved }: RefreshTokens) => ({
  loaded: Redacted.value(loaded),
  current: Redacted.value(current),
  spent: spent.map(Redacted.value),
  unsaved
})

describe("the refresh tokens of a login", () => {
  it("begin with the one that is loaded", () => {
    assert.deepStrictEqual(shown(onLoad(undefined, token("a"))), {
      loaded: "a",
      current: "a",
      spent: [],
      unsaved: false
    })
  })

  it("stay when the same one is loaded again, and begin anew with another", () => {
    const tokens = chain("a", "b")
    assert.strictEqual(onLoad(tokens, token("a")), tokens)
    assert.deepStrictEqual(shown(onLoad(tokens, token("c"))), shown(login(token("c"))))
  })

  it("keep the first spent one and the last four", () => {
    assert.deepStrictEqual(shown(chain("a", "b", "c", "d", "e", "f", "g")), {
      loaded: "a",
      current: "g",
      spent: ["a", "c", "d", "e", "f"],
      unsaved: true
    })
  })
})

describe("mergeStored", () => {
  const table: ReadonlyArray<
    readonly [title: string, own: RefreshTokens, stored: RefreshTokens, current: string, unsaved: boolean]
  > = [
    ["follows the same login", chain("a"), chain("a", "b"), "b", false],
    [
      "follows the same login past what both remember",
      saved(chain("a", "b")),
      chain("a", "c", "d", "e", "f", "g", "h"),
      "h",
      false
    ],
    ["leaves the same token as it is", saved(chain("a", "b")), chain("a", "b"), "b", false],
    ["goes back to what is stored", saved(chain("a", "b", "c")), chain("a", "b"), "b", false],
    ["does not follow another login", chain("x"), chain("a", "b"), "x", false],
    ["keeps a token that only this process knows", chain("a", "b"), chain("a"), "b", true],
    ["keeps it although others went on", chain("a", "b"), chain("a", "c"), "b", true],
    ["has a token that is stored already still to save", chain("a", "b"), chain("a", "b"), "b", true],
    ["has none to save where others replaced it", chain("a", "b"), chain("a", "b", "c"), "c", false]
  ]

  it.each(table)("%s", (_, own, stored, current, unsaved) => {
    const merged = shown(mergeStored(own, Option.some(stored)))
    assert.deepStrictEqual([merged.current, merged.unsaved], [current, unsaved])
    assert.strictEqual(merged.loaded, shown(own).loaded)
  })

  it("changes nothing where nothing is stored", () => {
    const tokens = chain("a", "b")
    assert.strictEqual(mergeStored(tokens, Option.none()), tokens)
  })
})
