import { Effect, Layer, Metric, type MetricPair, MetricState } from "effect"
import { TokenCache, TokenMetrics, type TokenSource } from "effect-token-cache"

/** Values by metric and labels, as in `token_cache_reads{result=hit,token=a}`. */
export type Series = Readonly<Record<string, number>>

const entriesOf = ({ metricKey: { name }, metricState }: MetricPair.MetricPair.Untyped) =>
  MetricState.isCounterState(metricState)
    ? [[name, Number(metricState.count)] as const]
    : MetricState.isGaugeState(metricState)
      ? [[name, Number(metricState.value)] as const]
      : MetricState.isHistogramState(metricState)
        ? [[`${name}_count`, metricState.count] as const, [`${name}_sum`, metricState.sum] as const]
        : []

/** The series of this library that have the label `test` with this value, without it; those that are not a number are left out. */
export const seriesOf = (test: string): Effect.Effect<Series> =>
  Effect.map(Metric.snapshot, (pairs) =>
    Object.fromEntries(
      pairs
        .filter(({ metricKey: { name } }) => name.startsWith("token_cache_"))
        .filter(({ metricKey: { tags } }) => tags.some(({ key, value }) => key === "test" && value === test))
        .flatMap((pair) => {
          const labels = pair.metricKey.tags
            .filter(({ key }) => key !== "test")
            .map(({ key, value }) => `${key}=${value}`)
          return entriesOf(pair).map(([name, value]) => [`${name}{${labels.sort().join(",")}}`, value] as const)
        })
        .filter(([, value]) => !Number.isNaN(value))
        .sort(([a], [b]) => (a < b ? -1 : 1))
    )
  )

/** What has just been published, of the metrics whose names begin so, without that beginning. */
export const published = (test: string, metric: string) =>
  Effect.zipRight(
    TokenMetrics.publish,
    Effect.map(seriesOf(test), (series) =>
      Object.fromEntries(
        Object.entries(series).flatMap(([key, value]) =>
          key.startsWith(metric) ? [[key.slice(metric.length), value] as const] : []
        )
      )
    )
  )

/** Runs the effect with its sources in a cache, whose metrics have the label `test`. */
export const measured =
  (test: string, cache: Layer.Layer<TokenCache>) =>
  <A, E>(effect: Effect.Effect<A, E, TokenCache>): Effect.Effect<A, E> =>
    effect.pipe(
      // Beyond the end of every test: what is published is asked for.
      Effect.provide(Layer.provideMerge(TokenMetrics.layer({ interval: "20 days" }), cache)),
      Effect.tagMetrics("test", test)
    )

export const cacheOf = (sources: Readonly<Record<string, TokenSource.TokenSource<unknown>>>) =>
  Layer.orDie(TokenCache.layer(sources))
