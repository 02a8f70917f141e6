import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Either, Layer, Redacted, TestClock } from "effect"
import { OAuth2, TokenCache, TokenStore } from "effect-token-cache"
import { fakeHttp, form, json, type Sent } from "./support/fakeHttp.js"
import { quiet, tell } from "./support/logs.js"
import * as MemoryBackend from "./support/memoryBackend.js"
import { fallible, key, makeKey } from "./support/sharing.js"

const client = {
  server: { issuer: "https://issuer.example", tokenEndpoint: "https://issuer.example/token" },
  clientId: "app",
  authMethod: "none"
} as const

/** A server that replaces the refresh token each time; one that was replaced ends the login. */
const server = () => {
  const logins = new Map<string, { rotations: number; over: boolean }>()
  const http = fakeHttp((sent: Sent) => {
    const { refresh_token = "" } = form(sent)
    const [login = "", count] = refresh_token.split("-")
    const state = logins.get(login) ?? { rotations: 0, over: false }
    logins.set(login, state)
    if (state.over || Number(count) !== state.rotations) {
      state.over = true
      return json({ error: "invalid_grant" }, { status: 400 })
    }
    state.rotations++
    const access_token = `access of ${login}-${state.rotations}`
    return json({ access_token, token_type: "Bearer", expires_in: 3600, refresh_token: `${login}-${state.rotations}` })
  })
  return { ...http, sentTokens: () => http.sent.map((sent) => form(sent).refresh_token) }
}

type Server = ReturnType<typeof server>

/** The cache of a process with a refresh token. */
const processOf = (
  { layer }: Server,
  backend: TokenStore.Backend,
  options: Partial<Pick<OAuth2.RefreshTokenOptions, "refreshToken" | "persist" | "identity">>,
  encryption = [key]
) =>
  Effect.map(
    Layer.build(
      TokenCache.layer({
        user: OAuth2.refreshToken({ ...client, refreshToken: "ada-0", retryAfter: "1 second", jitter: 0, ...options })
      }).pipe(Layer.provide(TokenStore.layer(backend, { encryption })), Layer.provide(layer), Layer.orDie)
    ),
    Context.get(TokenCache)
  )

const read = (cache: TokenCache["Type"]) => Effect.map(cache.token("user"), Redacted.value)

const refresh = (cache: TokenCache["Type"]) => Effect.map(cache.refresh("user"), Redacted.value)

