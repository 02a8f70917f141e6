import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import * as NumberedFiles from "../../src/internal/store/numberedFiles.js"

const token = (number: number, value: string): NumberedFiles.NumberedFile => ({
  prefix: "group.id",
  number,
  kind: "token",
  value,
  generation: number,
  until: 9
})

const inDirectory = (
  use: (files: NumberedFiles.NumberedFiles, directory: string) => Effect.Effect<void, unknown>
): Effect.Effect<void> =>
  Effect.acquireUseRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "numbered-"))),
    (directory) =>
      Effect.flatMap(Effect.provide(NumberedFiles.make(directory), NodeContext.layer), (files) =>
        use(files, directory)
      ),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
  ).pipe(Effect.orDie)

describe("numbered files", () => {
  it.effect("count by number, not by text", () =>
    inDirectory((files) =>
      Effect.gen(function* () {
        for (const number of [9, 100, 10]) yield* files.save(token(number, `value ${number}`))
        assert.deepStrictEqual(yield* files.numbers("group.id", "token"), [100, 10, 9])
        assert.deepStrictEqual(yield* files.latest("group.id", "token"), Option.some(token(100, "value 100")))
      })
    )
  )

  it.effect("ignore the names that they do not write themselves", () =>
    inDirectory((files, directory) =>
      Effect.gen(function* () {
        yield* files.save(token(1, "mine"))
        for (const name of [
          "group.id.007.token",
          "group.id.0.token",
          "group.id.99999999999999999999.token",
          "group.id.2.token.tmp",
          "group.id.2.other",
          "group.id.-2.token",
          "group.id.more.2.token",
          "notes.txt"
        ]) {
          writeFileSync(join(directory, name), "")
        }
        assert.deepStrictEqual(yield* files.latest("group.id", "token"), Option.some(token(1, "mine")))
      })
    )
  )

  it.effect("are created by one alone, and leave nothing else behind", () =>
    inDirectory((files, directory) =>
      Effect.gen(function* () {
        const created = yield* Effect.forEach(["a", "b", "c"], (value) => files.create(token(1, value)), {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(created.filter((created) => created).length, 1)
        assert.deepStrictEqual(readdirSync(directory), ["group.id.1.token"])
      })
    )
  )

  it.effect("are removed below a number", () =>
    inDirectory((files, directory) =>
      Effect.gen(function* () {
        for (const number of [1, 2, 3]) yield* files.save(token(number, ""))
        yield* files.removeBelow(token(2, ""))
        assert.deepStrictEqual(readdirSync(directory), ["group.id.2.token", "group.id.3.token"])
      })
    )
  )
})
