import { assert, describe, it } from "@effect/vitest"
import {
  FastCheck as fc,
  Metric,
  MetricBoundaries,
  MetricKey,
  type MetricKeyType,
  MetricLabel,
  MetricPair,
  MetricState
} from "effect"
import * as PrometheusText from "../../src/internal/metrics/prometheusText.js"
import { cut } from "../../src/internal/text.js"
import { parse } from "../support/prometheusText.js"

type Labels = Readonly<Record<string, string>>

const tagged = <Type extends MetricKeyType.MetricKeyType.Untyped>(key: MetricKey.MetricKey<Type>, labels: Labels) =>
  MetricKey.taggedWithLabels(
    key,
    Object.entries(labels).map(([key, value]) => MetricLabel.make(key, value))
  )

const counter = (name: string, count: number, labels: Labels = {}, description?: string) =>
  MetricPair.unsafeMake(
    tagged(MetricKey.counter(name, { incremental: true, description }), labels),
    MetricState.counter(count)
  )

const gauge = (name: string, value: number, labels: Labels = {}, description?: string) =>
  MetricPair.unsafeMake(tagged(MetricKey.gauge(name, { description }), labels), MetricState.gauge(value))

const histogram = (name: string, labels: Labels = {}, description?: string) =>
  MetricPair.unsafeMake(
    tagged(MetricKey.histogram(name, MetricBoundaries.fromIterable([0.5, 1]), description), labels),
    MetricState.histogram({
      buckets: [
        [0.5, 1],
        [1, 3],
        [Number.POSITIVE_INFINITY, 4]
      ],
      count: 4,
      min: 0.2,
      max: 7,
      sum: 9.25
    })
  )

