import { createHash } from "node:crypto"
import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Clock, ConfigProvider, Effect, Exit, Fiber, Layer, Option, Redacted, TestClock } from "effect"
import { IssuedToken, TokenCache, type TokenCacheService, TokenMetrics, TokenStore } from "effect-token-cache"
import * as Issuer from "./support/issuer.js"
import { logged, quiet } from "./support/logs.js"
import * as MemoryBackend from "./support/memoryBackend.js"
import { published } from "./support/series.js"
import { during, fallible, key, makeKey, processOn, processWith } from "./support/sharing.js"

const hour = Issuer.succeed("1 hour")

const token = (cache: TokenCacheService) => Effect.map(cache.token("line"), Issuer.value)

const status = (cache: TokenCacheService) => cache.status("line")

describe("processes that share a store", () => {
  it.scoped("take over the token that is there, without issuing", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryBackend.make
      const issuer = Issuer.scripted(hour)
      const one = yield* processOn(backend, issuer)
      assert.strictEqual(yield* token(one), "token-1")
      yield* TestClock.adjust("20 minutes")
      const other = yield* processOn(backend, issuer)
      assert.strictEqual(yield* token(other), "token-1")
      assert.strictEqual(issuer.calls.length, 1)
      const { expiresAt, issuedAt, nextAttemptAt, sharing } = yield* status(one)
      assert.deepInclude(yield* status(other), { expiresAt, issuedAt, nextAttemptAt, sharing })
      assert.strictEqual(sharing, "shared")
    })
  )

  it.scoped("go over to a new token before the old one expires, without issuing", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryBackend.make
      const issuer = Issuer.scripted(hour)
      const one = yield* processOn(backend, issuer)
      yield* token(one)
      const other = yield* processOn(backend, issuer)
      assert.strictEqual(yield* token(other), "token-1")
      yield* one.refresh("line")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* token(other), "token-2")
      yield* TestClock.adjust("50 minutes")
      assert.strictEqual(yield* token(one), "token-3")
      assert.strictEqual(yield* token(other), "token-3")
      assert.strictEqual(issuer.calls.length, 3)
    })
  )

  it.scoped("issue one token between them when it is due for all at once", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryBackend.make
      // Each takes a while, so that all of them are at it.
      const slow = Issuer.scripted(
        Issuer.run(
          Effect.delay(
            Effect.sync(() => IssuedToken.make({ accessToken: crypto.randomUUID(), expiresIn: "1 hour" })),
            "100 millis"
          )
        )
      )
      const all = yield* Effect.forEach(Array.from({ length: 5 }), () => processOn(backend, slow))
      yield* TestClock.adjust("3 hours")
      const tokens = yield* Effect.forEach(all, token)
      assert.strictEqual(new Set(tokens).size, 1)
      // At 0, 50, 100 and 150 minutes.
      assert.strictEqual(slow.calls.length, 4)
      assert.strictEqual(slow.record.mostAtOnce, 1)
    })
  )

  it.effect("are started anew without an issue, and revoke nothing that is shared", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryBackend.make
      const issuer = Issuer.scripted(hour)
      const revoked: Array<string> = []
      const source = {
        ...issuer,
        revoke: ({ accessToken }: IssuedToken.AccessToken) => Effect.sync(() => revoked.push(Issuer.value(accessToken)))
      }
      for (let start = 0; start < 31; start++) {
        assert.strictEqual(yield* during(processOn(backend, source), token), "token-1")
      }
      assert.deepStrictEqual([issuer.calls.length, revoked], [1, []])
    })
  )

  it.scoped("hand on no token that was refused, and issue one in its place for all", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryBackend.make
      const issuer = Issuer.scripted(hour, Issuer.fail(), hour)
      const one = yield* processOn(backend, issuer)
      const refused = yield* one.token("line")
      const other = yield* processOn(backend, issuer)
      assert.strictEqual(yield* token(other), "token-1")
      yield* one.invalidate("line", refused)
      yield* TestClock.adjust("1 second")
      // The issuer fails, and the refused token is not there for a third process.
      const third = yield* processOn(backend, { ...issuer, issue: Effect.fail("not asked") })
      assert.strictEqual((yield* Effect.flip(third.token("line"))).reason, "IssueFailed")
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* token(one), "token-3")
      assert.strictEqual(yield* token(third), "token-3")
      yield* other.invalidate("line", refused)
      assert.strictEqual(yield* token(other), "token-3")
      assert.strictEqual(issuer.calls.length, 3)
    }).pipe(Effect.provide(quiet))
  )

  it.scoped("go on with the next one when the one that has the lease fails", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryBackend.make
      const one = yield* processOn(backend, { issue: Effect.delay(Effect.fail("no"), "100 millis") })
      yield* TestClock.adjust("1 millis")
      const issuer = Issuer.scripted(hour)
      const other = yield* processOn(backend, issuer)
      const reader = yield* Effect.fork(token(other))
      yield* TestClock.adjust("600 millis")
      assert.strictEqual(yield* Fiber.join(reader), "token-1")
      assert.strictEqual(yield* token(one), "token-1")
    }).pipe(Effect.provide(quiet))
  )

  it.scoped("wait for a lease to run out whose process is gone", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryBackend.make
      const issuer = Issuer.scripted(hour)
      yield* during(processOn(backend, { issue: Effect.never }), () =>
        Effect.gen(function* () {
          yield* TestClock.adjust("1 millis")
          // It does not get to release its lease.
          const gone = { ...backend, release: () => Effect.void }
          yield* processOn(gone, { issue: Effect.never, identity: { client: "gone" } })
          yield* TestClock.adjust("1 millis")
        })
      )
      const other = yield* processOn(backend, { ...issuer, identity: { client: "gone" } })
      yield* TestClock.adjust("9900 millis")
      assert.strictEqual(issuer.calls.length, 0)
      yield* TestClock.adjust("1100 millis")
      assert.strictEqual(yield* token(other), "token-1")
    })
  )

  it.scoped("say so when it was another process that did not issue in time", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryBackend.make
      yield* processOn(backend, { issue: Effect.never })
      yield* TestClock.adjust("1 millis")
      const other = yield* processOn(backend, { ...Issuer.scripted(hour), issueTimeout: "3 seconds" })
      yield* TestClock.adjust("3 seconds")
      const { lastError } = yield* status(other)
      assert.deepInclude(lastError, { reason: "Timeout" })
      assert.include(lastError?.message, "another process held the lease")
    }).pipe(Effect.provide(quiet))
  )

  it.scoped("renew the lease while they issue, for longer than it runs", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryBackend.make
      const slow = Effect.delay(
        Effect.sync(() => IssuedToken.make({ accessToken: "slow", expiresIn: "1 hour" })),
        "15 seconds"
      )
      const one = yield* processOn(backend, { issue: slow })
      yield* TestClock.adjust("1 millis")
      const issuer = Issuer.scripted(hour)
      const other = yield* processOn(backend, issuer)
      yield* TestClock.adjust("16 seconds")
      assert.strictEqual(yield* token(one), "slow")
      assert.strictEqual(yield* token(other), "slow")
      assert.strictEqual(issuer.calls.length, 0)
    })
  )

  it.scoped("do not overwrite a newer token with one that comes after the lease was lost", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryBackend.make
      const stopped = yield* Effect.makeLatch(true)
      // Nothing of this process gets to the store while it is stopped.
      const late = {
        ...backend,
        renew: (...args: Parameters<typeof backend.renew>) => Effect.zipRight(stopped.await, backend.renew(...args))
      }
      const slow = Effect.delay(
        Effect.sync(() => IssuedToken.make({ accessToken: "late", expiresIn: "1 hour" })),
        "20 seconds"
      )
      const one = yield* processOn(late, { issue: slow })
      yield* TestClock.adjust("1 millis")
      yield* stopped.close
      const other = yield* processOn(backend, Issuer.scripted(hour))
      yield* TestClock.adjust("11 seconds")
      assert.strictEqual(yield* token(other), "token-1")
      yield* stopped.open
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(yield* token(one), "token-1")
      assert.strictEqual(yield* token(other), "token-1")
    })
  )
})

