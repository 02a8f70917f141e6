import { Clock, Effect, Option, PubSub, Stream } from "effect"
import type { TokenStore } from "effect-token-cache"

/** A store in memory, for tests on a `TestClock`: what it does is done at once. */
export const make: Effect.Effect<TokenStore.Backend> = Effect.gen(function* () {
  const values = new Map<string, { generation: number; value: string; readonly until: number }>()
  const leases = new Map<string, { owner: string; until: number }>()
  const secrets = new Map<string, string>()
  const written = yield* PubSub.unbounded<TokenStore.Change>()

  const textOf = ({ group, id }: TokenStore.Key) => `${group}:${id}`
  const held = (group: string, owner: string, now: number) => {
    const lease = leases.get(group)
    return lease !== undefined && lease.owner === owner && lease.until > now ? lease : undefined
  }
  const find = (key: TokenStore.Key, now: number) => {
    const found = values.get(textOf(key))
    return found !== undefined && found.until > now ? found : undefined
  }
  const atOnce = <A>(f: (now: number) => A) => Effect.map(Clock.currentTimeMillis, f)

  return {
    read: (key) =>
      atOnce((now) =>
        Option.map(Option.fromNullable(find(key, now)), ({ generation, until, value }) => ({
          generation,
          value,
          timeToLive: until - now
        }))
      ),
    write: (key, owner, { generation, timeToLive, value }) =>
      atOnce((now) => {
        if (held(key.group, owner, now) === undefined || (find(key, now)?.generation ?? 0) >= generation) {
          return false
        }
        values.set(textOf(key), { generation, value, until: now + timeToLive })
        written.unsafeOffer({ key, generation })
        return true
      }),
    remove: (key, generation) =>
      atOnce((now) => {
        const found = find(key, now)
        if (found?.generation === generation) found.value = ""
      }),
    acquire: (group, owner, timeToLive) =>
      atOnce((now) => {
        const left = (leases.get(group)?.until ?? 0) - now
        const free = left <= 0 || left > timeToLive
        if (free) leases.set(group, { owner, until: now + timeToLive })
        return free
      }),
    renew: (group, owner, timeToLive) =>
      atOnce((now) => {
        const lease = held(group, owner, now)
        if (lease !== undefined) lease.until = now + timeToLive
        return lease !== undefined
      }),
    release: (group, owner) =>
      atOnce((now) => {
        if (held(group, owner, now) !== undefined) leases.delete(group)
      }),
    changes: Stream.fromPubSub(written),
    readSecret: (group) => Effect.sync(() => Option.fromNullable(secrets.get(group))),
    writeSecret: (group, owner, value) =>
      atOnce((now) => {
        const mine = held(group, owner, now) !== undefined
        if (mine) secrets.set(group, value)
        return mine
      })
  }
})
