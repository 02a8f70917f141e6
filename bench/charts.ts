/** The charts of the documents, as SVG that is readable on a light and on a dark page. */
import { type EChartsCoreOption, init } from "echarts"
import type { Row, Table } from "./section.js"

/** By the name of their file. */
export const draw = (tables: ReadonlyMap<string, Table>): Readonly<Record<string, string>> => ({
  "warm-read": bars(tables.get("warm-read"), "nanos", "A warm read (log scale)", time),
  stampede: bars(
    tables.get("stampede-10000"),
    "coldIssues",
    "Issues for 10,000 cold readers at once (log scale)",
    digits
  ),
  refresh: bars(
    tables.get("refresh"),
    "hangsP99",
    "p99 of a read while a refresh hangs (log scale; 1 s: gives up)",
    (us) => time(us * 1000)
  ),
  memory: lines(tables.get("scale"), "bytes", "Bytes per warm token"),
  start: lines(tables.get("scale"), "start", "Start with a synchronous issuer, milliseconds")
})

const ink = "#1f2328"
const inkOnDark = "#e6edf3"
const grid = "#d1d9e0"
const gridOnDark = "#3d444d"
const ours = "#0969da"
const oursOnDark = "#4493f8"
const others = "#818b98"

const style = `<style>@media (prefers-color-scheme: dark) {
[fill="${ink}"] { fill: ${inkOnDark} }
[stroke="${ink}"] { stroke: ${inkOnDark} }
[stroke="${grid}"] { stroke: ${gridOnDark} }
[fill="${ours}"] { fill: ${oursOnDark} }
[stroke="${ours}"] { stroke: ${oursOnDark} }
}</style>`

const width = 820

const render = (text: string, option: EChartsCoreOption, height: number): string => {
  const chart = init(null, null, { renderer: "svg", ssr: true, width, height })
  chart.setOption({
    animation: false,
    backgroundColor: "transparent",
    textStyle: { color: ink },
    title: { text, left: 0, textStyle: { color: ink, fontSize: 14, fontWeight: "normal" } },
    ...option
  })
  const svg = chart.renderToSVGString()
  chart.dispose()
  // The styles of the library are for a pointer over the chart, and leave it unreadable on a dark page.
  return `${svg
    .replaceAll(/<style[\s\S]*?<\/style>/g, "")
    .replaceAll(/ (ecmeta_\w+|class)="[^"]*"/g, "")
    .replace(/(<svg [^>]*>)/, `$1\n<title>${text}</title>\n${style}`)
    .replaceAll(/\n\s*\n/g, "\n")
    .trim()}\n`
}

const label = { color: ink, textBorderWidth: 0, fontSize: 12 }

const valueAxis = (name?: string, show: (value: number) => string = digits) => ({
  type: "log",
  ...(name === undefined ? undefined : { name, nameLocation: "middle", nameGap: 28, nameTextStyle: { color: ink } }),
  axisLabel: { ...label, formatter: show },
  axisLine: { lineStyle: { color: grid } },
  axisTick: { lineStyle: { color: grid } },
  splitLine: { lineStyle: { color: grid } },
  minorTick: { show: false }
})

const figure = ({ figures }: Row, key: string): number => {
  const value = figures[key] ?? null
  return value === null ? Number.NaN : typeof value === "number" ? value : value.median
}

const digits = (value: number) => value.toLocaleString("en", { maximumSignificantDigits: 3 })

const time = (nanos: number) =>
  nanos < 1e3
    ? `${digits(nanos)} ns`
    : nanos < 1e6
      ? `${digits(nanos / 1e3)} µs`
      : nanos < 1e9
        ? `${digits(nanos / 1e6)} ms`
        : `${digits(nanos / 1e9)} s`

/** One bar a row, the largest at the bottom. */
const bars = (table: Table | undefined, key: string, text: string, show: (value: number) => string): string => {
  const rows = (table?.rows ?? []).toSorted((a, b) => figure(b, key) - figure(a, key))
  const least = 10 ** Math.floor(Math.log10(Math.min(...rows.map((row) => figure(row, key)))))
  return render(
    text,
    {
      grid: { left: 270, right: 60, top: 44, bottom: 30 },
      xAxis: { ...valueAxis(undefined, show), min: least, startValue: least },
      yAxis: {
        type: "category",
        data: rows.map(({ name }) => name),
        axisLabel: label,
        axisLine: { lineStyle: { color: grid } },
        axisTick: { show: false }
      },
      series: [
        {
          type: "bar",
          barWidth: "65%",
          data: rows.map((row) => ({
            value: figure(row, key),
            itemStyle: { color: row.ours ? ours : others }
          })),
          label: {
            ...label,
            show: true,
            position: "right",
            formatter: ({ value }: { readonly value: number }) => show(value)
          }
        }
      ]
    },
    70 + 24 * rows.length
  )
}

/** One line a fleet, over the number of tokens that begins the name of a row. */
const lines = (table: Table | undefined, key: string, text: string): string => {
  const series = [true, false].map((isOurs) => {
    const rows = (table?.rows ?? []).filter(({ ours }) => ours === isOurs)
    return {
      type: "line",
      name: rows[0]?.name.split(", ").at(-1) ?? "",
      data: rows.map((row) => [Number(row.name.split(", ")[0]?.replaceAll(",", "")), figure(row, key)]),
      itemStyle: { color: isOurs ? ours : others },
      lineStyle: { color: isOurs ? ours : others, width: 2 },
      symbol: "circle",
      symbolSize: 7,
      endLabel: { ...label, show: true, formatter: "{a}" },
      label: {
        ...label,
        show: true,
        position: isOurs ? "bottom" : "top",
        formatter: ({ value }: { readonly value: ReadonlyArray<number> }) => digits(value[1] ?? Number.NaN)
      }
    }
  })
  return render(
    text,
    {
      grid: { left: 70, right: 110, top: 44, bottom: 44 },
      xAxis: valueAxis("tokens (log scale)"),
      yAxis: valueAxis(),
      series
    },
    320
  )
}
