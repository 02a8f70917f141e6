import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Redacted, TestClock } from "effect"
import { type TokenCacheService, TokenStore } from "effect-token-cache"
import * as Issuer from "./support/issuer.js"
import { quiet } from "./support/logs.js"
import * as MemoryBackend from "./support/memoryBackend.js"
import { key, processOn } from "./support/sharing.js"

const hour = Issuer.succeed("1 hour")

const sharing = (cache: TokenCacheService) => Effect.map(cache.status("line"), ({ sharing }) => sharing)

describe("a generation that is", () => {
  for (const generation of [Number.NaN, Number.POSITIVE_INFINITY, 0, -1, 1.5, 2 ** 53]) {
    it.scoped(`${generation} counts as absent, then and later`, () =>
      Effect.gen(function* () {
        const memory = yield* MemoryBackend.make
        const written: Array<number> = []
        let isOdd = true
        const backend: TokenStore.Backend = {
          ...memory,
          read: (place) =>
            Effect.map(memory.read(place), (stored) =>
              isOdd ? Option.some({ generation, value: "a", timeToLive: 60_000 }) : stored
            ),
          write: (place, owner, value) => {
            written.push(value.generation)
            return memory.write(place, owner, value)
          }
        }
        const cache = yield* processOn(backend, Issuer.scripted(hour))
        yield* cache.token("line")
        isOdd = false
        yield* TestClock.adjust("1 second")
        yield* cache.refresh("line")
        assert.deepStrictEqual(written, [1, 2])
        assert.strictEqual(yield* sharing(cache), "shared")
      }).pipe(Effect.provide(quiet))
    )
  }

  it.scoped("the last number that can be counted to has no successor: nothing is written", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryBackend.make
      const store = yield* TokenStore.make(backend, { encryption: [key] })
      const place = store.keyOf({ client: ["app"], request: [] })
      const lease = Option.getOrThrow(yield* store.acquire(place.group))
      const token = { accessToken: Redacted.make("a"), issuedAt: 0, expiresAt: 1000 }
      assert.isFalse(yield* lease.write(place, Number.MAX_SAFE_INTEGER + 1, token))
      assert.deepStrictEqual(yield* store.read(place), { generation: 0 })
    })
  )
})
