import { assert, describe, it } from "@effect/vitest"
import { Data, Deferred, Effect, Fiber, Redacted, TestClock } from "effect"
import { type IssueError, OAuth2, TokenCache } from "effect-token-cache"
import { fakeHttp, form, json, type Sent } from "./support/fakeHttp.js"
import { quiet } from "./support/logs.js"

class StoreDown extends Data.TaggedError("StoreDown") {}

const client = {
  server: { issuer: "https://issuer.example", tokenEndpoint: "https://issuer.example/token" },
  clientId: "app",
  authMethod: "none"
} as const

/** A server that replaces the refresh token each time, and takes only the last one. */
const rotating = () => {
  let rotations = 0
  const answer = (sent: Sent) =>
    form(sent).refresh_token === `refresh-${rotations}`
      ? json({
          access_token: `access-${++rotations}`,
          token_type: "Bearer",
          expires_in: 60,
          refresh_token: `refresh-${rotations}`
        })
      : json({ error: "invalid_grant" }, { status: 400 })
  return { answer, login: () => `refresh-${rotations}` }
}

const slowly = (answer: (sent: Sent) => Response) =>
  fakeHttp((sent) =>
    Effect.delay(
      Effect.sync(() => answer(sent)),
      "5 seconds"
    )
  )

/** A store that keeps what it is given, and what it was asked to. */
const makeStore = (first = "refresh-0") => {
  const store = { value: first, persisted: [] as Array<string>, fail: false }
  return {
    store,
    refreshToken: Effect.sync(() => store.value),
    persist: (token: Redacted.Redacted<string>) =>
      Effect.suspend(() => {
        store.persisted.push(Redacted.value(token))
        if (store.fail) {
          return Effect.fail(new StoreDown())
        }
        store.value = Redacted.value(token)
        return Effect.void
      })
  }
}

const sentTokens = (sent: ReadonlyArray<Sent>) => sent.map((each) => form(each).refresh_token)

const value = (issued: { readonly accessToken: Redacted.Redacted<string> }) => Redacted.value(issued.accessToken)

