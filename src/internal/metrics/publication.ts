import * as MetricLabel from "effect/MetricLabel"
import type { TokenStatus } from "../../TokenStatus.js"
import * as Telemetry from "../cache/telemetry.js"
import { isUsable } from "../isUsable.js"
import * as Metrics from "./definitions.js"
import * as Series from "./series.js"

/** Counts the reads since the last time, and sets the gauges to what they are now. */
export const publish = (series: Series.Series, telemetry: Telemetry.Telemetry): void => {
  publishReads(series, telemetry)
  publishReadsOfRest(series, telemetry)
  for (const { token } of series.named.values()) {
    setGauges(series, token, telemetry.status(token))
  }
}

/** Takes the values from the gauges, because nobody keeps them up to date any more. */
export const endGauges = (series: Series.Series): void => {
  for (const { token } of series.named.values()) {
    setGauges(series, token, undefined)
  }
}

const publishReads = (series: Series.Series, { tokens }: Telemetry.Telemetry): void => {
  for (const token of tokens.values()) {
    Series.nameOf(series, token)
  }
  for (const [name, last] of series.named) {
    const found = tokens.get(name)
    const token = found === undefined || found.idle !== undefined ? last.token : found
    const reads = Telemetry.readsOf(token)
    if (token === last.token) {
      countReads(series, name, reads, last.reads)
    } else {
      // The name was registered again: its reads begin at 0, and its issuer may be another.
      countReads(series, name, Telemetry.readsOf(last.token), last.reads)
      setGauges(series, last.token, undefined)
      countReads(series, name, reads, Series.noReads)
    }
    series.named.set(name, { token, reads })
  }
}

const publishReadsOfRest = (series: Series.Series, { tokens }: Telemetry.Telemetry): void => {
  const { rest } = series
  if (rest.tokens.size === 0) {
    return
  }
  let inCache = Series.noReads
  for (const token of rest.tokens) {
    if (tokens.get(token.name) === token) {
      inCache = sum(inCache, Telemetry.readsOf(token))
    } else {
      rest.tokens.delete(token)
      rest.gone = sum(rest.gone, Telemetry.readsOf(token))
    }
  }
  const reads = sum(rest.gone, inCache)
  countReads(series, Series.everyOther, reads, rest.published)
  rest.published = reads
}

const countReads = (series: Series.Series, name: string, reads: Telemetry.Reads, before: Telemetry.Reads): void => {
  const token = MetricLabel.make("token", name)
  for (const result of ["hit", "waited", "unavailable"] as const) {
    const labels = Series.labelled(series, token, MetricLabel.make("result", result))
    Metrics.reads.unsafeUpdate(reads[result] - before[result], labels)
  }
}

const sum = (a: Telemetry.Reads, b: Telemetry.Reads): Telemetry.Reads => ({
  hit: a.hit + b.hit,
  waited: a.waited + b.waited,
  unavailable: a.unavailable + b.unavailable
})

/** Sets the gauges of a token. Without a status, or with that of a token that is stopped, they have no value. */
const setGauges = (series: Series.Series, token: Telemetry.Token, status: TokenStatus | undefined): void => {
  const name = MetricLabel.make("token", token.name)
  const labels = Series.labelled(series, name, ...Series.issuerLabel(series, token))
  const known = status?.state === "stopped" ? undefined : status
  Metrics.ready.unsafeUpdate(known === undefined ? Number.NaN : isUsable(known) ? 1 : 0, labels)
  Metrics.expiration.unsafeUpdate(seconds(known?.expiresAt), labels)
  Metrics.nextRefresh.unsafeUpdate(seconds(known?.nextAttemptAt), labels)
  Metrics.issued.unsafeUpdate(seconds(known?.issuedAt), labels)
  Metrics.consecutiveFailures.unsafeUpdate(known?.consecutiveFailures ?? Number.NaN, Series.labelled(series, name))
}

const seconds = (millis: number | undefined): number => (millis === undefined ? Number.NaN : millis / 1000)
