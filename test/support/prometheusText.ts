/** A sample of the text format, its labels in the order of their names. */
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Family {
  readonly name: string
  readonly type: string
  readonly help: string
  readonly samples: ReadonlyArray<Sample>
}

const line = {
  help: /^# HELP ([A-Za-z_:][A-Za-z0-9_:]*) (.*)$/su,
  type: /^# TYPE ([A-Za-z_:][A-Za-z0-9_:]*) (counter|gauge|histogram)$/su,
  sample: /^([A-Za-z_:][A-Za-z0-9_:]*)(?:\{(.*)\})? (\S+)$/su,
  label: /([A-Za-z_][A-Za-z0-9_]*)="((?:\\[\\n"]|[^\\\n"])*)"(?:,|$)/suy
}

const suffixes: Readonly<Record<string, ReadonlyArray<string>>> = {
  counter: [""],
  gauge: [""],
  histogram: ["_bucket", "_sum", "_count"]
}

const unescape = (text: string): string => text.replaceAll(/\\(.)/gsu, (_, char) => (char === "n" ? "\n" : char))

const labelsOf = (text: string): Readonly<Record<string, string>> => {
  const labels: Array<readonly [string, string]> = []
  line.label.lastIndex = 0
  while (line.label.lastIndex < text.length) {
    const at = line.label.lastIndex
    const [, name = "", value = ""] = line.label.exec(text) ?? fail(`no label at ${at}`, text)
    if (labels.some(([other]) => other === name)) {
      fail("a label twice", text)
    }
    labels.push([name, unescape(value)])
  }
  return Object.fromEntries(labels)
}

const numberOf = (text: string): number => {
  const value = text === "+Inf" ? Number.POSITIVE_INFINITY : text === "-Inf" ? Number.NEGATIVE_INFINITY : Number(text)
  return Number.isNaN(value) ? fail("not a number", text) : value
}

const fail = (why: string, text: string): never => {
  throw new Error(`${why}: ${JSON.stringify(text)}`)
}

/**
 * Reads the text format as Prometheus does, and throws where it would refuse the scrape or what its guide forbids: a name
 * or a label that is not allowed or comes twice, a family in two parts or without HELP and TYPE, a sample twice.
 */
export const parse = (text: string): ReadonlyArray<Family> => {
  if (text === "") {
    return []
  }
  const families: Array<Family & { readonly samples: Array<Sample> }> = []
  const seen = new Set<string>()
  const lines = text.endsWith("\n") ? text.slice(0, -1).split("\n") : fail("no line feed at the end", text)
  for (let index = 0; index < lines.length; index++) {
    const next = lines[index] ?? ""
    const help = line.help.exec(next)
    if (help !== null) {
      const [, name = "", describes = ""] = help
      const [, typed, type = ""] = line.type.exec(lines[++index] ?? "") ?? fail("HELP without TYPE", next)
      if (typed !== name || families.some((family) => family.name === name)) {
        fail("a family in two parts", next)
      }
      families.push({ name, type, help: unescape(describes), samples: [] })
      continue
    }
    const [, name = "", labels = "", value = ""] = line.sample.exec(next) ?? fail("neither HELP nor sample", next)
    const family = families.at(-1) ?? fail("a sample without a family", next)
    const sample = { name, labels: labelsOf(labels), value: numberOf(value) }
    if (!suffixes[family.type]?.some((suffix) => name === family.name + suffix)) {
      fail("a sample of another family", next)
    }
    const key = JSON.stringify([name, Object.entries(sample.labels).sort()])
    if (seen.has(key)) {
      fail("a sample twice", next)
    }
    seen.add(key)
    family.samples.push(sample)
  }
  return families
}