describe("OAuth2.refreshToken", () => {
  it.effect("sends the new token the next time, whether it is loaded from the store or only given at first", () =>
    Effect.gen(function* () {
      const { persist, refreshToken } = makeStore()
      for (const source of [
        OAuth2.refreshToken({ ...client, refreshToken, persist }),
        OAuth2.refreshToken({ ...client, refreshToken: "refresh-0", persist }),
        OAuth2.refreshToken({ ...client, refreshToken: Redacted.make("refresh-0"), persist }),
        OAuth2.refreshToken({ ...client, refreshToken: Effect.succeed(Redacted.make("refresh-0")), persist })
      ]) {
        const http = fakeHttp(rotating().answer)
        const { issue } = yield* source
        const tokens = yield* Effect.provide(Effect.replicateEffect(issue, 3), http.layer)
        assert.deepStrictEqual(tokens.map(value), ["access-1", "access-2", "access-3"])
        assert.deepStrictEqual(sentTokens(http.sent), ["refresh-0", "refresh-1", "refresh-2"])
      }
    })
  )

  it.effect("has the new token persisted before the access token is there", () =>
    Effect.gen(function* () {
      const stored = yield* Deferred.make<void>()
      const { issue } = yield* OAuth2.refreshToken({
        ...client,
        refreshToken: "refresh-0",
        persist: () => Deferred.await(stored)
      })
      const fiber = yield* Effect.fork(Effect.provide(issue, fakeHttp(rotating().answer).layer))
      yield* TestClock.adjust("1 second")
      assert.isNull(fiber.unsafePoll())
      yield* Deferred.succeed(stored, undefined)
      assert.strictEqual(value(yield* Fiber.join(fiber)), "access-1")
    })
  )

  it.effect("persists nothing where the server keeps the token", () =>
    Effect.gen(function* () {
      for (const refresh_token of [undefined, "refresh-0"]) {
        const { persist, refreshToken, store } = makeStore()
        const http = fakeHttp(() => json({ access_token: "a", token_type: "Bearer", expires_in: 60, refresh_token }))
        const { issue } = yield* OAuth2.refreshToken({ ...client, refreshToken, persist })
        yield* Effect.provide(Effect.replicateEffect(issue, 2), http.layer)
        assert.deepStrictEqual(sentTokens(http.sent), ["refresh-0", "refresh-0"])
        assert.isEmpty(store.persisted)
      }
    })
  )

  it.effect("keeps a token that cannot be persisted, and persists it before the next request", () =>
    Effect.gen(function* () {
      const { persist, refreshToken, store } = makeStore()
      const http = fakeHttp(rotating().answer)
      const { issue } = yield* OAuth2.refreshToken({ ...client, refreshToken, persist })
      const attempt = Effect.provide(issue, http.layer)
      store.fail = true
      const { message, permanent, reason } = yield* Effect.flip(attempt)
      assert.deepStrictEqual(
        [reason, permanent, message],
        ["Unreachable", false, "the new refresh token could not be persisted: StoreDown"]
      )
      yield* Effect.flip(attempt)
      assert.lengthOf(http.sent, 1)
      store.fail = false
      assert.strictEqual(value(yield* attempt), "access-2")
      assert.deepStrictEqual(sentTokens(http.sent), ["refresh-0", "refresh-1"])
      assert.deepStrictEqual(store.persisted, ["refresh-1", "refresh-1", "refresh-1", "refresh-2"])
    })
  )

  it.effect("takes a persist that dies, or does not end, as one that fails", () =>
    Effect.gen(function* () {
      for (const [persist, name] of [
        [Effect.die(new TypeError("hunter2")), "TypeError"],
        [Effect.never, "TimeoutException"],
        [Effect.uninterruptible(Effect.never), "TimeoutException"]
      ] as const) {
        const { issue } = yield* OAuth2.refreshToken({ ...client, refreshToken: "refresh-0", persist: () => persist })
        const fiber = yield* Effect.fork(Effect.flip(Effect.provide(issue, fakeHttp(rotating().answer).layer)))
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual((yield* Fiber.join(fiber)).message, `the new refresh token could not be persisted: ${name}`)
      }
    })
  )

  it.effect("persists the new token even if the rest of the answer is unusable", () =>
    Effect.gen(function* () {
      for (const rest of [{ token_type: "DPoP" }, { expires_in: "soon" }, { access_token: 1 }]) {
        const { persist, refreshToken, store } = makeStore()
        const http = fakeHttp(() =>
          json({ access_token: "a", token_type: "Bearer", expires_in: 60, refresh_token: "refresh-1", ...rest })
        )
        const { issue } = yield* OAuth2.refreshToken({ ...client, refreshToken, persist })
        assert.strictEqual((yield* Effect.flip(Effect.provide(issue, http.layer))).reason, "InvalidResponse")
        assert.deepStrictEqual(store.persisted, ["refresh-1"])
      }
    })
  )

  it.effect("does one request at a time, whatever the number of attempts and caches", () =>
    Effect.gen(function* () {
      const { answer } = rotating()
      let running = 0
      let most = 0
      const http = fakeHttp((sent) =>
        Effect.gen(function* () {
          most = Math.max(most, ++running)
          yield* Effect.sleep("1 second")
          running--
          return answer(sent)
        })
      )
      const { persist, refreshToken, store } = makeStore()
      const api = OAuth2.refreshToken({ ...client, refreshToken, persist })
      const cache = TokenCache.token("api").pipe(
        Effect.provide(TokenCache.layer({ api }, { readTimeout: "1 minute" })),
        Effect.provide(http.layer)
      )
      const attempt = Effect.provide(
        Effect.flatMap(api, ({ issue }) => issue),
        http.layer
      )
      const fiber = yield* Effect.fork(
        Effect.all([cache, cache, attempt, attempt, attempt], { concurrency: "unbounded" })
      )
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(fiber)
      assert.strictEqual(most, 1)
      assert.deepStrictEqual(store.persisted, ["refresh-1", "refresh-2", "refresh-3", "refresh-4", "refresh-5"])
    })
  )

  it.effect("loses no new token to an attempt that is cancelled", () =>
    Effect.gen(function* () {
      const http = slowly(rotating().answer)
      const { persist, refreshToken, store } = makeStore()
      const { issue } = yield* OAuth2.refreshToken({ ...client, refreshToken, persist })
      const attempt = Effect.provide(issue, http.layer)
      const first = yield* Effect.fork(attempt)
      const waiting = yield* Effect.fork(attempt)
      yield* TestClock.adjust("1 second")
      yield* Fiber.interruptFork(first)
      // One that has sent nothing goes at once.
      yield* Fiber.interrupt(waiting)
      assert.isEmpty(store.persisted)
      yield* TestClock.adjust("4 seconds")
      yield* Fiber.await(first)
      assert.deepStrictEqual(store.persisted, ["refresh-1"])
      const next = yield* Effect.fork(attempt)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(value(yield* Fiber.join(next)), "access-2")
      assert.deepStrictEqual(sentTokens(http.sent), ["refresh-0", "refresh-1"])
    })
  )

  it.effect("loses no new token to the time limit of an attempt, nor to the end of the cache", () =>
    Effect.gen(function* () {
      const http = slowly(rotating().answer)
      const { persist, refreshToken, store } = makeStore()
      const source = yield* OAuth2.refreshToken({ ...client, refreshToken, persist })
      yield* Effect.gen(function* () {
        yield* TestClock.adjust("3 seconds")
        assert.strictEqual((yield* Effect.flip(TokenCache.token("api"))).lastError?.reason, "Timeout")
        yield* TestClock.adjust("2 seconds")
        assert.deepStrictEqual(store.persisted, ["refresh-1"])
        yield* Effect.fork(TokenCache.refresh("api"))
        yield* TestClock.adjust("1 second")
      }).pipe(
        Effect.provide(TokenCache.layer({ api: { ...source, issueTimeout: "3 seconds" } })),
        Effect.provide([http.layer, quiet])
      )
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual(store.persisted, ["refresh-1", "refresh-2"])
    })
  )

  it.effect("gives a request up after issueTimeout, so that the next attempt can start", () =>
    Effect.gen(function* () {
      const http = fakeHttp((_, index) =>
        index === 0 ? Effect.never : json({ access_token: "a", token_type: "Bearer", expires_in: 60 })
      )
      const { issue } = yield* OAuth2.refreshToken({
        ...client,
        refreshToken: "refresh-0",
        persist: () => Effect.void,
        issueTimeout: "3 seconds"
      })
      const first = yield* Effect.fork(Effect.flip(Effect.provide(issue, http.layer)))
      const next = yield* Effect.fork(Effect.provide(issue, http.layer))
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual((yield* Fiber.join(first)).reason, "Timeout")
      assert.strictEqual(value(yield* Fiber.join(next)), "a")
      // An answer that is lost may have held a new token, but nobody has it.
      assert.deepStrictEqual(sentTokens(http.sent), ["refresh-0", "refresh-0"])
    })
  )

  it.effect("says that a new login is needed, and goes on with its token once there is one", () =>
    Effect.gen(function* () {
      const server = rotating()
      const http = fakeHttp(server.answer)
      const { persist, refreshToken, store } = makeStore("revoked")
      const { issue } = yield* OAuth2.refreshToken({ ...client, refreshToken, persist })
      const attempt = Effect.provide(issue, http.layer)
      const { advice, code, permanent, reason } = yield* Effect.flip(attempt)
      assert.deepStrictEqual(
        { advice, code, permanent, reason },
        {
          advice: "The refresh token is expired, revoked, or used already: a new login is needed.",
          code: "invalid_grant",
          permanent: true,
          reason: "Rejected"
        }
      )
      store.value = server.login()
      assert.strictEqual(value(yield* attempt), "access-1")
      assert.deepStrictEqual(sentTokens(http.sent), ["revoked", "refresh-0"])
    })
  )

  it.effect("does not send a spent token that a store that is late gives once more", () =>
    Effect.gen(function* () {
      const http = fakeHttp(rotating().answer)
      const given = ["refresh-0", "refresh-0", "refresh-2", "refresh-2", "refresh-4"]
      const { issue } = yield* OAuth2.refreshToken({
        ...client,
        refreshToken: Effect.sync(() => given.shift() ?? ""),
        persist: () => Effect.void
      })
      yield* Effect.provide(Effect.replicateEffect(issue, 5), http.layer)
      assert.deepStrictEqual(
        sentTokens(http.sent),
        [0, 1, 2, 3, 4].map((n) => `refresh-${n}`)
      )
    })
  )

  it.effect("goes on with a token that another process has stored", () =>
    Effect.gen(function* () {
      const http = fakeHttp(rotating().answer)
      const { persist, refreshToken } = makeStore()
      const ours = yield* OAuth2.refreshToken({ ...client, refreshToken, persist })
      const theirs = yield* OAuth2.refreshToken({ ...client, refreshToken, persist })
      for (const { issue } of [ours, theirs, theirs, ours, theirs, ours]) {
        yield* Effect.provide(issue, http.layer)
      }
      assert.lengthOf(http.sent, 6)
    })
  )

  it.effect("fails without a request where there is no refresh token to send", () =>
    Effect.gen(function* () {
      const failure = (refreshToken: OAuth2.RefreshTokenOptions["refreshToken"]) =>
        Effect.gen(function* () {
          const http = fakeHttp(rotating().answer)
          const source = yield* Effect.orDie(
            OAuth2.refreshToken({ ...client, refreshToken, persist: () => Effect.void })
          )
          const error: IssueError = yield* Effect.flip(Effect.provide(source.issue, http.layer))
          assert.isEmpty(http.sent)
          return [error.reason, error.permanent, error.message]
        })
      assert.deepStrictEqual(yield* failure(""), ["Rejected", true, "there is no refresh token"])
      assert.deepStrictEqual(yield* failure(Effect.fail(new StoreDown())), [
        "Unreachable",
        false,
        "the refresh token could not be loaded: StoreDown"
      ])
      assert.deepStrictEqual(yield* failure(Effect.die(new TypeError("hunter2"))), [
        "Unreachable",
        false,
        "the refresh token could not be loaded: TypeError"
      ])
    })
  )
})

