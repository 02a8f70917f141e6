/**
 * Metrics of the cache, through Effect's `Metric`.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Recorder from "./internal/metrics/recorder.js"
import { invalidDuration } from "./internal/options.js"
import { TokenCache } from "./TokenCache.js"

/**
 * Turns on the metrics of the `TokenCache` in the context. From now on, attempts and refused tokens are counted as they
 * happen, and {@link publish} runs every `interval` (default: 10 seconds) and once more when the layer closes, which ends
 * the gauges. The layer dies with `InvalidOptions` if `interval` is not a finite duration of more than 0.
 *
 * | metric | type | labels |
 * | --- | --- | --- |
 * | `token_cache_refresh` | counter | `token`, `issuer`, `trigger`, `outcome` |
 * | `token_cache_refresh_duration_seconds` | histogram | `issuer`, `outcome` |
 * | `token_cache_unauthorized` | counter | `token`, `action` |
 * | `token_cache_store_operation` | counter | `operation`, `outcome` |
 * | `token_cache_lease_wait_seconds` | histogram | |
 * | `token_cache_lease_given_up` | counter | `token` |
 * | `token_cache_reads` | counter | `token`, `result` |
 * | `token_cache_token_ready` | gauge, 1 or 0 | `token`, `issuer` |
 * | `token_cache_token_expiration_timestamp_seconds` | gauge | `token`, `issuer` |
 * | `token_cache_token_refresh_timestamp_seconds` | gauge | `token`, `issuer` |
 * | `token_cache_token_issued_timestamp_seconds` | gauge | `token`, `issuer` |
 * | `token_cache_refresh_consecutive_failures` | gauge | `token` |
 *
 * Exporters add `_total` to the names of counters. A gauge that has no value is `NaN`. The first 1,000 names have a label
 * of their own. Further names, and all tenants of `TokenCache.layerLookup`, are counted together under `*` and have no
 * gauges. Issuers beyond the first 100 are counted under `*` as well. All metrics carry the labels of the fiber that builds
 * the layer, which `Effect.tagMetrics` sets. See docs/metrics.md.
 *
 * @example
 * ```ts
 * import { Layer } from "effect"
 * import { LineChannel, TokenCache, TokenMetrics } from "effect-token-cache"
 *
 * const Tokens = TokenCache.layer({ line: LineChannel.statelessFromConfig })
 * const Live = TokenMetrics.layer().pipe(Layer.provideMerge(Tokens))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: {
    /** How long to wait between two publications of reads and gauges. Default: 10 seconds. */
    readonly interval?: Duration.DurationInput | undefined
  } = {}
): Layer.Layer<never, never, TokenCache> =>
  Layer.scopedDiscard(
    Effect.gen(function* () {
      const invalid = invalidDuration("interval", options.interval)
      if (invalid !== undefined) {
        return yield* Effect.die(invalid)
      }
      yield* Effect.flatMap(TokenCache, Recorder.enable)
      yield* Effect.forkScoped(Effect.repeat(publish, Schedule.spaced(options.interval ?? Duration.seconds(10))))
    })
  )

/**
 * Counts the reads since the last time, and sets the gauges to what they are now. {@link layer} runs it regularly; run it
 * yourself to publish at another moment, such as just before a scrape. Reads are counted here and not one by one, so that
 * reading a warm token updates no metric.
 *
 * @since 0.1.0
 * @category publishing
 */
export const publish: Effect.Effect<void, never, TokenCache> = Effect.flatMap(TokenCache, Recorder.publish)