describe("what is shared", () => {
  const tokenOf = (backend: TokenStore.Backend, source: Partial<Parameters<typeof processOn>[1]>, name = "line") =>
    Effect.gen(function* () {
      const issuer = Issuer.scripted(hour)
      const cache = yield* processWith(
        { [name]: { identity: { client: "app" }, ...issuer, ...source } },
        TokenStore.layer(backend, { encryption: [key] })
      )
      yield* cache.token(name)
      return issuer.calls.length === 0 ? "theirs" : "its own"
    })

  it.scoped("is told apart by name, issuer, client and request", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryBackend.make
      const identity = { client: "app", request: "read" }
      assert.strictEqual(yield* tokenOf(backend, { identity }), "its own")
      assert.strictEqual(yield* tokenOf(backend, { identity: { ...identity } }), "theirs")
      assert.strictEqual(yield* tokenOf(backend, { identity }, "other"), "its own")
      assert.strictEqual(yield* tokenOf(backend, { identity, issuer: "elsewhere" }), "its own")
      assert.strictEqual(yield* tokenOf(backend, { identity: { ...identity, client: "app2" } }), "its own")
      assert.strictEqual(yield* tokenOf(backend, { identity: { ...identity, request: "write" } }), "its own")
    })
  )

  it.scoped("is nothing of a source without an identity, which is said once", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryBackend.make
      const { identity: _, ...unknown } = { identity: undefined, ...Issuer.scripted(hour) }
      const [, lines] = yield* logged(
        Effect.gen(function* () {
          const cache = yield* processWith({ a: unknown, b: unknown }, TokenStore.layer(backend, { encryption: [key] }))
          yield* Effect.forEach(["a", "b"], cache.token)
          assert.isUndefined((yield* cache.status("a")).sharing)
        })
      )
      assert.deepStrictEqual(lines, [
        '"a" is not shared: its source has no identity. The same goes for all others without one'
      ])
    })
  )

  it.effect("is an identity with a client", () =>
    Effect.gen(function* () {
      for (const identity of [{ client: " " }, { client: 1 }, "app", null]) {
        // What an app without types might write.
        const source = { ...Issuer.scripted(hour), identity } as never
        const error = yield* Effect.flip(Effect.scoped(Layer.build(TokenCache.layer({ line: source }))))
        assert.deepInclude(error, { _tag: "InvalidOptions", option: "identity" })
      }
    })
  )
})

