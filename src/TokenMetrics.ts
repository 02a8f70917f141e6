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
import * as Telemetry from "./internal/cache/telemetry.js"
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
export const publish: Effect.Effect<void, never, TokenCache> = Effect.map(TokenCache, (cache) => {
  const telemetry = cache[Telemetry.key]
  if (telemetry !== undefined) {
    const recorder = recorderOf(telemetry)
    publishReads(recorder)
    publishReadsOfRest(recorder)
    publishGauges(recorder)
  }
})

/**
 * Counts attempts and refused tokens until the cache closes. When the scope closes, the last reads are counted, and the
 * gauges end unless somebody else publishes them.
 *
 * @internal
 */
export const enable: Effect.Effect<void, never, TokenCache | Scope.Scope> = Effect.gen(function* () {
  const telemetry = (yield* TokenCache)[Telemetry.key]
  if (telemetry === undefined) {
    return
  }
  const recorder = recorderOf(telemetry)
  recorder.labels ??= yield* FiberRef.get(FiberRef.currentMetricLabels)
  recorder.layers++
  yield* Effect.addFinalizer(() => Effect.map(publish, () => leave(recorder)))
})

const RecorderTypeId: unique symbol = Symbol.for("effect-token-cache/TokenMetrics/Recorder")

/** What is recorded of one cache. */
interface Recorder extends Telemetry.Listener {
  readonly [RecorderTypeId]: true
  readonly telemetry: Telemetry.Telemetry
  /** Of the fiber that turned the metrics on; `undefined` while attempts and refused tokens are not counted. */
  labels: ReadonlyArray<MetricLabel.MetricLabel> | undefined
  /** How many layers and status pages publish. */
  layers: number
  /** The names that have a label of their own, and what was published of them last. */
  readonly names: Map<string, { readonly entry: Telemetry.Token; readonly reads: Telemetry.Reads }>
  /** The issuers that have a label of their own. */
  readonly issuers: Set<string>
  /** All other tokens, published as one. */
  readonly rest: {
    readonly entries: Set<Telemetry.Token>
    /** Reads of those that are no longer in the cache. */
    gone: Telemetry.Reads
    published: Telemetry.Reads
  }
}

const noReads: Telemetry.Reads = { hit: 0, waited: 0, unavailable: 0 }

const isRecorder = (listener: Telemetry.Listener): listener is Recorder => RecorderTypeId in listener

/** The recorder of a cache, which all its layers and status pages share. */
const recorderOf = (telemetry: Telemetry.Telemetry): Recorder => {
  const found = Array.from(telemetry.listeners).find(isRecorder)
  if (found !== undefined) {
    return found
  }
  const recorder: Recorder = {
    [RecorderTypeId]: true,
    telemetry,
    labels: undefined,
    layers: 0,
    names: new Map(),
    issuers: new Set(),
    rest: { entries: new Set(), gone: noReads, published: noReads },
    onReport: (report) => {
      if (recorder.labels !== undefined) record(recorder, report)
    }
  }
  telemetry.listeners.add(recorder)
  return recorder
}

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

const record = (recorder: Recorder, report: Telemetry.Report): void => {
  switch (report._tag) {
    case "Attempt":
      recordAttempt(recorder, report)
      break
    case "Unauthorized": {
      const token = MetricLabel.make("token", labelOf(recorder, report.token))
      unauthorized.unsafeUpdate(1, labelled(recorder, token, MetricLabel.make("action", report.action)))
      break
    }
    case "SharingOperation": {
      const operation = MetricLabel.make("operation", report.operation)
      storeOperation.unsafeUpdate(1, labelled(recorder, operation, MetricLabel.make("outcome", report.outcome)))
      break
    }
    case "LeaseWait":
      lockWait.unsafeUpdate(report.millis / 1000, labelled(recorder))
  }
}

const recordAttempt = (recorder: Recorder, report: Telemetry.AttemptReport): void => {
  const { token: entry } = report
  const token = MetricLabel.make("token", labelOf(recorder, entry))
  const outcome = MetricLabel.make("outcome", report.outcome)
  const trigger = MetricLabel.make("trigger", report.trigger)
  const issuer = issuerLabel(recorder, entry)
  refresh.unsafeUpdate(1, labelled(recorder, token, ...issuer, trigger, outcome))
  refreshDuration.unsafeUpdate(Math.max(0, report.millis) / 1000, labelled(recorder, ...issuer, outcome))
}

