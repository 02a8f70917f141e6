import { assert, describe, it } from "@effect/vitest"
import { Data, Effect, Layer, Logger, Redacted, TestClock } from "effect"
import { OAuth2, TokenCache, TokenStore } from "effect-token-cache"
import { fakeHttp, form, json, type Sent } from "./support/fakeHttp.js"
import * as MemoryBackend from "./support/memoryBackend.js"

class PersistFails extends Data.TaggedError("PersistFails") {}

const client = {
  server: { issuer: "https://issuer.example", tokenEndpoint: "https://issuer.example/token" },
  clientId: "app",
  authMethod: "none",
  jitter: 0
} as const

/** A server that replaces the refresh token each time, and takes only the last one. */
const rotating = () => {
  let rotations = 0
  const sent: Array<string | undefined> = []
  const http = fakeHttp((request: Sent) => {
    const token = form(request).refresh_token
    sent.push(token)
    return token === `refresh-${rotations}`
      ? json({
          access_token: `access-${++rotations}`,
          token_type: "Bearer",
          expires_in: 60,
          refresh_token: `refresh-${rotations}`
        })
      : json({ error: "invalid_grant" }, { status: 400 })
  })
  return { http, sent }
}

const encryption = [{ id: "test", key: Redacted.make(Buffer.alloc(32, 7).toString("base64")) }]

const storeOn = (backend: TokenStore.Backend) => TokenStore.layer(backend, { encryption })

const quiet = Logger.remove(Logger.defaultLogger)

describe("OAuth2.refreshToken with a store", () => {
  it.scoped("does not put back an older refresh token that it could not persist, when others have gone on", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryBackend.make
      const { http, sent } = rotating()
      const start = (persist: () => Effect.Effect<void, PersistFails>) =>
        Layer.build(
          TokenCache.layer({ user: OAuth2.refreshToken({ ...client, refreshToken: "refresh-0", persist }) }).pipe(
            Layer.provide(storeOn(backend)),
            Layer.provide(http.layer)
          )
        )
      let fails = true
      const one = yield* start(() => Effect.suspend(() => (fails ? Effect.fail(new PersistFails()) : Effect.void)))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(sent, ["refresh-0"])
      const other = yield* start(() => Effect.void)
      yield* Effect.provide(TokenCache.refresh("user"), other)
      assert.deepStrictEqual(sent, ["refresh-0", "refresh-1"])
      fails = false
      yield* Effect.provide(TokenCache.refresh("user"), one)
      yield* Effect.provide(TokenCache.refresh("user"), one)
      assert.deepStrictEqual(
        sent,
        sent.map((_, index) => `refresh-${index}`)
      )
    }).pipe(Effect.provide(quiet))
  )

  const failing = Effect.map(MemoryBackend.make, (memory) => ({
    ...memory,
    read: () => Effect.fail(new TokenStore.StoreError({ message: "down" }))
  }))

  it.scoped("sends nothing while the store fails, also where the token is registered with the cache", () =>
    Effect.gen(function* () {
      const { http, sent } = rotating()
      const cache = TokenCache.layer({}).pipe(Layer.provide(storeOn(yield* failing)))
      const user = TokenCache.layerToken("user", OAuth2.refreshToken({ ...client, refreshToken: "refresh-0" }))
      yield* Layer.build(user.pipe(Layer.provideMerge(cache), Layer.provide(http.layer)))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(sent, [])
    }).pipe(Effect.provide(quiet))
  )

  it.scoped("goes on as without a store where the token is not shared", () =>
    Effect.gen(function* () {
      const { http, sent } = rotating()
      const source = OAuth2.refreshToken({
        ...client,
        refreshToken: "refresh-0",
        parameters: Effect.succeed({ tenant: "t" })
      })
      yield* Layer.build(
        TokenCache.layer({ user: source }).pipe(
          Layer.provide(storeOn(yield* MemoryBackend.make)),
          Layer.provide(http.layer)
        )
      )
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(sent, ["refresh-0"])
    }).pipe(Effect.provide(quiet))
  )
})