describe("while the store fails", () => {
  it.scoped("each process issues its own token and says so; then all go over to one, without issuing", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryBackend.make
      const issuer = Issuer.scripted(hour)
      const stores = [fallible(backend), fallible(backend)] as const
      for (const { state } of stores) state.failing = true
      const [, lines] = yield* logged(
        Effect.gen(function* () {
          const one = yield* processOn(stores[0].backend, issuer)
          const other = yield* processOn(stores[1].backend, issuer)
          assert.strictEqual(yield* token(one), "token-1")
          assert.strictEqual(yield* token(other), "token-2")
          assert.strictEqual((yield* status(one)).sharing, "local")
          yield* TestClock.adjust("1 minute")
          for (const { state } of stores) state.failing = false
          yield* TestClock.adjust("10 seconds")
          const shared = yield* token(one)
          assert.strictEqual(yield* token(other), shared)
          for (const cache of [one, other]) assert.strictEqual((yield* status(cache)).sharing, "shared")
          assert.strictEqual(issuer.calls.length, 2)
        })
      )
      const fails = "The token store fails, and this process issues its own tokens: it is broken"
      const works = "The token store works again"
      assert.deepStrictEqual(lines.toSorted(), [fails, fails, works, works])
    })
  )

  it.scoped("each outage is said, also where the one before began with a refused token", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryBackend.make
      const { backend, state } = fallible(memory)
      const [, lines] = yield* logged(
        Effect.gen(function* () {
          const cache = yield* processOn(
            { ...backend, remove: () => Effect.fail(new TokenStore.StoreError({ message: "not this" })) },
            Issuer.scripted(hour)
          )
          yield* cache.invalidate("line", yield* cache.token("line"))
          yield* TestClock.adjust("10 seconds")
          for (let outage = 0; outage < 2; outage++) {
            state.failing = true
            yield* cache.refresh("line")
            state.failing = false
            yield* TestClock.adjust("10 seconds")
          }
        })
      )
      const fails = "The token store fails, and this process issues its own tokens: it is broken"
      assert.deepStrictEqual(lines, [fails, "The token store works again", fails, "The token store works again"])
    })
  )

  it.scoped("it is left alone for a second, by however many tokens", () =>
    Effect.gen(function* () {
      const { backend, state } = fallible(yield* MemoryBackend.make)
      state.failing = true
      const names = Array.from({ length: 100 }, (_, index) => `token ${index}`)
      const sources = Object.fromEntries(
        names.map((name) => [name, { ...Issuer.scripted(hour), identity: { client: "app" } }])
      )
      const cache = yield* processWith(sources, TokenStore.layer(backend, { encryption: [key] }))
      yield* Effect.forEach(names, cache.token)
      // Those of the first moment: as many as attempts run at once.
      assert.isAtMost(state.asked, 16)
    }).pipe(Effect.provide(quiet))
  )

  it.scoped("an attempt whose token cannot be written keeps it", () =>
    Effect.gen(function* () {
      const { backend, state } = fallible(yield* MemoryBackend.make)
      const issuer = Issuer.scripted(
        Issuer.run(
          Effect.sync(() => {
            state.failing = true
            return IssuedToken.make({ accessToken: "kept", expiresIn: "1 hour" })
          })
        )
      )
      const cache = yield* processOn(backend, issuer)
      assert.strictEqual(yield* token(cache), "kept")
      assert.strictEqual((yield* status(cache)).sharing, "local")
      assert.strictEqual(issuer.calls.length, 1)
    }).pipe(Effect.provide(quiet))
  )

  it.effect("a token of this process alone is revoked when it ends", () =>
    Effect.gen(function* () {
      const { backend, state } = fallible(yield* MemoryBackend.make)
      state.failing = true
      const revoked: Array<string> = []
      const source = {
        ...Issuer.scripted(hour),
        revoke: ({ accessToken }: IssuedToken.AccessToken) => Effect.sync(() => revoked.push(Issuer.value(accessToken)))
      }
      yield* during(processOn(backend, source), token)
      assert.deepStrictEqual(revoked, ["token-1"])
    }).pipe(Effect.provide(quiet))
  )
})

