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
import type * as Scope from "effect/Scope"
import * as Registry from "./internal/cache/cache.js"
import * as Entry from "./internal/cache/entry.js"
import { invalidDuration } from "./internal/options.js"
import { TokenCache } from "./TokenCache.js"
import type { TokenStatus } from "./TokenStatus.js"

/**
 * Counts the attempts and the refused tokens of the `TokenCache` in the context from here on, and publishes what
 * {@link publish} does every `interval` (default: 10 seconds). When the layer closes, the last reads are counted and the
 * gauges end. An `interval` that is no finite duration of more than 0 is a defect, `InvalidOptions`.
 *
 * | metric | type | labels |
 * | --- | --- | --- |
 * | `token_cache_refresh` | counter | `token`, `issuer`, `trigger`, `outcome` |
 * | `token_cache_refresh_duration_seconds` | histogram | `issuer`, `outcome` |
 * | `token_cache_unauthorized` | counter | `token`, `action` |
 * | `token_cache_store_operation` | counter | `operation`, `outcome` |
 * | `token_cache_lock_wait_seconds` | histogram | |
 * | `token_cache_lookup` | counter | `token`, `result` |
 * | `token_cache_token_ready` | gauge, 1 or 0 | `token`, `issuer` |
 * | `token_cache_token_expiration_timestamp_seconds` | gauge | `token`, `issuer` |
 * | `token_cache_token_refresh_timestamp_seconds` | gauge | `token`, `issuer` |
 * | `token_cache_token_issued_timestamp_seconds` | gauge | `token`, `issuer` |
 * | `token_cache_refresh_consecutive_failures` | gauge | `token` |
 *
 * Exporters add `_total` to the counters. A gauge without a value is `NaN`. The first 1,000 names have a label of their
 * own; those after, and all tenants of `TokenCache.layerLookup`, are counted together under `*` and have no gauges.
 * Issuers after the first 100 are `*` as well. All metrics have the labels of the fiber that builds the layer: see `Effect.tagMetrics`.
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
      const invalid = invalidDuration("interval", options.interval)
      if (invalid !== undefined) {
        return yield* Effect.die(invalid)
      }
      yield* enable
      yield* Effect.forkScoped(Effect.repeat(publish, Schedule.spaced(options.interval ?? Duration.seconds(10))))
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
  Effect.clockWith((clock) =>
    Effect.sync(() => {
      const registry = cache[Registry.key]
      if (registry !== undefined) {
        publishReads(registry)
        publishReadsOfRest(registry)
        publishGauges(registry, (entry) =>
          Entry.status(entry, clock.unsafeCurrentTimeMillis(), clock.unsafeCurrentTimeNanos())
        )
      }
    })
  )
)

/**
 * Counts attempts and refused tokens until the cache closes. When the scope closes, the last reads are counted, and the
 * gauges end unless somebody else publishes them.
 *
 * @internal
 */
export const enable: Effect.Effect<void, never, TokenCache | Scope.Scope> = Effect.gen(function* () {
  const registry = (yield* TokenCache)[Registry.key]
  if (registry === undefined) {
    return
  }
  if (registry.metrics.labels === undefined) {
    registry.metrics.labels = yield* FiberRef.get(FiberRef.currentMetricLabels)
    registry.listeners.add((report) => record(registry, report))
  }
  registry.metrics.layers++
  yield* Effect.addFinalizer(() => Effect.map(publish, () => leave(registry)))
})

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

const storeOperation = Metric.counter("token_cache_store_operation", {
  description: "Operations of the token store",
  incremental: true
})

const lockWait = Metric.histogram(
  "token_cache_lock_wait_seconds",
  MetricBoundaries.fromIterable([0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]),
  "How long attempts waited for another process that issued the token"
)

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
  switch (report._tag) {
    case "Attempt":
      recordAttempt(registry, report)
      break
    case "Unauthorized": {
      const token = MetricLabel.make("token", labelOf(registry, report.entry))
      unauthorized.unsafeUpdate(1, labelled(registry, token, MetricLabel.make("action", report.action)))
      break
    }
    case "Store": {
      const operation = MetricLabel.make("operation", report.operation)
      storeOperation.unsafeUpdate(1, labelled(registry, operation, MetricLabel.make("outcome", report.outcome)))
      break
    }
    case "LeaseWait":
      lockWait.unsafeUpdate(report.millis / 1000, labelled(registry))
  }
}

const recordAttempt = (registry: Registry.Registry, report: Registry.AttemptReport): void => {
  const { entry } = report
  const token = MetricLabel.make("token", labelOf(registry, entry))
  const outcome = MetricLabel.make("outcome", report.outcome)
  const trigger = MetricLabel.make("trigger", report.trigger)
  const issuer = issuerLabel(registry, entry)
  refresh.unsafeUpdate(1, labelled(registry, token, ...issuer, trigger, outcome))
  refreshDuration.unsafeUpdate(Math.max(0, report.millis) / 1000, labelled(registry, ...issuer, outcome))
}

