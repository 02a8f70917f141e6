import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { IssuedToken } from "../../IssuedToken.js"
import type { Change, StoreError } from "../../TokenStore.js"
import * as AccessToken from "../cache/accessToken.js"
import * as Attempt from "../cache/attempt.js"
import type { Cache } from "../cache/cache.js"
import type { Report } from "../cache/telemetry.js"
import * as TokenState from "../cache/tokenState.js"
import * as Lease from "./lease.js"
import { findNewer } from "./newerToken.js"
import * as SharedToken from "./sharedToken.js"
import { call, removeWithdrawn, withdraw } from "./storeClient.js"

/**
 * Keeps the cache and the store in step until the scope closes. It takes over the tokens that other processes write,
 * before the current ones expire. Once the store works again, it writes the tokens that were issued while it failed, and
 * removes those that were invalidated.
 */
export const run = (cache: Cache, tokens: SharedToken.SharedTokens): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    cache.listeners.add({ onReport: (report) => onReport(cache, tokens, report) })
    yield* Effect.forkScoped(
      tokens.store.changes.pipe(
        Stream.runForEach((change) => Effect.sync(() => onChange(cache, tokens, change))),
        Effect.catchAllCause((cause) =>
          Effect.logError("Tokens of other processes are noticed only when an attempt is due", cause)
        )
      )
    )
    yield* Effect.forkScoped(Effect.forever(catchUp(cache, tokens)))
  })

/** Takes over what another process has written, or lets the attempt that runs look for it. */
const onChange = (cache: Cache, tokens: SharedToken.SharedTokens, { generation, key }: Change): void => {
  const token = SharedToken.find(tokens, key)
  if (token === undefined || (token.state === "shared" && generation === token.generation)) {
    return
  }
  if (TokenState.isAtRest(token.entry.state)) {
    look({ cache, tokens, token })
  } else {
    token.missedChange = true
    token.changed.unsafeOpen()
  }
}

/**
 * Looks into the store for a newer token. However many changes are reported, true or not, one look runs at a time, and
 * one more follows those that were reported meanwhile.
 */
const look = (context: SharedToken.SharedContext): void => {
  const { cache, token } = context
  if (token.look === "none") {
    token.look = "running"
    cache.fibers.fork(
      Effect.ensuring(
        Effect.ignore(adoptNewer(context)),
        Effect.sync(() => {
          const isAgain = token.look === "again"
          token.look = "none"
          if (isAgain) look(context)
        })
      )
    )
  } else {
    token.look = "again"
  }
}

/**
 * Takes over a token that was written during an attempt which did not see it and failed, instead of waiting for the
 * next.
 */
const onReport = (cache: Cache, tokens: SharedToken.SharedTokens, report: Report): void => {
  const token = report._tag === "Attempt" ? tokens.byToken.get(report.token) : undefined
  if (report._tag === "Attempt" && token !== undefined) {
    const { missedChange } = token
    token.missedChange = false
    if (missedChange && report.outcome !== "success") {
      look({ cache, tokens, token })
    }
  }
}

/** Makes a newer token of the store the current one, and says whether there was one. */
const adoptNewer = (context: SharedToken.SharedContext): Effect.Effect<boolean, StoreError> => {
  const {
    cache,
    token: { entry }
  } = context
  return Effect.map(
    findNewer(context, (issued) => acceptNow(context, issued)),
    ({ newer, stored }) => {
      if (Option.isNone(newer) || stored.token === undefined || !TokenState.isAtRest(entry.state)) {
        return false
      }
      SharedToken.becomeShared(context, stored.generation)
      Attempt.adopt(cache, entry, stored.token)
      return true
    }
  )
}

const acceptNow = ({ cache, token: { entry } }: SharedToken.SharedContext, issued: IssuedToken) =>
  AccessToken.fromIssued(issued, {
    startedAt: cache.now(),
    now: cache.now(),
    leeway: cache.options.leeway,
    defaultLifetime: undefined,
    generation: entry.state.generation + 1,
    invalidated: entry.state.invalidatedToken
  })

/**
 * Tries every 5 seconds to bring the tokens of this process into the store, and to remove those that were invalidated,
 * while there are any.
 */
const catchUp = (cache: Cache, tokens: SharedToken.SharedTokens): Effect.Effect<void> => {
  const each = (
    due: ReadonlySet<SharedToken.SharedToken>,
    act: (context: SharedToken.SharedContext) => Effect.Effect<void, StoreError>
  ) =>
    Effect.suspend(() => Effect.forEach(due, (token) => act({ cache, tokens, token }), { discard: true })).pipe(
      Effect.catchAllCause(() => Effect.void)
    )
  return tokens.isBehind.await.pipe(
    Effect.zipRight(Effect.sleep("5 seconds")),
    Effect.zipRight(each(tokens.local, (context) => Effect.scoped(shareOne(context)))),
    Effect.zipRight(each(tokens.withdrawing, removeWithdrawn)),
    Effect.zipRight(
      Effect.sync(() => {
        if (tokens.local.size === 0 && tokens.withdrawing.size === 0) tokens.isBehind.unsafeClose()
      })
    )
  )
}

/** Writes a token of this process to the store, unless a newer one is there by now, which is taken over instead. */
const shareOne = (context: SharedToken.SharedContext): Effect.Effect<void, StoreError, Scope.Scope> =>
  Effect.gen(function* () {
    const { token: shared, tokens } = context
    const { state } = shared.entry
    const { token } = state
    if (!TokenState.isAtRest(state)) {
      return
    }
    if (token === undefined || state.expired) {
      tokens.local.delete(shared)
      return
    }
    const held = yield* Lease.acquire(context)
    const adopted = yield* adoptNewer(context)
    if (adopted || Option.isNone(held) || shared.entry.state.token !== token) {
      return
    }
    const generation = shared.generation + 1
    const written = yield* call(context, "write", held.value.lease.write(shared.key, generation, token))
    const { invalidatedToken, token: current } = shared.entry.state
    if (written && current === token) {
      SharedToken.becomeShared(context, generation)
    } else if (invalidatedToken !== undefined && AccessToken.isSame(invalidatedToken, token.accessToken)) {
      // It was invalidated while it was written, and then it was not there to be removed.
      yield* withdraw(context, token.accessToken)
    }
  })