describe("token_cache_store_operation, token_cache_lease_wait_seconds and the trigger shared", () => {
  it.scoped("count what the store was asked for, and who waited", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryBackend.make
      const slow = Effect.delay(
        Effect.sync(() => IssuedToken.make({ accessToken: "slow", expiresIn: "1 hour" })),
        "1 second"
      )
      const one = yield* processOn(backend, { issue: slow })
      yield* TestClock.adjust("1 millis")
      const series = yield* Effect.gen(function* () {
        const reader = yield* Effect.fork(TokenCache.token("line"))
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual(Issuer.value(yield* Fiber.join(reader)), yield* token(one))
        return yield* published("store", "token_cache_")
      }).pipe(
        Effect.provide(
          Layer.provideMerge(
            TokenMetrics.layer({ interval: "20 days" }),
            Layer.effect(TokenCache, processOn(backend, { issue: Effect.fail("not asked") }))
          )
        ),
        Effect.tagMetrics("test", "store")
      )
      assert.strictEqual(series["refresh{outcome=success,token=line,trigger=shared}"], 1)
      assert.strictEqual(series["lease_wait_seconds_count{}"], 1)
      assert.isAbove(series["store_operation{operation=acquire,outcome=success}"] ?? 0, 0)
      assert.isAbove(series["store_operation{operation=read,outcome=success}"] ?? 0, 1)
      assert.isUndefined(series["store_operation{operation=write,outcome=success}"])
    })
  )
})

const hash = (text: string) => createHash("sha256").update(text).digest("base64url")

