/**
 * Metrics of the cache, through Effect `Metric`.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricLabel from "effect/MetricLabel"
import * as Schedule from "effect/Schedule"
import type * as Entry from "./internal/entry.js"
import * as Registry from "./internal/registry.js"
import { TokenCache } from "./TokenCache.js"
import type { TokenStatus } from "./TokenStatus.js"

/**
 * Counts the attempts and the refused tokens of the `TokenCache` in the context from here on, and publishes what
 * {@link publish} does every `interval` (default: 10 seconds) and when the layer closes.
 *
 * | metric | type | labels |
 * | --- | --- | --- |
 * | `token_cache_refresh` | counter | `token`, `issuer`, `trigger`, `outcome` |
 * | `token_cache_refresh_duration_seconds` | histogram | `issuer`, `outcome` |
 * | `token_cache_unauthorized` | counter | `token`, `action` |
 * | `token_cache_lookup` | counter | `token`, `result` |
 * | `token_cache_token_ready` | gauge, 1 or 0 | `token`, `issuer` |
 * | `token_cache_token_expiration_timestamp_seconds` | gauge | `token`, `issuer` |
 * | `token_cache_token_refresh_timestamp_seconds` | gauge | `token`, `issuer` |
 * | `token_cache_token_issued_timestamp_seconds` | gauge | `token`, `issuer` |
 * | `token_cache_refresh_consecutive_failures` | gauge | `token` |
 *
 * Exporters add `_total` to the counters. A gauge without a value is `NaN`. The first 1,000 names have a label of their
 * own; those after, and all tenants of `TokenCache.layerLookup`, are counted together under `*` and have no gauges.
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
  options: { readonly interval?: Duration.DurationInput | undefined } = {}
): Layer.Layer<never, never, TokenCache> =>
  Layer.scopedDiscard(
    Effect.gen(function* () {
      yield* enable
      const cache = yield* TokenCache
      const published = Effect.provideService(publish, TokenCache, cache)
      yield* Effect.addFinalizer(() => published)
      yield* Effect.forkScoped(Effect.repeat(published, Schedule.spaced(options.interval ?? Duration.seconds(10))))
    })
  )

/**
 * Publishes the reads since the last time, and the gauges as they are now. Reads are counted in plain fields, so that a
 * warm read updates no metric.
 *
 * @since 0.1.0
 * @category publishing
 */
export const publish: Effect.Effect<void, never, TokenCache> = Effect.flatMap(TokenCache, (cache) =>
  Effect.map(cache.statuses, (statuses) => {
    const registry = cache[Registry.key]
    if (registry !== undefined) {
      publishReads(registry)
      publishGauges(registry, statuses)
    }
  })
)

/**
 * Counts attempts and refused tokens until the cache closes.
 *
 * @internal
 */
export const enable: Effect.Effect<void, never, TokenCache> = Effect.flatMap(TokenCache, (cache) =>
  Effect.map(FiberRef.get(FiberRef.currentMetricLabels), (labels) => {
    const registry = cache[Registry.key]
    if (registry !== undefined && registry.metrics.labels === undefined) {
      registry.metrics.labels = labels
      registry.listeners.add((report) => record(registry, report))
    }
  })
)

const refresh = Metric.counter("token_cache_refresh", {
  description: "Attempts to issue a token that have ended",
  incremental: true
})

const refreshDuration = Metric.histogram(
  "token_cache_refresh_duration_seconds",
  MetricBoundaries.fromIterable([0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]),
  "How long attempts to issue a token took"
)

const unauthorized = Metric.counter("token_cache_unauthorized", {
  description: "Reports that a token is refused",
  incremental: true
})

const lookup = Metric.counter("token_cache_lookup", { description: "Reads of a token", incremental: true })

const ready = Metric.gauge("token_cache_token_ready", { description: "Whether there is a usable token" })

const expiration = Metric.gauge("token_cache_token_expiration_timestamp_seconds", {
  description: "When the token expires"
})

