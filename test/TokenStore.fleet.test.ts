import { Effect, type Scope } from "effect"
import { LineEmulator, lineChannelId, lineChannelSecret } from "effect-token-cache/testing"
import { assert, describe } from "vitest"
import { type Fleet, makeKey, startFleet } from "./support/fleet.js"
import { OidcProvider, webSecret } from "./support/oidcProvider.js"
import { itWith } from "./support/parts.js"
import { type RedisServer, startRedis } from "./support/redisServer.js"
import { until } from "./support/until.js"

const itWithRedis = itWith("redis-server")

const redis = Effect.acquireRelease(
  Effect.promise(() => startRedis()),
  (server) => Effect.promise(server.stop)
)

// To see it with more of them: FLEET_SIZE=50 npx vitest run test/TokenStore.fleet.test.ts -t "one token per refresh"
const size = Number(process.env.FLEET_SIZE ?? 20)

const namesOf = (count: number) => Array.from({ length: count }, (_, index) => `member ${index + 1}`)

const issuing = "/oauth2/v3/token"

/** Processes that share the token of the emulator's channel, once all of them have one token. */
const lineFleet = (size: number) =>
  Effect.gen(function* () {
    const server = yield* redis
    const line = yield* LineEmulator
    const fleet = yield* startFleet(namesOf(size), {
      REDIS_URL: server.url,
      TOKEN_STORE_KEYS: `test:${makeKey()}`,
      LINE_API_BASE_URL: line.url,
      LINE_CHANNEL_ID: lineChannelId,
      LINE_CHANNEL_SECRET: lineChannelSecret
    })
    yield* until(() => fleet.sharedToken() !== undefined)
    yield* line.clearRequests
    const since = Date.now()
    /** Which members have asked the issuer since then. */
    const askers = Effect.map(line.requests, (requests) =>
      requests.filter(({ path }) => path === issuing).map(({ headers }) => headers["x-member"])
    )
    /** Waits until that many have. */
    const asked = (count: number) =>
      Effect.repeat(Effect.delay(askers, "20 millis"), { until: (askers) => askers.length >= count })
    return { ...fleet, failures: () => fleet.failures(since), server, line, askers, asked, find: memberOf(fleet) }
  })

const ask = (server: RedisServer, ...command: Parameters<RedisServer["ask"]>) =>
  Effect.map(
    Effect.promise(() => server.ask(...command)),
    String
  )

/** For how long the lease lasts if nobody renews it. */
const leaseMillis = (server: RedisServer) =>
  Effect.flatMap(ask(server, "KEYS", "*:lease"), (key) => Effect.map(ask(server, "PTTL", key), Number))

/** How often anybody has asked for the lease and then for the token: each of the two asks for the time that is left. */
const looks = (server: RedisServer) =>
  Effect.map(ask(server, "INFO", "commandstats"), (text) => Number(/^cmdstat_pttl:calls=(\d+)/m.exec(text)?.[1]) / 2)

const memberOf = (fleet: Fleet) => (name: string | undefined) => {
  const member = fleet.members.find((member) => member.name === name)
  assert.isDefined(member)
  return member
}

/** Waits until these have one token, and not the one that they had. */
const newToken = (fleet: Fleet, old: string | undefined, of = fleet.members) =>
  until(() => ![undefined, old].includes(fleet.sharedToken(of)))

/** Waits until all have one token that is not the one that they have now. */
const refreshed = (fleet: Fleet) => Effect.suspend(() => newToken(fleet, fleet.sharedToken()))

const run = (
  lifetime: `${number} seconds`,
  test: Effect.Effect<void, unknown, Scope.Scope | LineEmulator>
): Promise<void> =>
  test.pipe(Effect.provide(LineEmulator.layer({ statelessLifetime: lifetime })), Effect.scoped, Effect.runPromise)

