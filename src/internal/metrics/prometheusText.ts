import * as MetricKeyType from "effect/MetricKeyType"
import type * as MetricLabel from "effect/MetricLabel"
import type * as MetricPair from "effect/MetricPair"
import * as MetricState from "effect/MetricState"
import * as Option from "effect/Option"
import { cut } from "../text.js"

/** The content type of the text format of Prometheus. */
export const contentType = "text/plain; version=0.0.4; charset=utf-8"

/**
 * Writes counters, gauges and histograms in the text format of Prometheus, those of one name together. Samples that are not
 * numbers are left out, and so are metrics whose name belongs to a metric of another type. Characters that the format does
 * not allow in names become `_`, because one line that Prometheus cannot parse would cost the whole scrape.
 *
 * @see Prometheus: Text-based format
 */
export const render = (pairs: ReadonlyArray<MetricPair.MetricPair.Untyped>): string => {
  const families = new Map<string, Family>()
  for (const pair of pairs) {
    const type = typeOf(pair)
    if (type === undefined) {
      continue
    }
    const name = familyName(pair, type)
    const family = families.get(name)
    if (family === undefined) {
      families.set(name, {
        name,
        type,
        help: Option.getOrElse(pair.metricKey.description, () => name),
        members: [pair]
      })
    } else if (family.type === type) {
      family.members.push(pair)
    }
  }
  return Array.from(families.values(), renderFamily).join("")
}

type Type = "counter" | "gauge" | "histogram"

interface Family {
  readonly name: string
  readonly type: Type
  readonly help: string
  readonly members: Array<MetricPair.MetricPair.Untyped>
}

/** Gives the type that Prometheus knows. A counter that can go down is a gauge to it. */
const typeOf = ({ metricKey: { keyType }, metricState }: MetricPair.MetricPair.Untyped): Type | undefined =>
  MetricKeyType.isCounterKey(keyType)
    ? keyType.incremental
      ? "counter"
      : "gauge"
    : MetricState.isGaugeState(metricState)
      ? "gauge"
      : MetricState.isHistogramState(metricState)
        ? "histogram"
        : undefined

const familyName = ({ metricKey }: MetricPair.MetricPair.Untyped, type: Type): string => {
  const name = allowed(metricKey.name, /[^A-Za-z0-9_:]/gu)
  return type === "counter" && !name.endsWith("_total") ? `${name}_total` : name
}

const allowed = (name: string, others: RegExp): string => name.replaceAll(others, "_").replace(/^(?=\d|$)/, "_")

const renderFamily = ({ help, members, name, type }: Family): string => {
  // Once their names are made valid, two series may have the same name.
  const samples = new Map(members.flatMap((member) => samplesOf(name, member)))
  const lines = Array.from(samples, ([series, value]) => `${series} ${formatNumber(value)}`)
  return lines.length === 0
    ? ""
    : [`# HELP ${name} ${escapeHelp(help)}`, `# TYPE ${name} ${type}`, ...lines, ""].join("\n")
}

type Sample = readonly [series: string, value: number | bigint]

const samplesOf = (
  name: string,
  { metricKey: { tags }, metricState }: MetricPair.MetricPair.Untyped
): ReadonlyArray<Sample> => {
  if (MetricState.isCounterState(metricState)) {
    return [[series(name, tags), metricState.count]]
  }
  if (MetricState.isGaugeState(metricState)) {
    return Number.isNaN(Number(metricState.value)) ? [] : [[series(name, tags), metricState.value]]
  }
  if (MetricState.isHistogramState(metricState)) {
    return [
      ...Array.from(
        metricState.buckets,
        ([boundary, count]): Sample => [series(`${name}_bucket`, tags, boundary), count]
      ),
      [series(`${name}_sum`, tags), metricState.sum],
      [series(`${name}_count`, tags), metricState.count]
    ]
  }
  return []
}

const series = (name: string, tags: ReadonlyArray<MetricLabel.MetricLabel>, boundary?: number): string => {
  // If two labels have one name, the last counts, as in OpenTelemetry.
  const labels = new Map(tags.map(({ key, value }) => [allowed(key, /[^A-Za-z0-9_]/gu), value]))
  if (boundary !== undefined) {
    labels.set("le", formatNumber(boundary))
  }
  const all = Array.from(labels, ([key, value]) => `${key}="${escapeLabel(cut(value))}"`)
  return `${name}${all.length === 0 ? "" : `{${all.join(",")}}`}`
}

const formatNumber = (value: number | bigint): string =>
  value === Number.POSITIVE_INFINITY ? "+Inf" : value === Number.NEGATIVE_INFINITY ? "-Inf" : String(value)

const escapeHelp = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")

const escapeLabel = (text: string): string => escapeHelp(text).replaceAll('"', '\\"')
