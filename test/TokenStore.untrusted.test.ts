import { assert, describe, it } from "@effect/vitest"
import { type Duration, Effect, Option, PubSub, Redacted, Stream, TestClock } from "effect"
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

describe("an encrypted value", () => {
  const place = (store: TokenStore.TokenStoreService) => store.keyOf({ client: ["app"], request: [] })

  /** What a store on a backend has written under the first two generations. */
  const written = (backend: TokenStore.Backend) =>
    Effect.gen(function* () {
      const store = yield* TokenStore.make(backend, { encryption: [key] })
      const lease = Option.getOrThrow(yield* store.acquire(place(store).group))
      const token = { accessToken: Redacted.make("a"), issuedAt: 0, expiresAt: 60_000 }
      yield* lease.write(place(store), 1, token)
      const first = Option.getOrThrow(yield* backend.read(place(store)))
      yield* lease.write(place(store), 2, token)
      yield* lease.writeSecret(Redacted.make("secret"))
      return { store, first, second: Option.getOrThrow(yield* backend.read(place(store))) }
    })

  it.scoped("of an old generation is not readable under a new one", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryBackend.make
      const { first, second } = yield* written(memory)
      const reads = (value: TokenStore.BackendValue) =>
        Effect.flatMap(
          TokenStore.make({ ...memory, read: () => Effect.succeedSome(value) }, { encryption: [key] }),
          (store) => store.read(place(store))
        )
      assert.isDefined((yield* reads(first)).token)
      assert.isDefined((yield* reads(second)).token)
      assert.deepStrictEqual(yield* reads({ ...first, generation: 3 }), { generation: 3, unreadable: true })
      assert.deepStrictEqual(yield* reads({ ...second, generation: 1 }), { generation: 1, unreadable: true })
    })
  )

  it.scoped("of another environment is not readable, nor is its secret", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryBackend.make
      yield* written({ ...memory, namespace: "staging" })
      const store = yield* TokenStore.make({ ...memory, namespace: "production" }, { encryption: [key] })
      assert.deepStrictEqual(yield* store.read(place(store)), { generation: 2, unreadable: true })
      yield* TestClock.adjust("10 seconds")
      const lease = Option.getOrThrow(yield* store.acquire(place(store).group))
      assert.include((yield* Effect.flip(lease.readSecret)).message, "cannot be decrypted")
    })
  )
})

describe("an encryption key", () => {
  const refusal = (text: string) =>
    Effect.gen(function* () {
      const encryption = [key, { id: "second", key: Redacted.make(text) }]
      const error = yield* Effect.flip(TokenStore.make(yield* MemoryBackend.make, { encryption }))
      return error._tag === "InvalidOptions" ? error.message : error._tag
    })

  const good = Redacted.value(key.key)
  const bytes = Buffer.from(good, "base64")

  for (const [what, text] of Object.entries({
    "a passphrase": "correct horse battery staple and a few more of its words",
    "64 hexadecimal digits": bytes.toString("hex"),
    "31 bytes": bytes.subarray(1).toString("base64"),
    "33 bytes": Buffer.concat([bytes, bytes.subarray(0, 1)]).toString("base64"),
    "base64 without its padding": good.slice(0, -1),
    "base64 with a line break": `${good}\n`,
    "base64 with white space inside": `${good.slice(0, 20)} ${good.slice(20)}`,
    "base64 with another character inside": `${good.slice(0, 20)}!${good.slice(20)}`,
    base64url: `${"-_".repeat(21)}A=`,
    "base64 with bits to spare": `${"A".repeat(42)}B=`
  })) {
    it.effect(`is not ${what}`, () =>
      Effect.gen(function* () {
        const message = yield* refusal(text)
        assert.match(message, /^key 2 must be 32 bytes in base64.*openssl rand -base64 32/)
        assert.notInclude(message, text)
      })
    )
  }

  it.effect("is not one byte 32 times", () =>
    Effect.gen(function* () {
      for (const byte of [0, 7, 255]) {
        const message = yield* refusal(Buffer.alloc(32, byte).toString("base64"))
        assert.match(message, /^key 2 is not random.*openssl rand -base64 32/)
      }
    })
  )
})

/** A store whose reads take a while and are counted, and what tells its processes of writes that there were not. */
const readsCounted = (latency: Duration.DurationInput) =>
  Effect.gen(function* () {
    const memory = yield* MemoryBackend.make
    const forged = yield* PubSub.unbounded<TokenStore.Change>()
    const count = { reads: 0, running: 0, mostAtOnce: 0 }
    const places: Array<TokenStore.Key> = []
    const backend: TokenStore.Backend = {
      ...memory,
      read: (place) =>
        Effect.acquireUseRelease(
          Effect.sync(() => {
            places.push(place)
            count.reads++
            count.mostAtOnce = Math.max(count.mostAtOnce, ++count.running)
          }),
          () => Effect.delay(memory.read(place), latency),
          () => Effect.sync(() => count.running--)
        ),
      changes: Stream.merge(memory.changes, Stream.fromPubSub(forged))
    }
    const forge = (messages: number) =>
      Effect.gen(function* () {
        const [place] = places
        for (let generation = 1000; place !== undefined && generation < 1000 + messages; generation++) {
          yield* PubSub.publish(forged, { key: place, generation })
        }
      })
    return { backend, count, forge, memory }
  })

describe("20,000 messages of writes that there were not", () => {
  it.scoped("cost two reads, one of them after the other", () =>
    Effect.gen(function* () {
      const { backend, count, forge } = yield* readsCounted("10 millis")
      const issuer = Issuer.scripted(hour)
      const cache = yield* processOn(backend, issuer)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(Issuer.value(yield* cache.token("line")), "token-1")
      Object.assign(count, { reads: 0, mostAtOnce: 0 })
      yield* forge(20_000)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual([count.reads, count.mostAtOnce], [2, 1])
      assert.strictEqual(issuer.calls.length, 1)
    })
  )

  it.scoped("do not keep a true one from being noticed", () =>
    Effect.gen(function* () {
      const { backend, forge, memory } = yield* readsCounted("10 millis")
      const cache = yield* processOn(backend, Issuer.scripted(hour))
      const other = yield* processOn(memory, Issuer.scripted(Issuer.succeed("2 hours", "theirs")))
      yield* TestClock.adjust("1 second")
      yield* cache.token("line")
      yield* forge(10_000)
      yield* TestClock.adjust("5 millis")
      yield* other.refresh("line")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(Issuer.value(yield* cache.token("line")), "theirs")
    })
  )

  it.scoped("cost a handful while an attempt waits for the lease", () =>
    Effect.gen(function* () {
      const { backend, count, forge } = yield* readsCounted("10 millis")
      yield* processOn({ ...backend, acquire: () => Effect.succeed(false) }, Issuer.scripted(hour))
      yield* TestClock.adjust("100 millis")
      Object.assign(count, { reads: 0, mostAtOnce: 0 })
      yield* forge(20_000)
      yield* TestClock.adjust("300 millis")
      assert.isAtMost(count.reads, 4)
      assert.strictEqual(count.mostAtOnce, 1)
    }).pipe(Effect.provide(quiet))
  )
})