describe("encryption", () => {
  /** The token that a second process has, with these keys, and what it logs. */
  const secondProcess = (
    keys: TokenStore.TokenStoreOptions["encryption"],
    tamper: (value: string) => string = (value) => value,
    theirs: TokenStore.TokenStoreOptions["encryption"] = [key]
  ) =>
    Effect.gen(function* () {
      const backend = yield* MemoryBackend.make
      const writer = processOn(backend, Issuer.scripted(Issuer.succeed("1 hour", "theirs")), { encryption: theirs })
      yield* during(writer, token)
      const changed = {
        ...backend,
        read: (place: TokenStore.Key) =>
          Effect.map(
            backend.read(place),
            Option.map((stored) => ({ ...stored, value: tamper(stored.value) }))
          )
      }
      return yield* logged(
        during(processOn(changed, Issuer.scripted(Issuer.succeed("1 hour", "its own")), { encryption: keys }), token)
      )
    })

  const unreadable = "The token store holds a value that cannot be read: check TOKEN_STORE_KEYS"

  it.effect("reads what another key of the list has written", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* secondProcess([makeKey("second"), key]), ["theirs", []])
    })
  )

  it.effect("takes what a key that it does not have has written as absent, and says so once", () =>
    Effect.gen(function* () {
      const written = yield* secondProcess([key], (value) => value, [makeKey("second"), key])
      assert.deepStrictEqual(written, ["its own", [unreadable]])
    })
  )

  it.effect("has other names for other keys, so that processes without a common one do not meet", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* secondProcess([makeKey("second")]), ["its own", []])
      assert.deepStrictEqual(yield* secondProcess([makeKey("first")]), ["its own", []])
      assert.deepStrictEqual(yield* secondProcess("none"), ["its own", []])
    })
  )

  it.scoped("makes names that cannot be guessed from what they stand for, and that its keys alone decide", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryBackend.make
      const nameWith = (encryption: TokenStore.TokenStoreOptions["encryption"]) =>
        Effect.map(TokenStore.make(backend, { encryption }), (store) =>
          store.keyOf({ client: ["1234567890"], request: ["all"] })
        )
      const name = yield* nameWith([key])
      assert.deepStrictEqual(yield* nameWith([key]), name)
      // In each step of a replacement but the last one.
      const next = makeKey("second")
      assert.deepStrictEqual(yield* nameWith([key, next]), name)
      assert.deepStrictEqual(yield* nameWith([next, key]), name)
      const others = [yield* nameWith([next]), yield* nameWith([makeKey("first")]), yield* nameWith("none")]
      assert.strictEqual(new Set([name, ...others].flatMap(({ group, id }) => [group, id])).size, 8)
      const guesses = [["1234567890"], "1234567890"].map((text) => hash(JSON.stringify(text)))
      assert.notInclude(guesses, name.group)
      assert.include(guesses, (yield* nameWith("none")).group)
    })
  )

  it.effect("takes a value that was changed as absent", () =>
    Effect.gen(function* () {
      const changes: ReadonlyArray<(value: string) => string> = [
        (value) => value.slice(0, -2),
        (value) => `${value.slice(0, -4)}AAAA`,
        (value) => value.replace("first.", "first.A"),
        (value) => value.replace("v2", "v1"),
        (value) => value.split(".").slice(0, 3).join("."),
        () => "{}",
        () => "v2.first..",
        () => "\u0000"
      ]
      for (const change of changes) {
        assert.deepStrictEqual(yield* secondProcess([key], change), ["its own", [unreadable]])
      }
    })
  )

  it.scoped("ties a value to its place", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryBackend.make
      const store = yield* TokenStore.make(backend, { encryption: [key] })
      const keyOf = (client: string) => store.keyOf({ client: [client], request: [] })
      const [a, b] = [keyOf("a"), keyOf("b")]
      const lease = Option.getOrThrow(yield* store.acquire(a.group))
      const stored = { accessToken: Redacted.make("of a"), issuedAt: 0, expiresAt: 1000 }
      yield* lease.write(a, 1, stored)
      yield* lease.writeSecret(Redacted.make("secret of a"))
      assert.strictEqual(Issuer.value((yield* store.read(a)).token!.accessToken), "of a")
      const moved = yield* TokenStore.make(
        { ...backend, read: () => backend.read(a), readSecret: () => backend.readSecret(a.group) },
        { encryption: [key] }
      )
      assert.deepStrictEqual(yield* moved.read(b), { generation: 1, unreadable: true })
      const other = Option.getOrThrow(yield* moved.acquire(b.group))
      assert.strictEqual((yield* Effect.flip(other.readSecret))._tag, "StoreError")
      assert.strictEqual(Issuer.value(Option.getOrThrow(yield* lease.readSecret)), "secret of a")
    })
  )

  it.scoped("writes the same twice in two ways, and nothing of it in clear", () =>
    Effect.gen(function* () {
      const written: Array<string> = []
      const backend = yield* MemoryBackend.make
      const spied: TokenStore.Backend = {
        ...backend,
        write: (place, owner, value) => {
          written.push(value.value, JSON.stringify(place))
          return backend.write(place, owner, value)
        }
      }
      const issuer = Issuer.scripted(Issuer.succeed("1 hour", "s3cr3t-token"))
      const cache = yield* processOn(spied, { ...issuer, identity: { client: "s3cr3t-client" } })
      yield* token(cache)
      yield* cache.refresh("line")
      assert.strictEqual(new Set(written).size, 3)
      assert.notMatch(written.join(), /s3cr3t|line/)
      for (const part of written.flatMap((value) => value.split("."))) {
        assert.notInclude(Buffer.from(part, "base64url").toString(), "s3cr3t")
      }
    })
  )

  it.effect("is on unless it is written out, by the keys of TOKEN_STORE_KEYS", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryBackend.make
      const build = (keys: string) =>
        Effect.exit(TokenStore.make(backend)).pipe(
          Effect.withConfigProvider(ConfigProvider.fromMap(new Map(keys === "" ? [] : [["TOKEN_STORE_KEYS", keys]])))
        )
      const good = Issuer.value(makeKey("").key)
      for (const keys of [
        "",
        "a",
        "a:",
        `:${good}`,
        `a:${good},`,
        `a:${good},a:${good}`,
        `a b:${good}`,
        `a:${good.slice(4)}`
      ]) {
        const exit = yield* build(keys)
        assert.isTrue(Exit.isFailure(exit), keys)
        assert.include(inspect(exit, { depth: 20 }), "TOKEN_STORE_KEYS")
        assert.notInclude(inspect(exit, { depth: 20 }), good.slice(8, 20))
      }
      for (const keys of [`a:${good}`, ` b-2:${good} , a_1:${good}`]) {
        assert.isTrue(Exit.isSuccess(yield* build(keys)), keys)
      }
    })
  )

  it.effect("refuses keys that are none", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryBackend.make
      for (const encryption of [
        [],
        [{ id: "a", key: Redacted.make("c2hvcnQ=") }],
        [key, { ...makeKey("a"), id: "first" }]
      ]) {
        const error = yield* Effect.flip(TokenStore.make(backend, { encryption }))
        assert.deepInclude(error, { _tag: "InvalidOptions", option: "encryption" })
        assert.notInclude(inspect(error), "c2hvcnQ")
      }
      const error = yield* Effect.flip(TokenStore.make(backend, { encryption: [key], leaseTimeToLive: 0 }))
      assert.deepInclude(error, { _tag: "InvalidOptions", option: "leaseTimeToLive" })
    })
  )
})

describe("TokenStore.read", () => {
  it.effect("gives a token no longer than the store keeps it, whatever the clock of who wrote it says", () =>
    Effect.gen(function* () {
      const backend = yield* MemoryBackend.make
      const store = yield* TokenStore.make(backend, { encryption: [key] })
      const place = store.keyOf({ client: ["app"], request: [] })
      const lease = Option.getOrThrow(yield* store.acquire(place.group))
      const now = yield* Clock.currentTimeMillis
      const hours = (count: number) => now + count * 3_600_000
      yield* lease.write(place, 1, { accessToken: Redacted.make("a"), issuedAt: now, expiresAt: hours(1) })
      assert.strictEqual((yield* store.read(place)).token?.expiresAt, hours(1))
      // The same an hour earlier, by the clock of the reader alone.
      const late = yield* TokenStore.make(
        {
          ...backend,
          read: (place) =>
            Effect.map(
              backend.read(place),
              Option.map((stored) => ({ ...stored, timeToLive: 1000 }))
            )
        },
        { encryption: [key] }
      )
      assert.strictEqual((yield* late.read(place)).token?.expiresAt, now + 1000)
    })
  )
})
