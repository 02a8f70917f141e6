import { Cache, Duration, Effect, Exit, Resource, Schedule } from "effect"
import type { Issue } from "../issuer.js"
import { margin, type Peer } from "./peer.js"

const issuing = (issue: Issue) => Effect.map(Effect.tryPromise(issue), ({ accessToken }) => accessToken)

export const cache = (lifetime: number): Peer => ({
  name: "Effect Cache.get",
  kind: "effect",
  make: (issue) =>
    Effect.map(
      Cache.makeWith({
        capacity: 10,
        lookup: () => issuing(issue),
        timeToLive: (exit) => (Exit.isSuccess(exit) ? Duration.seconds(lifetime - margin) : Duration.zero)
      }),
      (cache) => ({ style: "fiber", use: (body) => body(() => cache.get("api")) })
    )
})

export const cachedWithTTL = (lifetime: number): Peer => ({
  name: "Effect.cachedWithTTL",
  kind: "effect",
  make: (issue) =>
    Effect.map(Effect.cachedWithTTL(issuing(issue), Duration.seconds(lifetime - margin)), (read) => ({
      style: "fiber",
      use: (body) => body(() => read)
    }))
})

/** `every`: when it refreshes, since it knows nothing of the lifetime. */
export const resource = (every: Duration.DurationInput): Peer => ({
  name: "Effect Resource.get",
  kind: "effect",
  make: (issue) =>
    Effect.map(Effect.orDie(Resource.auto(issuing(issue), Schedule.spaced(every))), (resource) => ({
      style: "fiber",
      use: (body) => body(() => Resource.get(resource))
    }))
})
