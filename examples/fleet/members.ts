import { fileURLToPath } from "node:url"
import { Command } from "@effect/platform"
import { Data, Effect, Schema, Stream } from "effect"
import { type Report, ReportLine } from "./report.js"

export class MemberEnded extends Data.TaggedError("MemberEnded")<{ readonly message: string }> {}

export interface Member {
  readonly name: string
  readonly kill: Effect.Effect<void>
  /** Fails when the process ends by itself. */
  readonly ended: Effect.Effect<never, MemberEnded>
}

const file = fileURLToPath(new URL("member.ts", import.meta.url))

/** Starts a process, which is stopped when the scope closes. */
export const startMember = (
  name: string,
  env: Readonly<Record<string, string>>,
  onReport: (report: Report) => Effect.Effect<void>
) =>
  Effect.gen(function* () {
    const { exitCode, kill, stdout } = yield* Command.make(process.execPath, ...process.execArgv, file).pipe(
      Command.env(env),
      Command.stderr("inherit"),
      Command.start
    )
    yield* stdout.pipe(
      Stream.decodeText(),
      Stream.splitLines,
      Stream.mapEffect(Schema.decode(ReportLine)),
      Stream.runForEach(onReport),
      Effect.forkScoped
    )
    const member: Member = {
      name,
      kill: Effect.ignore(kill("SIGKILL")),
      ended: exitCode.pipe(
        // By a signal: it was meant to.
        Effect.catchAll(() => Effect.never),
        Effect.flatMap((code) => new MemberEnded({ message: `${name} has ended with ${code}` }))
      )
    }
    return member
  })
