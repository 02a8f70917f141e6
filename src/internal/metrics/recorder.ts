import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as MetricLabel from "effect/MetricLabel"
import type * as Scope from "effect/Scope"
import type { TokenCacheService } from "../../TokenCache.js"
import * as Telemetry from "../cache/telemetry.js"
import * as Metrics from "./definitions.js"
import * as Publication from "./publication.js"
import * as Series from "./series.js"

/**
 * Counts the attempts and refused tokens of a cache from now on, until the cache closes. When the scope closes, the metrics
 * are published once more, and the gauges end unless another layer or status page still publishes them.
 */
export const enable = (cache: TokenCacheService): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const telemetry = cache[Telemetry.key]
    if (telemetry === undefined) {
      return
    }
    const recorder = recorderOf(telemetry)
    if (!recorder.isEnabled) {
      recorder.series.common = yield* FiberRef.get(FiberRef.currentMetricLabels)
      recorder.isEnabled = true
    }
    recorder.publishers++
    yield* Effect.addFinalizer(() => Effect.map(publish(cache), () => leave(recorder)))
  })

/** Counts the reads of a cache since the last time, and sets the gauges to what they are now. */
export const publish = (cache: TokenCacheService): Effect.Effect<void> =>
  Effect.sync(() => {
    const telemetry = cache[Telemetry.key]
    if (telemetry !== undefined) {
      Publication.publish(recorderOf(telemetry).series, telemetry)
    }
  })

/** Records the metrics of one cache. */
interface Recorder extends Telemetry.Listener {
  readonly [TypeId]: true
  readonly series: Series.Series
  /** Whether attempts and refused tokens are counted. */
  isEnabled: boolean
  /** How many layers and status pages keep the gauges up to date. */
  publishers: number
}

const TypeId: unique symbol = Symbol.for("effect-token-cache/TokenMetrics/Recorder")

const isRecorder = (listener: Telemetry.Listener): listener is Recorder => TypeId in listener

/** Gives the recorder of a cache, which all layers and status pages of the cache share. */
const recorderOf = ({ listeners }: Telemetry.Telemetry): Recorder => {
  const found = Array.from(listeners).find(isRecorder)
  if (found !== undefined) {
    return found
  }
  const recorder: Recorder = {
    [TypeId]: true,
    series: Series.make(),
    isEnabled: false,
    publishers: 0,
    onReport: (report) => {
      if (recorder.isEnabled) record(recorder.series, report)
    }
  }
  listeners.add(recorder)
  return recorder
}

const leave = (recorder: Recorder): void => {
  recorder.publishers--
  if (recorder.publishers === 0) {
    Publication.endGauges(recorder.series)
  }
}

const record = (series: Series.Series, report: Telemetry.Report): void => {
  switch (report._tag) {
    case "Attempt":
      recordAttempt(series, report)
      break
    case "Unauthorized": {
      const action = MetricLabel.make("action", report.action)
      Metrics.unauthorized.unsafeUpdate(1, Series.labelled(series, Series.tokenLabel(series, report.token), action))
      break
    }
    case "SharingOperation": {
      const operation = MetricLabel.make("operation", report.operation)
      const outcome = MetricLabel.make("outcome", report.outcome)
      Metrics.storeOperation.unsafeUpdate(1, Series.labelled(series, operation, outcome))
      break
    }
    case "LeaseWait":
      Metrics.leaseWait.unsafeUpdate(report.millis / 1000, Series.labelled(series))
      break
    case "LeaseGivenUp":
      Metrics.leaseGivenUp.unsafeUpdate(1, Series.labelled(series, Series.tokenLabel(series, report.token)))
  }
}

const recordAttempt = (series: Series.Series, report: Telemetry.AttemptReport): void => {
  const token = Series.tokenLabel(series, report.token)
  const issuer = Series.issuerLabel(series, report.token)
  const trigger = MetricLabel.make("trigger", report.trigger)
  const outcome = MetricLabel.make("outcome", report.outcome)
  Metrics.refresh.unsafeUpdate(1, Series.labelled(series, token, ...issuer, trigger, outcome))
  Metrics.refreshDuration.unsafeUpdate(Math.max(0, report.millis) / 1000, Series.labelled(series, ...issuer, outcome))
}
