/** The spans and metrics of the cache through OpenTelemetry: `npx tsx examples/opentelemetry.ts`. */
import { NodeSdk } from "@effect/opentelemetry"
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { PrometheusSerializer } from "@opentelemetry/exporter-prometheus"
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  PeriodicExportingMetricReader
} from "@opentelemetry/sdk-metrics"
import { InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base"
import { Console, Effect, Layer } from "effect"
import { LineChannel, LineMessaging, TokenCache, TokenMetrics } from "effect-token-cache"
import { LineEmulator, lineChannelId, lineChannelSecret } from "effect-token-cache/testing"

// An app has the exporters of its backend here: OTLPTraceExporter in a BatchSpanProcessor, OTLPMetricExporter.
const spans = new InMemorySpanExporter()
const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
const reader = new PeriodicExportingMetricReader({ exporter })

const Telemetry = NodeSdk.layer(() => ({
  resource: { serviceName: "line-bot" },
  spanProcessor: new SimpleSpanProcessor(spans),
  metricReader: reader
}))

const Tokens = Layer.unwrapEffect(
  Effect.map(LineEmulator, ({ url }) =>
    TokenCache.layer({
      line: LineChannel.stateless({ channelId: lineChannelId, channelSecret: lineChannelSecret, baseUrl: url })
    })
  )
)

Effect.gen(function* () {
  const line = yield* LineEmulator
  const push = LineMessaging.push("line", "U4af4980629", LineMessaging.text("hi"), { baseUrl: line.url })
  yield* push
  yield* line.revokeAll(lineChannelId)
  yield* push // The first token is refused: a second one is issued.
  yield* line.fault({ match: "/oauth2/v3/token", status: 503 })
  yield* Effect.ignore(TokenCache.refresh("line"))

  yield* TokenMetrics.publish
  for (const { attributes, name } of spans.getFinishedSpans().filter(({ name }) => !name.startsWith("http"))) {
    yield* Console.log(name, JSON.stringify(attributes))
  }
  const { resourceMetrics } = yield* Effect.promise(() => reader.collect())
  const text = new PrometheusSerializer().serialize(resourceMetrics)
  yield* Console.log(text.match(/^token_cache_[^{]*(?<!_bucket)\{.*$/gm)?.join("\n"))
}).pipe(
  Effect.provide(TokenMetrics.layer()),
  Effect.provide(Tokens),
  Effect.provide([LineEmulator.layer(), NodeHttpClient.layer]),
  // Around all the others, so that they are built with its tracer.
  Effect.provide(Telemetry),
  NodeRuntime.runMain
)