describe("OAuth2.refreshToken with a TokenStore", () => {
  it.scoped("uses one refresh token in all processes, however far one of them is behind", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryBackend.make
      const http = server()
      const [one, other] = yield* Effect.all([processOf(http, backend, {}), processOf(http, backend, {})])
      yield* read(other)
      for (let count = 0; count < 20; count++) yield* refresh(one)
      yield* refresh(other)
      const third = yield* processOf(http, backend, {})
      assert.strictEqual(yield* read(third), yield* read(one))
      yield* refresh(third)
      yield* refresh(one)
      assert.deepStrictEqual(
        http.sentTokens(),
        Array.from({ length: http.sent.length }, (_, count) => `ada-${count}`)
      )
      assert.strictEqual(http.sent.length, 24)
    })
  )

  it.scoped("asks for nothing while the store fails, and goes on afterwards", () =>
    Effect.gen(function* () {
      const { backend, state } = fallible(yield* MemoryBackend.make)
      const http = server()
      const cache = yield* processOf(http, backend, {})
      yield* read(cache)
      state.failing = true
      const error = yield* Effect.flip(refresh(cache))
      assert.include(error.message, "under the lease of the token store alone")
      assert.strictEqual(error.lastError?.reason, "Unreachable")
      assert.strictEqual(yield* read(cache), "access of ada-1")
      assert.strictEqual(http.sent.length, 1)
      state.failing = false
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* read(cache), "access of ada-2")
    }).pipe(Effect.provide(quiet))
  )

  it.scoped("asks for nothing without the lease, however long it waits", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryBackend.make
      const http = server()
      const cache = yield* processOf(http, { ...memory, acquire: () => Effect.succeed(false) }, {})
      yield* TestClock.adjust("1 hour")
      const error = yield* Effect.flip(read(cache))
      assert.include(error.message, "under the lease of the token store alone")
      assert.deepStrictEqual(http.sent, [])
    }).pipe(Effect.provide(quiet))
  )

  it.scoped("sends nothing where the stored one cannot be decrypted", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryBackend.make
      const http = server()
      // The keys are about to be replaced, and the other process has not been given the new one.
      const one = yield* processOf(http, backend, {}, [makeKey("new"), key])
      yield* read(one)
      const other = yield* processOf(http, backend, {}, [key])
      const error = yield* Effect.flip(read(other))
      assert.include(error.message, "the refresh token could not be loaded: StoreError")
      assert.strictEqual(yield* refresh(one), "access of ada-2")
      assert.strictEqual(http.sent.length, 2)
    }).pipe(Effect.provide(quiet))
  )

  it.scoped("does not mix up two logins", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryBackend.make
      const http = server()
      const ada = yield* processOf(http, backend, {})
      const bob = yield* processOf(http, backend, { refreshToken: Redacted.make("bob-0") })
      assert.strictEqual(yield* read(ada), "access of ada-1")
      assert.strictEqual(yield* read(bob), "access of bob-1")
    })
  )

  it.scoped("is not shared where it is loaded, unless it has an identity", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryBackend.make
      const http = server()
      const loaded = { refreshToken: Effect.succeed("ada-0") }
      assert.strictEqual(yield* read(yield* processOf(http, backend, loaded)), "access of ada-1")
      const other = yield* Effect.either(read(yield* processOf(http, backend, loaded)))
      assert.isTrue(Either.isLeft(other))
    }).pipe(Effect.provide(quiet))
  )

  it.scoped("goes over to a new login that is loaded, and keeps to it", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryBackend.make
      const http = server()
      const database = { value: "ada-0", persisted: [] as Array<string> }
      const options = {
        identity: { client: "app of this user" },
        refreshToken: Effect.sync(() => database.value),
        persist: (token: Redacted.Redacted<string>) =>
          Effect.sync(() => {
            database.value = Redacted.value(token)
            database.persisted.push(database.value)
          })
      }
      const [one, other] = yield* Effect.all([processOf(http, backend, options), processOf(http, backend, options)])
      assert.strictEqual(yield* read(one), yield* read(other))
      yield* refresh(other)
      database.value = "ada2-0"
      assert.strictEqual(yield* refresh(one), "access of ada2-1")
      assert.strictEqual(yield* refresh(other), "access of ada2-2")
      assert.deepStrictEqual(http.sentTokens(), ["ada-0", "ada-1", "ada2-0", "ada2-1"])
      assert.deepStrictEqual(database.persisted, ["ada-1", "ada-2", "ada2-1", "ada2-2"])
    })
  )

  it.scoped("does not put back one that it could not persist, when others have gone on from there", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryBackend.make
      const http = server()
      let fails = true
      const persist = () => Effect.suspend(() => (fails ? Effect.fail("no") : Effect.void))
      const one = yield* processOf(http, backend, { persist })
      yield* Effect.flip(read(one))
      const other = yield* processOf(http, backend, {})
      yield* refresh(other)
      assert.deepStrictEqual(http.sentTokens(), ["ada-0", "ada-1"])
      fails = false
      yield* refresh(one)
      yield* refresh(one)
      const count = http.sent.length
      assert.deepStrictEqual(
        http.sentTokens(),
        Array.from({ length: count }, (_, index) => `ada-${index}`)
      )
    }).pipe(Effect.provide(quiet))
  )

  it.scoped("asks for nothing while the store fails where the token is registered with the cache as well", () =>
    Effect.gen(function* () {
      const { backend, state } = fallible(yield* MemoryBackend.make)
      state.failing = true
      const http = server()
      const cache = Layer.provide(TokenCache.layer({}), TokenStore.layer(backend, { encryption: [key] }))
      const user = TokenCache.layerToken("user", OAuth2.refreshToken({ ...client, refreshToken: "ada-0" }))
      yield* Layer.build(user.pipe(Layer.provideMerge(cache), Layer.provide(http.layer)))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(http.sentTokens(), [])
    }).pipe(Effect.provide(quiet))
  )

  it.scoped("without a store or persist it says that the new one is nowhere kept", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const http = server()
      const { issue } = yield* OAuth2.refreshToken({ ...client, refreshToken: "ada-0" })
      yield* Effect.provide(issue, [http.layer, tell(({ message }) => lines.push(String(message)))])
      assert.deepStrictEqual(lines, [
        "The server has replaced the refresh token, and there is nowhere to keep the new one"
      ])
    })
  )
})