describe("processes that share a token through Redis", () => {
  itWithRedis(`issue one token per refresh: ${size} of them, 3 refreshes, 3 issues`, () =>
    run(
      "10 seconds",
      Effect.gen(function* () {
        const fleet = yield* lineFleet(size)
        yield* Effect.repeatN(refreshed(fleet), 2)
        assert.strictEqual((yield* fleet.askers).length, 3)
        assert.deepStrictEqual(fleet.failures(), [])
        assert.strictEqual(fleet.stderr(), "")
      })
    )
  )

  itWithRedis("go on within the lease and a second when the one that issues is killed", () =>
    run(
      "30 seconds",
      Effect.gen(function* () {
        const fleet = yield* lineFleet(3)
        const old = fleet.sharedToken()
        yield* fleet.line.fault({ match: issuing, delayMs: 60_000 })
        const [holder] = yield* fleet.asked(1)
        const others = fleet.members.filter(({ name }) => name !== holder)
        fleet.find(holder).signal("SIGKILL")
        assert.isAtMost(yield* leaseMillis(fleet.server), 3000)
        const before = yield* looks(fleet.server)
        let halfSeconds = 0
        // One that looks twice a second, as the two others are meant to: slower where the machine is busy, as they are.
        const reference = Effect.forever(
          Effect.delay(
            Effect.sync(() => halfSeconds++),
            "500 millis"
          )
        )
        yield* Effect.raceFirst(reference, fleet.asked(2))
        assert.isAtLeast((yield* looks(fleet.server)) - before, halfSeconds * 2 * (2 / 3))
        yield* newToken(fleet, old, others)
        assert.strictEqual((yield* fleet.askers).length, 2)
        assert.deepStrictEqual(fleet.failures(), [])
      })
    )
  )

  itWithRedis("are not set back by one that is stopped while it issues, and goes on late", () =>
    run(
      "30 seconds",
      Effect.gen(function* () {
        const fleet = yield* lineFleet(3)
        const old = fleet.sharedToken()
        yield* fleet.line.fault({ match: issuing, mode: "after", delayMs: 500 })
        const [holder] = yield* fleet.asked(1)
        const others = fleet.members.filter(({ name }) => name !== holder)
        fleet.find(holder).signal("SIGSTOP")
        yield* fleet.asked(2)
        yield* newToken(fleet, old, others)
        const token = fleet.sharedToken(others)
        fleet.find(holder).signal("SIGCONT")
        yield* until(() => fleet.find(holder).token() === token)
        yield* Effect.sleep("1 second")
        assert.strictEqual(fleet.sharedToken(), token)
        assert.strictEqual((yield* fleet.askers).length, 2)
        assert.deepStrictEqual(fleet.failures(), [])
      })
    )
  )

  itWithRedis("live through 10 seconds in which Redis is frozen, and have one token afterwards", () =>
    run(
      "16 seconds",
      Effect.gen(function* () {
        const fleet = yield* lineFleet(3)
        fleet.server.signal("SIGSTOP")
        yield* Effect.sleep("10 seconds")
        yield* until(() => fleet.members.every((member) => member.sharing() === "local"))
        assert.deepStrictEqual(new Set(yield* fleet.askers), new Set(namesOf(3)))
        assert.isUndefined(fleet.sharedToken())
        fleet.server.signal("SIGCONT")
        yield* until(() => fleet.sharedToken() !== undefined)
        const issues = (yield* fleet.askers).length
        yield* refreshed(fleet)
        assert.strictEqual((yield* fleet.askers).length, issues + 1)
        assert.deepStrictEqual(fleet.failures(), [])
      })
    )
  )

  itWithRedis("replace one refresh token 50 times, and the grant lives", () =>
    Effect.gen(function* () {
      const server = yield* redis
      const oidc = yield* OidcProvider
      const fleet = yield* startFleet(namesOf(2), {
        REDIS_URL: server.url,
        TOKEN_STORE_KEYS: `test:${makeKey()}`,
        OIDC_ISSUER: oidc.issuer,
        OIDC_SECRET: webSecret,
        REFRESH_TOKEN: yield* oidc.login
      })
      yield* until(() => fleet.sharedToken() !== undefined)
      const answers = () =>
        fleet.members.map(({ said }) => said.filter(({ refreshed }) => refreshed !== undefined).length)
      while (oidc.grants.length < 50) {
        const before = answers()
        for (const member of fleet.members) member.refresh()
        yield* until(() => answers().every((count, index) => count > (before[index] ?? 0)))
      }
      assert.deepStrictEqual(
        oidc.grants.filter(({ outcome }) => outcome === "error"),
        []
      )
      const sent = oidc.grants.map(({ parameters }) => parameters.refresh_token)
      assert.strictEqual(new Set(sent).size, sent.length)
      assert.deepStrictEqual(fleet.failures(), [])
    }).pipe(Effect.provide(OidcProvider.layer), Effect.scoped, Effect.runPromise)
  )
})
