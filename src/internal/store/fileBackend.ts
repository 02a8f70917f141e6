import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type Backend, isGeneration, type Key, type StoreError } from "./backend.js"
import * as NumberedFiles from "./numberedFiles.js"

/**
 * Makes a backend in files.
 *
 * Each lease of a group has a number, one above the last. To acquire it is to create the file of that number, which only
 * one process can do. Its holder writes tokens and secrets under the same number, and the highest number counts: what a
 * process writes late, after it has lost its lease, is never read.
 *
 * - `<group>.<number>.lease` says who holds the lease and until when.
 * - `<group>.<id>.<number>.token` is a token.
 * - `<group>.<number>.secret` is the secret of a group.
 */
export const make = (directory: string): Effect.Effect<Backend, StoreError, FileSystem.FileSystem | Path.Path> =>
  Effect.map(NumberedFiles.make(directory), (files) => {
    const { asHolder, ...leases } = makeLeases(files)
    return { ...leases, ...makeTokens(files, asHolder), ...makeSecrets(files, asHolder) }
  })

/** Does what only the holder of a lease may do, and otherwise gives `false`. */
type AsHolder = (
  group: string,
  owner: string,
  act: (lease: NumberedFiles.NumberedFile) => Effect.Effect<boolean, StoreError>
) => Effect.Effect<boolean, StoreError>

const makeLeases = (
  files: NumberedFiles.NumberedFiles
): Pick<Backend, "acquire" | "renew" | "release"> & { readonly asHolder: AsHolder } => {
  const asHolder: AsHolder = (group, owner, act) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const lease = yield* files.latest(group, "lease")
      return Option.isSome(lease) && lease.value.value === owner && lease.value.until > now
        ? yield* act(lease.value)
        : false
    })
  return {
    asHolder,
    acquire: (group, owner, timeToLive) =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        const last = yield* files.latest(group, "lease")
        if (Option.isSome(last) && last.value.until > now && last.value.until <= now + timeToLive) {
          return false
        }
        const number = Option.match(last, { onNone: () => 1, onSome: (last) => last.number + 1 })
        const lease = {
          prefix: group,
          number,
          kind: "lease",
          value: owner,
          generation: 0,
          until: now + timeToLive
        } as const
        if (!(yield* files.create(lease))) {
          return false
        }
        // A process that was stopped before it created the file may be late: the number has been used since, and removed.
        const [highest = number] = yield* files.numbers(group, "lease")
        if (highest > number) {
          return false
        }
        yield* files.removeBelow(lease)
        return true
      }),
    renew: (group, owner, timeToLive) =>
      asHolder(group, owner, (lease) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) =>
          Effect.as(files.save({ ...lease, until: now + timeToLive }), true)
        )
      ),
    // The file stays, so that the next lease gets a higher number.
    release: (group, owner) =>
      Effect.asVoid(asHolder(group, owner, (lease) => Effect.as(files.save({ ...lease, value: "", until: 0 }), true)))
  }
}

const makeTokens = (
  files: NumberedFiles.NumberedFiles,
  asHolder: AsHolder
): Pick<Backend, "read" | "write" | "remove" | "changes"> => {
  const find = (prefix: string) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Effect.map(
        files.latest(prefix, "token"),
        Option.filter((file) => file.until > now && isGeneration(file.generation))
      )
    )
  return {
    read: (key) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Effect.map(
          find(prefixOf(key)),
          Option.map(({ generation, until, value }) => ({ generation, value, timeToLive: until - now }))
        )
      ),
    write: (key, owner, { generation, timeToLive, value }) =>
      asHolder(key.group, owner, ({ number }) =>
        Effect.gen(function* () {
          const prefix = prefixOf(key)
          const stored = yield* find(prefix)
          if (Option.isSome(stored) && stored.value.generation >= generation) {
            return false
          }
          const until = (yield* Clock.currentTimeMillis) + timeToLive
          const file = { prefix, number, kind: "token", value, generation, until } as const
          yield* files.save(file)
          yield* files.removeBelow(file)
          return true
        })
      ),
    remove: (key, generation) =>
      Effect.flatMap(find(prefixOf(key)), (stored) =>
        Option.isSome(stored) && stored.value.generation === generation
          ? files.save({ ...stored.value, value: "" })
          : Effect.void
      ),
    changes: files.touched.pipe(
      Stream.filterMap((file) => (file.kind === "token" ? parsePrefix(file.prefix) : Option.none())),
      Stream.mapEffect((key) =>
        find(prefixOf(key)).pipe(
          Effect.map(Option.map(({ generation }) => ({ key, generation }))),
          Effect.orElseSucceed(Option.none)
        )
      ),
      Stream.filterMap((change) => change),
      // Without changes, the tokens of other processes are noticed when a token is due.
      Stream.catchAll(() => Stream.empty)
    )
  }
}

const makeSecrets = (
  files: NumberedFiles.NumberedFiles,
  asHolder: AsHolder
): Pick<Backend, "readSecret" | "writeSecret"> => ({
  readSecret: (group) =>
    Effect.map(
      files.latest(group, "secret"),
      Option.map(({ value }) => value)
    ),
  writeSecret: (group, owner, value) =>
    asHolder(group, owner, ({ number }) =>
      Effect.gen(function* () {
        const file = { prefix: group, number, kind: "secret", value, generation: 0, until: 0 } as const
        yield* files.save(file)
        yield* files.removeBelow(file)
        return true
      })
    )
})

const prefixOf = ({ group, id }: Key): string => `${group}.${id}`

const parsePrefix = (prefix: string): Option.Option<Key> => {
  const [, group, id] = /^([\w-]+)\.([\w-]+)$/.exec(prefix) ?? []
  return group === undefined || id === undefined ? Option.none() : Option.some({ group, id })
}