const countReads = (recorder: Recorder, name: string, reads: Telemetry.Reads, before: Telemetry.Reads): void => {
  const token = MetricLabel.make("token", name)
  for (const result of ["hit", "waited", "unavailable"] as const) {
    lookup.unsafeUpdate(reads[result] - before[result], labelled(recorder, token, MetricLabel.make("result", result)))
  }
}

const publishReads = (recorder: Recorder): void => {
  const { names } = recorder
  for (const entry of recorder.telemetry.tokens.values()) {
    labelOf(recorder, entry)
  }
  for (const [name, before] of names) {
    const entry = current(recorder, name) ?? before.entry
    const again = entry !== before.entry
    if (again) {
      // The name was registered anew: its reads begin at 0, and its issuer may be another.
      countReads(recorder, name, Telemetry.readsOf(before.entry), before.reads)
      setGauges(recorder, before.entry, undefined)
    }
    const reads = Telemetry.readsOf(entry)
    countReads(recorder, name, reads, again ? noReads : before.reads)
    names.set(name, { entry, reads })
  }
}

const publishReadsOfRest = (recorder: Recorder): void => {
  const { rest } = recorder
  if (rest.entries.size === 0) {
    return
  }
  let inCache = noReads
  for (const entry of rest.entries) {
    if (recorder.telemetry.tokens.get(entry.name) === entry) {
      inCache = sum(inCache, Telemetry.readsOf(entry))
    } else {
      rest.entries.delete(entry)
      rest.gone = sum(rest.gone, Telemetry.readsOf(entry))
    }
  }
  const reads = sum(rest.gone, inCache)
  countReads(recorder, everyOther, reads, rest.published)
  rest.published = reads
}

const sum = (a: Telemetry.Reads, b: Telemetry.Reads): Telemetry.Reads => ({
  hit: a.hit + b.hit,
  waited: a.waited + b.waited,
  unavailable: a.unavailable + b.unavailable
})

const publishGauges = (recorder: Recorder): void => {
  for (const { entry } of recorder.names.values()) {
    setGauges(recorder, entry, recorder.telemetry.status(entry))
  }
}

/** Without a status, or with that of a token that is stopped, the gauges have no value. */
const setGauges = (recorder: Recorder, entry: Telemetry.Token, status: TokenStatus | undefined): void => {
  const token = MetricLabel.make("token", entry.name)
  const labels = labelled(recorder, token, ...issuerLabel(recorder, entry))
  const known = status?.state === "stopped" ? undefined : status
  ready.unsafeUpdate(known === undefined ? Number.NaN : isUsable(known) ? 1 : 0, labels)
  expiration.unsafeUpdate(seconds(known?.expiresAt), labels)
  nextRefresh.unsafeUpdate(seconds(known?.nextAttemptAt), labels)
  issued.unsafeUpdate(seconds(known?.issuedAt), labels)
  consecutiveFailures.unsafeUpdate(known?.consecutiveFailures ?? Number.NaN, labelled(recorder, token))
}

/** Nobody keeps the gauges up to date from here on. */
const leave = (recorder: Recorder): void => {
  if (--recorder.layers === 0) {
    for (const { entry } of recorder.names.values()) {
      setGauges(recorder, entry, undefined)
    }
  }
}

const isUsable = ({ state }: TokenStatus): boolean => state === "ready" || state === "degraded"

const seconds = (millis: number | undefined): number => (millis === undefined ? Number.NaN : millis / 1000)

/** The entry of a name that has a label of its own. */
const current = ({ telemetry: { tokens } }: Recorder, name: string): Telemetry.Token | undefined => {
  const entry = tokens.get(name)
  return entry?.idle === undefined ? entry : undefined
}

const everyOther = "*"

const mostNames = 1000

const mostIssuers = 100

const labelOf = (recorder: Recorder, entry: Telemetry.Token): string => {
  const { names } = recorder
  if (entry.idle !== undefined || (names.size >= mostNames && !names.has(entry.name))) {
    // Kept from its first report on: a tenant may come and go between two publications.
    recorder.rest.entries.add(entry)
    return everyOther
  }
  if (!names.has(entry.name)) {
    names.set(entry.name, { entry, reads: noReads })
  }
  return entry.name
}

const issuerLabel = (recorder: Recorder, { source: { issuer } }: Telemetry.Token) => {
  if (issuer === undefined) {
    return []
  }
  const { issuers } = recorder
  if (issuers.size < mostIssuers) {
    issuers.add(issuer)
  }
  return [MetricLabel.make("issuer", issuers.has(issuer) ? issuer : everyOther)]
}

const labelled = ({ labels: common }: Recorder, ...labels: ReadonlyArray<MetricLabel.MetricLabel>) => [
  ...(common ?? []),
  ...labels
]