const nextRefresh = Metric.gauge("token_cache_token_refresh_timestamp_seconds", {
  description: "When the next attempt is due"
})

const issued = Metric.gauge("token_cache_token_issued_timestamp_seconds", { description: "When the token was issued" })

const consecutiveFailures = Metric.gauge("token_cache_refresh_consecutive_failures", {
  description: "Attempts that have failed since the last success"
})

const record = (registry: Registry.Registry, report: Registry.Report): void => {
  const { entry } = report
  const token = MetricLabel.make("token", labelOf(registry, entry) ?? everyOther)
  if (report._tag === "Unauthorized") {
    unauthorized.unsafeUpdate(1, labelled(registry, token, MetricLabel.make("action", report.action)))
    return
  }
  const outcome = MetricLabel.make("outcome", report.outcome)
  const trigger = MetricLabel.make("trigger", report.trigger)
  const issuer = issuerLabel(entry.source.issuer)
  refresh.unsafeUpdate(1, labelled(registry, token, ...issuer, trigger, outcome))
  refreshDuration.unsafeUpdate(Math.max(0, report.millis) / 1000, labelled(registry, ...issuer, outcome))
}

const publishReads = (registry: Registry.Registry): void => {
  for (const entry of registry.entries.values()) {
    const name = labelOf(registry, entry)
    const before = name === undefined ? undefined : registry.metrics.names.get(name)
    if (name === undefined || before === undefined) {
      continue
    }
    const counts = { hit: entry.reads - entry.misses, waited: entry.waited, unavailable: entry.unavailable }
    for (const result of ["hit", "waited", "unavailable"] as const) {
      // A name that was registered anew begins at 0.
      const more = counts[result] - (before.entry === entry ? before.reads[result] : 0)
      lookup.unsafeUpdate(more, labelled(registry, MetricLabel.make("token", name), MetricLabel.make("result", result)))
    }
    registry.metrics.names.set(name, { entry, reads: counts })
  }
}

const publishGauges = (registry: Registry.Registry, statuses: ReadonlyArray<TokenStatus>): void => {
  const byName = new Map(statuses.map((status) => [status.name, status]))
  for (const [name, { entry }] of registry.metrics.names) {
    const status = byName.get(name)
    const token = MetricLabel.make("token", name)
    const labels = labelled(registry, token, ...issuerLabel(entry.source.issuer))
    ready.unsafeUpdate(status === undefined ? Number.NaN : isUsable(status) ? 1 : 0, labels)
    expiration.unsafeUpdate(seconds(status?.expiresAt), labels)
    nextRefresh.unsafeUpdate(seconds(status?.nextAttemptAt), labels)
    issued.unsafeUpdate(seconds(status?.issuedAt), labels)
    consecutiveFailures.unsafeUpdate(status?.consecutiveFailures ?? Number.NaN, labelled(registry, token))
  }
}

const isUsable = ({ state }: TokenStatus): boolean => state === "ready" || state === "degraded"

const seconds = (millis: number | undefined): number => (millis === undefined ? Number.NaN : millis / 1000)

const everyOther = "*"

const mostNames = 1000

/** The name, if it has a label of its own. */
const labelOf = ({ metrics: { names } }: Registry.Registry, entry: Entry.Entry): string | undefined => {
  if (entry.idle !== undefined) {
    return undefined
  }
  if (!names.has(entry.name)) {
    if (names.size >= mostNames) {
      return undefined
    }
    names.set(entry.name, { entry, reads: { hit: 0, waited: 0, unavailable: 0 } })
  }
  return entry.name
}

const issuerLabel = (issuer: string | undefined) => (issuer === undefined ? [] : [MetricLabel.make("issuer", issuer)])

const labelled = ({ metrics }: Registry.Registry, ...labels: ReadonlyArray<MetricLabel.MetricLabel>) => [
  ...(metrics.labels ?? []),
  ...labels
]
