import { FetchHttpClient } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"

/** The clients that an app may bring. */
export const httpClients = {
  http: NodeHttpClient.layer,
  undici: NodeHttpClient.layerUndici,
  fetch: FetchHttpClient.layer
} as const

/** The same, by the names that they have in an app. */
export const httpClientLayers = [
  ["NodeHttpClient.layer", NodeHttpClient.layer],
  ["NodeHttpClient.layerUndici", NodeHttpClient.layerUndici],
  ["FetchHttpClient.layer", FetchHttpClient.layer]
] as const
