import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"

const seconds = MetricBoundaries.fromIterable([0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30])

export const refresh = Metric.counter("token_cache_refresh", {
  description: "Attempts to issue a token that have ended",
  incremental: true
})

export const refreshDuration = Metric.histogram(
  "token_cache_refresh_duration_seconds",
  seconds,
  "How long attempts to issue a token took"
)

export const unauthorized = Metric.counter("token_cache_unauthorized", {
  description: "Reports that a token was refused",
  incremental: true
})

export const storeOperation = Metric.counter("token_cache_store_operation", {
  description: "Operations of the token store",
  incremental: true
})

export const leaseWait = Metric.histogram(
  "token_cache_lease_wait_seconds",
  seconds,
  "How long attempts waited for the lease or the token of another process"
)

export const leaseGivenUp = Metric.counter("token_cache_lease_given_up", {
  description: "Attempts that have waited for the lease for too long and went on without it",
  incremental: true
})

export const reads = Metric.counter("token_cache_reads", { description: "Reads of a token", incremental: true })

export const ready = Metric.gauge("token_cache_token_ready", { description: "Whether there is a usable token" })

export const expiration = Metric.gauge("token_cache_token_expiration_timestamp_seconds", {
  description: "When the token expires"
})

export const nextRefresh = Metric.gauge("token_cache_token_refresh_timestamp_seconds", {
  description: "When the next attempt is due"
})

export const issued = Metric.gauge("token_cache_token_issued_timestamp_seconds", {
  description: "When the token was issued"
})

export const consecutiveFailures = Metric.gauge("token_cache_refresh_consecutive_failures", {
  description: "Attempts that have failed since the last success"
})
