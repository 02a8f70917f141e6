/**
 * Metrics in the text format of Prometheus.
 *
 * @since 0.1.0
 */
import * as MetricKeyType from "effect/MetricKeyType"
import type * as MetricLabel from "effect/MetricLabel"
import type * as MetricPair from "effect/MetricPair"
import * as MetricState from "effect/MetricState"
import * as Option from "effect/Option"

/** @internal */
export const contentType = "text/plain; version=0.0.4; charset=utf-8"

/**
 * Writes counters, gauges and histograms, those of one name together; a sample that is not a number is left out.
 *
 * @see Prometheus: Text-based format
 * @internal
 */
export const render = (pairs: ReadonlyArray<MetricPair.MetricPair.Untyped>): string => {
  const families = new Map<string, Array<MetricPair.MetricPair.Untyped>>()
  for (const pair of pairs) {
    const name = familyName(pair)
    families.set(name, [...(families.get(name) ?? []), pair])
  }
  return Array.from(families, ([name, members]) => renderFamily(name, members)).join("")
}

const familyName = ({ metricKey: { keyType, name } }: MetricPair.MetricPair.Untyped): string =>
  MetricKeyType.isCounterKey(keyType) && !name.endsWith("_total") ? `${name}_total` : name

const renderFamily = (name: string, members: ReadonlyArray<MetricPair.MetricPair.Untyped>): string => {
  const samples = members.flatMap((member) => renderSamples(name, member))
  const [first] = members
  if (first === undefined || samples.length === 0) {
    return ""
  }
  const help = Option.getOrElse(first.metricKey.description, () => name)
  return [`# HELP ${name} ${escapeHelp(help)}`, `# TYPE ${name} ${typeOf(first)}`, ...samples, ""].join("\n")
}

const typeOf = ({ metricState }: MetricPair.MetricPair.Untyped): string =>
  MetricState.isCounterState(metricState) ? "counter" : MetricState.isGaugeState(metricState) ? "gauge" : "histogram"

const renderSamples = (
  name: string,
  { metricKey: { tags }, metricState }: MetricPair.MetricPair.Untyped
): ReadonlyArray<string> => {
  if (MetricState.isCounterState(metricState)) {
    return [sample(name, tags, metricState.count)]
  }
  if (MetricState.isGaugeState(metricState)) {
    return Number.isNaN(Number(metricState.value)) ? [] : [sample(name, tags, metricState.value)]
  }
  if (MetricState.isHistogramState(metricState)) {
    return [
      ...Array.from(metricState.buckets, ([boundary, count]) => sample(`${name}_bucket`, tags, count, boundary)),
      sample(`${name}_sum`, tags, metricState.sum),
      sample(`${name}_count`, tags, metricState.count)
    ]
  }
  return []
}

const sample = (
  name: string,
  tags: ReadonlyArray<MetricLabel.MetricLabel>,
  value: number | bigint,
  boundary?: number
): string => {
  const labels = tags.map(({ key, value }) => `${key}="${escapeLabel(value)}"`)
  const all = boundary === undefined ? labels : [...labels, `le="${formatNumber(boundary)}"`]
  return `${name}${all.length === 0 ? "" : `{${all.join(",")}}`} ${formatNumber(value)}`
}

const formatNumber = (value: number | bigint): string =>
  value === Number.POSITIVE_INFINITY ? "+Inf" : value === Number.NEGATIVE_INFINITY ? "-Inf" : String(value)

const escapeHelp = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")

const escapeLabel = (text: string): string => escapeHelp(text).replaceAll('"', '\\"')