const readsOf = ({ misses, reads, unavailable, waited }: Entry.Entry): Registry.Reads => ({
  hit: reads - misses,
  waited,
  unavailable
})

const countReads = (registry: Registry.Registry, name: string, reads: Registry.Reads, before: Registry.Reads): void => {
  const token = MetricLabel.make("token", name)
  for (const result of ["hit", "waited", "unavailable"] as const) {
    lookup.unsafeUpdate(reads[result] - before[result], labelled(registry, token, MetricLabel.make("result", result)))
  }
}

const publishReads = (registry: Registry.Registry): void => {
  const { names } = registry.metrics
  for (const entry of registry.entries.values()) {
    labelOf(registry, entry)
  }
  for (const [name, before] of names) {
    const entry = current(registry, name) ?? before.entry
    const again = entry !== before.entry
    if (again) {
      // The name was registered anew: its reads begin at 0, and its issuer may be another.
      countReads(registry, name, readsOf(before.entry), before.reads)
      setGauges(registry, before.entry, undefined)
    }
    const reads = readsOf(entry)
    countReads(registry, name, reads, again ? Registry.noReads : before.reads)
    names.set(name, { entry, reads })
  }
}

const publishReadsOfRest = (registry: Registry.Registry): void => {
  const { rest } = registry.metrics
  if (rest.entries.size === 0) {
    return
  }
  let inCache = Registry.noReads
  for (const entry of rest.entries) {
    if (registry.entries.get(entry.name) === entry) {
      inCache = sum(inCache, readsOf(entry))
    } else {
      rest.entries.delete(entry)
      rest.gone = sum(rest.gone, readsOf(entry))
    }
  }
  const reads = sum(rest.gone, inCache)
  countReads(registry, everyOther, reads, rest.published)
  rest.published = reads
}

const sum = (a: Registry.Reads, b: Registry.Reads): Registry.Reads => ({
  hit: a.hit + b.hit,
  waited: a.waited + b.waited,
  unavailable: a.unavailable + b.unavailable
})

const publishGauges = (registry: Registry.Registry, statusOf: (entry: Entry.Entry) => TokenStatus): void => {
  for (const [name, { entry }] of registry.metrics.names) {
    setGauges(registry, entry, current(registry, name) === entry ? statusOf(entry) : undefined)
  }
}

/** Without a status, or with that of a token that is stopped, the gauges have no value. */
const setGauges = (registry: Registry.Registry, entry: Entry.Entry, status: TokenStatus | undefined): void => {
  const token = MetricLabel.make("token", entry.name)
  const labels = labelled(registry, token, ...issuerLabel(registry, entry))
  const known = status?.state === "stopped" ? undefined : status
  ready.unsafeUpdate(known === undefined ? Number.NaN : isUsable(known) ? 1 : 0, labels)
  expiration.unsafeUpdate(seconds(known?.expiresAt), labels)
  nextRefresh.unsafeUpdate(seconds(known?.nextAttemptAt), labels)
  issued.unsafeUpdate(seconds(known?.issuedAt), labels)
  consecutiveFailures.unsafeUpdate(known?.consecutiveFailures ?? Number.NaN, labelled(registry, token))
}

/** Nobody keeps the gauges up to date from here on. */
const leave = (registry: Registry.Registry): void => {
  if (--registry.metrics.layers === 0) {
    for (const { entry } of registry.metrics.names.values()) {
      setGauges(registry, entry, undefined)
    }
  }
}

const isUsable = ({ state }: TokenStatus): boolean => state === "ready" || state === "degraded"

const seconds = (millis: number | undefined): number => (millis === undefined ? Number.NaN : millis / 1000)

/** The entry of a name that has a label of its own. */
const current = ({ entries }: Registry.Registry, name: string): Entry.Entry | undefined => {
  const entry = entries.get(name)
  return entry?.idle === undefined ? entry : undefined
}

const everyOther = "*"

const mostNames = 1000

const mostIssuers = 100

const labelOf = (registry: Registry.Registry, entry: Entry.Entry): string => {
  const { names } = registry.metrics
  if (entry.idle !== undefined || (names.size >= mostNames && !names.has(entry.name))) {
    // Kept from its first report on: a tenant may come and go between two publications.
    registry.metrics.rest.entries.add(entry)
    return everyOther
  }
  if (!names.has(entry.name)) {
    names.set(entry.name, { entry, reads: Registry.noReads })
  }
  return entry.name
}

const issuerLabel = (registry: Registry.Registry, { source: { issuer } }: Entry.Entry) => {
  if (issuer === undefined) {
    return []
  }
  const { issuers } = registry.metrics
  if (issuers.size < mostIssuers) {
    issuers.add(issuer)
  }
  return [MetricLabel.make("issuer", issuers.has(issuer) ? issuer : everyOther)]
}

const labelled = ({ metrics }: Registry.Registry, ...labels: ReadonlyArray<MetricLabel.MetricLabel>) => [
  ...(metrics.labels ?? []),
  ...labels
]
