import type * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { StoreError } from "./backend.js"

/**
 * Files in one directory that replace one another: of those with one prefix and kind, the one with the highest number
 * counts. Nobody sees a file that is half written.
 */
export interface NumberedFiles {
  /** The numbers of the files that exist, the highest first. */
  readonly numbers: (prefix: string, kind: Kind) => Effect.Effect<ReadonlyArray<number>, StoreError>
  /** Reads the file with the highest number. */
  readonly latest: (prefix: string, kind: Kind) => Effect.Effect<Option.Option<NumberedFile>, StoreError>
  /** Writes a file, in place of one of the same name if there is one. */
  readonly save: (file: NumberedFile) => Effect.Effect<void, StoreError>
  /** Writes a file unless there is one of the same name. The result says whether it did. */
  readonly create: (file: NumberedFile) => Effect.Effect<boolean, StoreError>
  /** Deletes the files that this one has replaced, as far as that is possible. */
  readonly removeBelow: (file: FileName) => Effect.Effect<void>
  /** The names of files that any process writes or deletes, from the moment of the subscription. */
  readonly touched: Stream.Stream<FileName, StoreError>
}

export type Kind = "lease" | "token" | "secret"

/** The parts of a name, which is `<prefix>.<number>.<kind>`. */
export interface FileName {
  readonly prefix: string
  readonly number: number
  readonly kind: Kind
}

export interface NumberedFile extends FileName {
  readonly value: string
  readonly generation: number
  /** When the value expires, in epoch milliseconds. */
  readonly until: number
}

/** Opens the directory, which is created if it does not exist. It fails if others than the owner can write there. */
export const make = (directory: string): Effect.Effect<NumberedFiles, StoreError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    yield* fs.makeDirectory(directory, { recursive: true, mode: 0o700 }).pipe(Effect.mapError(toStoreError))
    const { mode } = yield* Effect.mapError(fs.stat(directory), toStoreError)
    // On Windows the mode says nothing about who can write.
    if (path.sep === "/" && (mode & 0o022) !== 0) {
      return yield* new StoreError({
        message: "group or others can write to the directory of the token store: give it to its owner with chmod 700"
      })
    }

    const pathOf = (file: FileName) => path.join(directory, nameOf(file))

    const numbers = (prefix: string, kind: Kind) =>
      Effect.map(fs.readDirectory(directory), (names) => numbersIn(names, prefix, kind))

    const latest = (
      prefix: string,
      kind: Kind
    ): Effect.Effect<Option.Option<NumberedFile>, PlatformError.PlatformError> =>
      Effect.flatMap(numbers(prefix, kind), ([number]) => {
        if (number === undefined) {
          return Effect.succeedNone
        }
        const name = { prefix, number, kind }
        return fs.readFileString(pathOf(name)).pipe(
          Effect.map((text) => Option.some({ ...name, ...decode(text) })),
          // It was replaced by the next one just now.
          Effect.catchIf(isNotFound, () => latest(prefix, kind))
        )
      })

    const write = (file: NumberedFile, place: Place) => writeFile(fs, pathOf(file), encode(file), place)

    return {
      numbers: (prefix, kind) => Effect.mapError(numbers(prefix, kind), toStoreError),
      latest: (prefix, kind) => Effect.mapError(latest(prefix, kind), toStoreError),
      save: (file) => Effect.mapError(write(file, fs.rename), toStoreError),
      create: (file) =>
        write(file, (temporary, final) => Effect.zipRight(fs.link(temporary, final), fs.remove(temporary))).pipe(
          Effect.as(true),
          Effect.catchIf(isTaken, () => Effect.succeed(false)),
          Effect.mapError(toStoreError)
        ),
      removeBelow: ({ kind, number, prefix }) =>
        Effect.flatMap(numbers(prefix, kind), (numbers) =>
          Effect.forEach(
            numbers.filter((other) => other < number),
            (number) => fs.remove(pathOf({ prefix, number, kind })),
            { discard: true }
          )
        ).pipe(Effect.ignore),
      touched: fs.watch(directory).pipe(
        Stream.filterMap((event) => parseName(path.basename(event.path))),
        Stream.mapError(toStoreError)
      )
    }
  })

/** Gives a file that is complete its final path. */
type Place = (temporary: string, final: string) => Effect.Effect<void, PlatformError.PlatformError>

const writeFile = (
  fs: FileSystem.FileSystem,
  final: string,
  text: string,
  place: Place
): Effect.Effect<void, PlatformError.PlatformError> =>
  Effect.suspend(() => {
    const temporary = `${final}.${crypto.randomUUID()}.tmp`
    return fs.writeFileString(temporary, text, { flag: "wx", mode: 0o600 }).pipe(
      Effect.zipRight(place(temporary, final)),
      Effect.onError(() => Effect.ignore(fs.remove(temporary)))
    )
  })

const nameOf = ({ kind, number, prefix }: FileName): string => `${prefix}.${number}.${kind}`

/** Takes a name apart. Numbers with leading zeros are not ours, and their files could not be found by their number. */
const parseName = (name: string): Option.Option<FileName> => {
  const [, prefix, digits, kind] = /^(.+)\.([1-9]\d{0,14})\.(\w+)$/.exec(name) ?? []
  return prefix !== undefined && (kind === "lease" || kind === "token" || kind === "secret")
    ? Option.some({ prefix, number: Number(digits), kind })
    : Option.none()
}

const numbersIn = (names: ReadonlyArray<string>, prefix: string, kind: Kind): ReadonlyArray<number> =>
  names
    .filter((name) => name.startsWith(`${prefix}.`))
    .flatMap((name) => Option.toArray(parseName(name)))
    .flatMap((file) => (file.prefix === prefix && file.kind === kind ? [file.number] : []))
    .sort((a, b) => b - a)

type Content = Pick<NumberedFile, "value" | "generation" | "until">

const ContentJson = Schema.parseJson(
  Schema.Struct({ value: Schema.String, generation: Schema.Finite, until: Schema.Finite })
)

const encode = ({ generation, until, value }: Content): string => JSON.stringify({ value, generation, until })

/** A file that cannot be read, such as one that was cut off when the power failed, counts as empty. */
const decode = (text: string): Content =>
  Option.getOrElse(Schema.decodeOption(ContentJson)(text), () => ({ value: "", generation: 0, until: 0 }))

const isNotFound = (error: PlatformError.PlatformError): boolean =>
  error._tag === "SystemError" && error.reason === "NotFound"

const isTaken = (error: PlatformError.PlatformError): boolean =>
  error._tag === "SystemError" && error.reason === "AlreadyExists"

/** Leaves out the path, which the error of the platform contains. */
const toStoreError = (error: PlatformError.PlatformError): StoreError =>
  new StoreError({
    message: error._tag === "SystemError" ? `the file system reported ${error.reason}` : "the path is not valid"
  })
