import { Deferred, Effect } from "effect"
import { type Member, type MemberEnded, startMember } from "./members.js"
import type { Report } from "./report.js"
import * as Tally from "./tally.js"

/** The processes of the example, which are stopped when the scope closes. `say` prints what they report. */
export const makeFleet = (
  env: Readonly<Record<string, string>>,
  say: (name: string, what: string) => Effect.Effect<void>
) =>
  Effect.gen(function* () {
    const members = new Map<string, Member>()
    const tally = Tally.make()
    const broken = yield* Deferred.make<never, MemberEnded>()
    let asks = yield* Deferred.make<string>()

    const onReport = (name: string) => (report: Report) =>
      Effect.suspend(() => {
        const what = tally.note(name, report)
        const said = what === undefined ? Effect.void : say(name, what)
        return report._tag === "Asks" ? Effect.zipRight(said, Deferred.succeed(asks, name)) : said
      })

    return {
      tally,
      start: (name: string) =>
        Effect.gen(function* () {
          const member = yield* startMember(name, env, onReport(name))
          members.set(name, member)
          yield* Effect.forkScoped(Effect.catchAll(member.ended, (error) => Deferred.fail(broken, error)))
        }),
      kill: (name: string) => Effect.map(members.get(name)?.kill ?? Effect.void, () => tally.noteKilled(name)),
      /** The name of the one that is the next to ask for a token, from when this is run. */
      nextToAsk: Effect.gen(function* () {
        asks = yield* Deferred.make<string>()
        return yield* Deferred.await(asks)
      }),
      /** Fails as soon as one ends that was not killed. */
      broken: Deferred.await(broken)
    }
  })

export type Fleet = Effect.Effect.Success<ReturnType<typeof makeFleet>>