describe("an answer that cannot be used", () => {
  const unusable: Record<string, object> = {
    "has no access_token": { access_token: undefined },
    "has a token_type that is not accepted": { token_type: "mac" },
    "has no lifetime": { expires_in: undefined },
    "has a lifetime of 0": { expires_in: 0 }
  }
  for (const [what, fields] of Object.entries(unusable)) {
    it.effect(`because it ${what} costs one refresh token an hour, and the new one is kept`, () =>
      Effect.gen(function* () {
        const { persist, refreshToken, store } = makeStore()
        let answers = 0
        const http = fakeHttp(() =>
          json({
            access_token: "a",
            token_type: "Bearer",
            expires_in: 60,
            refresh_token: `refresh-${++answers}`,
            ...fields
          })
        )
        const Tokens = TokenCache.layer({ user: OAuth2.refreshToken({ ...client, refreshToken, persist }) })
        yield* Effect.gen(function* () {
          yield* TestClock.adjust("59 minutes")
          yield* Effect.flip(TokenCache.refresh("user"))
          const { lastError } = yield* TokenCache.status("user")
          assert.deepInclude(lastError, { reason: "InvalidResponse", permanent: true })
          assert.match(lastError?.advice ?? "", /^Each answer costs a refresh token/)
        }).pipe(Effect.provide(Tokens), Effect.provide(http.layer), Effect.provide(quiet))
        assert.deepStrictEqual(sentTokens(http.sent), ["refresh-0"])
        assert.strictEqual(store.value, "refresh-1")
      })
    )
  }
})