describe("PrometheusText.render", () => {
  it("writes a counter, a gauge and a histogram, each with its help and type", () => {
    const text = PrometheusText.render([
      counter("reads", 3, { token: "a" }, "Reads of a token"),
      gauge("ready", 1, {}, "Whether it is"),
      histogram("took_seconds", { outcome: "success" }, "How long")
    ])
    assert.strictEqual(
      text,
      `# HELP reads_total Reads of a token
# TYPE reads_total counter
reads_total{token="a"} 3
# HELP ready Whether it is
# TYPE ready gauge
ready 1
# HELP took_seconds How long
# TYPE took_seconds histogram
took_seconds_bucket{outcome="success",le="0.5"} 1
took_seconds_bucket{outcome="success",le="1"} 3
took_seconds_bucket{outcome="success",le="+Inf"} 4
took_seconds_sum{outcome="success"} 9.25
took_seconds_count{outcome="success"} 4
`
    )
  })

  it("writes nothing of nothing", () => {
    assert.strictEqual(PrometheusText.render([]), "")
  })

  it("puts the samples of one name together", () => {
    const families = parse(
      PrometheusText.render([counter("a", 1, { t: "1" }), gauge("b", 2), counter("a_total", 3, { t: "2" })])
    )
    assert.deepStrictEqual(
      families.map(({ name, samples }) => [name, samples.map(({ value }) => value)]),
      [
        ["a_total", [1, 3]],
        ["b", [2]]
      ]
    )
  })

  it("leaves out a gauge that is not a number, and a family that has no other", () => {
    const families = parse(
      PrometheusText.render([
        gauge("some", Number.NaN, { t: "1" }),
        gauge("some", 0, { t: "2" }),
        gauge("none", Number.NaN)
      ])
    )
    assert.deepStrictEqual(
      families.map(({ name, samples }) => [name, samples.map(({ labels }) => labels)]),
      [["some", [{ t: "2" }]]]
    )
  })

  it("writes infinities, fractions, large numbers and bigints as Prometheus reads them", () => {
    const values = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0.1, 1e21, 1e-7, 1_700_000_000.123, -0]
    const pairs = values.map((value, index) => gauge("x", value, { t: `${index}` }))
    const bigint = MetricPair.unsafeMake(
      MetricKey.counter("big", { bigint: true, incremental: true }),
      MetricState.counter(12345678901234567890n)
    )
    const text = PrometheusText.render([...pairs, bigint])
    assert.include(text, "big_total 12345678901234567890\n")
    assert.deepStrictEqual(
      parse(text)[0]?.samples.map(({ value }) => value),
      values.map((value) => value + 0)
    )
  })

  it("writes a counter that may go down as a gauge", () => {
    const pair = MetricPair.unsafeMake(MetricKey.counter("active"), MetricState.counter(2))
    assert.deepStrictEqual(
      parse(PrometheusText.render([pair])).map(({ name, type }) => [name, type]),
      [["active", "gauge"]]
    )
  })

  it("leaves out what it has no form for, and a metric of another type under a taken name", () => {
    const frequency = MetricPair.unsafeMake(MetricKey.frequency("f"), MetricState.frequency(new Map([["x", 1]])))
    const families = parse(PrometheusText.render([frequency, counter("a_total", 1), gauge("a_total", 7)]))
    assert.deepStrictEqual(
      families.map(({ samples, type }) => [type, samples.map(({ value }) => value)]),
      [["counter", [1]]]
    )
  })

  it("replaces what is not allowed in the name of a metric or a label", () => {
    const [first] = parse(PrometheusText.render([gauge("http.server-2", 1, { "service.name": "x", "9": "y", ä: "z" })]))
    assert.strictEqual(first?.name, "http_server_2")
    assert.deepStrictEqual(first?.samples[0]?.labels, { service_name: "x", _9: "y", _: "z" })
    assert.strictEqual(parse(PrometheusText.render([gauge("2nd", 1)]))[0]?.name, "_2nd")
  })

  it("keeps the last of two labels with one name, and its own le", () => {
    const pair = (labels: ReadonlyArray<readonly [string, string]>) =>
      MetricPair.unsafeMake(
        MetricKey.taggedWithLabels(
          MetricKey.gauge("x"),
          labels.map(([key, value]) => MetricLabel.make(key, value))
        ),
        MetricState.gauge(1)
      )
    const text = PrometheusText.render([
      pair([
        ["token", "the fiber's"],
        ["token", "its own"]
      ])
    ])
    assert.deepStrictEqual(parse(text)[0]?.samples[0]?.labels, { token: "its own" })
    const buckets = parse(PrometheusText.render([histogram("h", { le: "mine" })]))[0]?.samples
    assert.deepStrictEqual(
      buckets?.filter(({ name }) => name === "h_bucket").map(({ labels }) => labels.le),
      ["0.5", "1", "+Inf"]
    )
  })

  it("takes the name for the help of a metric without one, and escapes line feeds and backslashes", () => {
    const families = parse(PrometheusText.render([gauge("a", 1), gauge("b", 1, {}, 'one\ntwo \\ "three" \\n')]))
    assert.deepStrictEqual(
      families.map(({ help }) => help),
      ["a", 'one\ntwo \\ "three" \\n']
    )
  })

  it("writes 30,000 samples of one name", () => {
    const pairs = Array.from({ length: 30_000 }, (_, index) => counter("many", index, { token: `t${index}` }))
    assert.lengthOf(parse(PrometheusText.render(pairs))[0]?.samples ?? [], 30_000)
  })

  it("writes what Effect counts", () => {
    Metric.counter("seen", { incremental: true }).unsafeUpdate(2, [MetricLabel.make("t", "1")])
    Metric.histogram("spread", MetricBoundaries.fromIterable([1, 2])).unsafeUpdate(1.5, [])
    const names = ["seen", "spread"]
    const counted = Metric.unsafeSnapshot().filter(({ metricKey }) => names.includes(metricKey.name))
    const families = parse(PrometheusText.render(counted))
    assert.deepStrictEqual(
      families.map(({ samples }) => samples.map(({ value }) => value)),
      [[2], [0, 1, 1, 1.5, 1]]
    )
  })

  it("writes two series that come to be called the same once", () => {
    const [first] = parse(PrometheusText.render([gauge("a.b", 1), gauge("a_b", 2)]))
    assert.deepStrictEqual(first?.samples, [{ name: "a_b", labels: {}, value: 2 }])
  })

  /** Every code point, and often those that have a meaning in the format. */
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.string({ unit: fc.constantFrom("\\", "n", "\n", '"', "{", "}", ",", "=", " ", "\r", "#", "\u2028", "é") })
  )
  const labelName = fc.stringMatching(/^[a-zA-Z_][a-zA-Z0-9_]{0,8}$/).filter((name) => name !== "le")
  const labels = fc.dictionary(labelName, text, { maxKeys: 4, noNullPrototype: true })
  const number = fc.oneof(fc.double({ noNaN: true }), fc.integer())

  it("cuts long labels, and shows no control character", () => {
    const [family] = parse(
      PrometheusText.render([gauge("a", 1, { long: "x".repeat(1000), evil: "a\u001b[2J\u202e\u0085b" })])
    )
    assert.deepStrictEqual(family?.samples[0]?.labels, {
      long: `${"x".repeat(199)}…`,
      evil: "a\u{fffd}[2J\u{fffd}\u{fffd}b"
    })
  })

  it("is read back as it was written, whatever is in labels, help and values", () => {
    fc.assert(
      fc.property(labels, text, number, (labels, help, value) => {
        const [a, b, c] = parse(
          PrometheusText.render([gauge("a", value, labels, help), counter("b", 1, labels), histogram("c", labels)])
        )
        const shown = Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, cut(value)]))
        assert.deepStrictEqual(a, {
          name: "a",
          type: "gauge",
          help,
          samples: [{ name: "a", labels: shown, value: value + 0 }]
        })
        assert.deepStrictEqual(b?.samples, [{ name: "b_total", labels: shown, value: 1 }])
        assert.deepStrictEqual(
          c?.samples.map(({ labels: { le: _, ...rest } }) => rest),
          Array.from({ length: 5 }, () => shown)
        )
      }),
      { numRuns: 500 }
    )
  })

  it("can be read whatever metrics and labels are called", () => {
    const name = fc.oneof(text, labelName)
    const pair = fc.tuple(name, fc.array(fc.tuple(name, text), { maxLength: 3 }), number).map(([name, labels, value]) =>
      MetricPair.unsafeMake(
        MetricKey.taggedWithLabels(
          MetricKey.gauge(name),
          labels.map(([key, value]) => MetricLabel.make(key, value))
        ),
        MetricState.gauge(value)
      )
    )
    fc.assert(
      fc.property(fc.array(pair), (pairs) => {
        assert.strictEqual(parse(PrometheusText.render(pairs)).length > 0, pairs.length > 0)
      }),
      { numRuns: 500 }
    )
  })
})
