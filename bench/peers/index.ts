import { azure } from "./azure.js"
import { badgateway } from "./badgateway.js"
import * as EffectPeers from "./effect.js"
import * as Google from "./google.js"
import { lruCache } from "./lruCache.js"
import { msal } from "./msal.js"
import { octokit } from "./octokit.js"
import * as Ours from "./ours.js"
import type { Peer } from "./peer.js"
import { smithy } from "./smithy.js"

/** Those that keep a token. `lifetime` in seconds; `every`: when `Resource` refreshes, in milliseconds. */
export const all = (lifetime: number, every: number): ReadonlyArray<Peer> => [
  Ours.token,
  Ours.reader,
  Ours.promise,
  EffectPeers.cache(lifetime),
  EffectPeers.cachedWithTTL(lifetime),
  EffectPeers.resource(every),
  smithy,
  Google.refreshHandler,
  Google.refreshToken,
  azure,
  octokit,
  msal,
  badgateway,
  lruCache
]
