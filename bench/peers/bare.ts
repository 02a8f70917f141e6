import { Effect } from "effect"
import type { Peer } from "./peer.js"

/** A constant: what reading costs before there is a cache. */
export const bare: Peer = {
  name: "async () => token",
  kind: "bare",
  make: (issue) =>
    Effect.map(Effect.orDie(Effect.tryPromise(issue)), ({ accessToken }) => ({
      style: "promise",
      read: async () => accessToken
    }))
}
