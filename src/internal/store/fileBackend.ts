import type * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { type Backend, type Key, StoreError } from "./backend.js"

/**
 * Each lease of a group has a number, one above the last: to take it is to create the file of that number, which one
 * process alone can. Who holds it writes values under the same number, and the highest number counts: what a process
 * writes late, after it has lost its lease, is not looked at.
 *
 * - `<group>.<number>.lease`: who holds it, until when
 * - `<group>.<id>.<number>.token`: a value
 * - `<group>.<number>.secret`
 */
export const make = (directory: string): Effect.Effect<Backend, StoreError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    yield* fs.makeDirectory(directory, { recursive: true, mode: 0o700 }).pipe(Effect.mapError(toStoreError))

    const inDirectory = (name: string) => path.join(directory, name)

    /** Of the files `<prefix>.<number>.<kind>`, by their numbers, the highest first. */
    const list = (prefix: string, kind: Kind) =>
      Effect.map(fs.readDirectory(directory), (names) =>
        names
          .map((name) => ({ name, number: numberOf(name, prefix, kind) }))
          .filter((file): file is File => file.number !== undefined)
          .sort((a, b) => b.number - a.number)
      )

    const load = (name: string) => Effect.map(fs.readFileString(inDirectory(name)), decode)

    /** The file of the highest number. One that is replaced while it is read is looked for again. */
    const latest = (
      prefix: string,
      kind: Kind
    ): Effect.Effect<Option.Option<Content & File>, PlatformError.PlatformError> =>
      Effect.flatMap(list(prefix, kind), ([file]) =>
        file === undefined
          ? Effect.succeedNone
          : load(file.name).pipe(
              Effect.map((content) => Option.some({ ...file, ...content })),
              Effect.catchIf(isNotFound, () => latest(prefix, kind))
            )
      )

    /** Nobody sees a file that is half written: it gets its name when it is complete. */
    const save = (
      name: string,
      content: Content,
      place: (temporary: string, final: string) => Effect.Effect<void, PlatformError.PlatformError> = fs.rename
    ) =>
      Effect.suspend(() => {
        const temporary = inDirectory(`${name}.${crypto.randomUUID()}.tmp`)
        return fs.writeFileString(temporary, JSON.stringify(content), { flag: "wx", mode: 0o600 }).pipe(
          Effect.zipRight(place(temporary, inDirectory(name))),
          Effect.onError(() => Effect.ignore(fs.remove(temporary)))
        )
      })

    /** The same for a name that must not be there yet. */
    const create = (name: string, content: Content) =>
      save(name, content, (temporary, final) => Effect.zipRight(fs.link(temporary, final), fs.remove(temporary)))

    const removeBelow = (prefix: string, kind: Kind, number: number) =>
      Effect.flatMap(list(prefix, kind), (files) =>
        Effect.forEach(
          files.filter((file) => file.number < number),
          ({ name }) => fs.remove(inDirectory(name)),
          { discard: true }
        )
      ).pipe(Effect.ignore)

    /** The lease, if this owner holds it. */
    const held = (group: string, owner: string) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Effect.map(
          latest(group, "lease"),
          Option.filter((lease) => lease.value === owner && lease.until > now)
        )
      )

    /** Does what only the holder of the lease may. */
    const asHolder = (
      group: string,
      owner: string,
      act: (lease: File) => Effect.Effect<boolean, PlatformError.PlatformError>
    ) => Effect.flatMap(held(group, owner), Option.match({ onNone: () => Effect.succeed(false), onSome: act }))

    const readToken = ({ group, id }: Key) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Effect.map(
          latest(`${group}.${id}`, "token"),
          Option.filter((file) => file.until > now)
        )
      )

    return {
      read: (key) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) =>
          Effect.map(
            readToken(key),
            Option.map(({ generation, until, value }) => ({ generation, value, timeToLive: until - now }))
          )
        ).pipe(Effect.mapError(toStoreError)),
      write: (key, owner, { generation, timeToLive, value }) =>
        asHolder(key.group, owner, ({ number }) =>
          Effect.gen(function* () {
            const stored = yield* readToken(key)
            if (Option.isSome(stored) && stored.value.generation >= generation) {
              return false
            }
            const until = (yield* Clock.currentTimeMillis) + timeToLive
            const name = `${key.group}.${key.id}`
            yield* save(`${name}.${number}.token`, { value, generation, until })
            yield* removeBelow(name, "token", number)
            return true
          })
        ).pipe(Effect.mapError(toStoreError)),
      remove: (key, generation) =>
        Effect.flatMap(readToken(key), (stored) =>
          Option.isSome(stored) && stored.value.generation === generation
            ? save(stored.value.name, { value: "", generation, until: stored.value.until })
            : Effect.void
        ).pipe(Effect.mapError(toStoreError)),
      acquire: (group, owner, timeToLive) =>
        Effect.gen(function* () {
          const now = yield* Clock.currentTimeMillis
          const last = yield* latest(group, "lease")
          if (Option.isSome(last) && last.value.until > now) {
            return false
          }
          const number = Option.match(last, { onNone: () => 1, onSome: ({ number }) => number + 1 })
          yield* create(`${group}.${number}.lease`, { value: owner, generation: 0, until: now + timeToLive })
          // Who was stopped before it created the file may be late: its number has been used, and removed.
          const [highest] = yield* list(group, "lease")
          if (highest !== undefined && highest.number > number) {
            return false
          }
          yield* removeBelow(group, "lease", number)
          return true
        }).pipe(
          Effect.catchIf(isTaken, () => Effect.succeed(false)),
          Effect.mapError(toStoreError)
        ),
      renew: (group, owner, timeToLive) =>
        asHolder(group, owner, ({ name }) =>
          Effect.flatMap(Clock.currentTimeMillis, (now) =>
            Effect.as(save(name, { value: owner, generation: 0, until: now + timeToLive }), true)
          )
        ).pipe(Effect.mapError(toStoreError)),
      // The file stays, so that the next lease has a number above.
      release: (group, owner) =>
        asHolder(group, owner, ({ name }) => Effect.as(save(name, { value: "", generation: 0, until: 0 }), true)).pipe(
          Effect.asVoid,
          Effect.mapError(toStoreError)
        ),
      changes: fs.watch(directory).pipe(
        Stream.filterMap(({ path: file }) => parseTokenName(path.basename(file))),
        Stream.mapEffect((key) =>
          readToken(key).pipe(
            Effect.map(Option.map(({ generation }) => ({ key, generation }))),
            Effect.orElseSucceed(Option.none)
          )
        ),
        Stream.filterMap((change) => change),
        // Without them, other processes are noticed when a token is due.
        Stream.catchAll(() => Stream.empty)
      ),
      readSecret: (group) =>
        Effect.map(
          latest(group, "secret"),
          Option.map(({ value }) => value)
        ).pipe(Effect.mapError(toStoreError)),
      writeSecret: (group, owner, value) =>
        asHolder(group, owner, ({ number }) =>
          Effect.as(
            Effect.zipRight(
              save(`${group}.${number}.secret`, { value, generation: 0, until: 0 }),
              removeBelow(group, "secret", number)
            ),
            true
          )
        ).pipe(Effect.mapError(toStoreError))
    }
  })

