/**
 * In place of `effect-token-cache`: each cache has a store, and each source an identity. The tests of the core run with
 * it as they are.
 */
import { Effect, Layer, Predicate, Redacted } from "effect"
import * as Core from "../../../src/index.js"
import * as MemoryBackend from "../memoryBackend.js"

export * from "../../../src/index.js"

const key = { id: "test", key: Redacted.make(Buffer.from("the key of a store for the tests").toString("base64")) }

const Store = Layer.orDie(
  Layer.unwrapEffect(Effect.map(MemoryBackend.make, (backend) => Core.TokenStore.layer(backend, { encryption: [key] })))
)

type Sources = Parameters<typeof Core.TokenCache.layer>[0]
type Options = Parameters<typeof Core.TokenCache.layer>[1]

/** A source that revokes its token stays as it is: a shared token is not revoked. */
const identified = (source: unknown): unknown =>
  Effect.isEffect(source)
    ? Effect.map(source, identified)
    : Predicate.isRecord(source) && source.revoke === undefined
      ? { identity: { client: "test" }, ...source }
      : source

export class TokenCache extends Core.TokenCache {
  // The tests have been type-checked against the real one.
  static override layer: typeof Core.TokenCache.layer = (sources: Sources, options?: Options) => {
    const all = Object.fromEntries(Object.entries(sources).map(([name, source]) => [name, identified(source)]))
    return Layer.provide(Core.TokenCache.layer(all as Sources, options as Options), Store)
  }
}