type Kind = "lease" | "token" | "secret"

interface File {
  readonly name: string
  readonly number: number
}

interface Content {
  readonly value: string
  readonly generation: number
  /** Epoch milliseconds. */
  readonly until: number
}

const Content = Schema.parseJson(
  Schema.Struct({ value: Schema.String, generation: Schema.Finite, until: Schema.Finite })
)

/** What cannot be read, such as a file that was cut off when the power failed, is as good as empty. */
const decode = (text: string): Content =>
  Option.getOrElse(Schema.decodeOption(Content)(text), () => ({ value: "", generation: 0, until: 0 }))

const numberOf = (name: string, prefix: string, kind: Kind): number | undefined => {
  const [, digits] = name.startsWith(`${prefix}.`) ? (/^(\d+)\.(\w+)$/.exec(name.slice(prefix.length + 1)) ?? []) : []
  return digits !== undefined && name.endsWith(`.${kind}`) ? Number(digits) : undefined
}

const parseTokenName = (name: string): Option.Option<Key> => {
  const [, group, id] = /^([\w-]+)\.([\w-]+)\.\d+\.token$/.exec(name) ?? []
  return group === undefined || id === undefined ? Option.none() : Option.some({ group, id })
}

const isNotFound = (error: PlatformError.PlatformError): boolean =>
  error._tag === "SystemError" && error.reason === "NotFound"

const isTaken = (error: PlatformError.PlatformError): boolean =>
  error._tag === "SystemError" && error.reason === "AlreadyExists"

/** Without the path. */
const toStoreError = (error: PlatformError.PlatformError): StoreError =>
  new StoreError({
    message: error._tag === "SystemError" ? `the file system says ${error.reason}` : "a path is not valid"
  })
