import * as MetricLabel from "effect/MetricLabel"
import type * as Telemetry from "../cache/telemetry.js"

/**
 * The series of one cache: which tokens and issuers have a label of their own, and what was published of them. Their number
 * is limited, because each series takes memory in the process and in whatever collects it.
 */
export interface Series {
  /** The labels that all series have: those of the fiber that enabled the metrics, and none before that. */
  common: ReadonlyArray<MetricLabel.MetricLabel>
  /** The tokens that have a label of their own, by name, with the reads that were published last. */
  readonly named: Map<string, { readonly token: Telemetry.Token; readonly reads: Telemetry.Reads }>
  /** The issuers that have a label of their own. */
  readonly issuers: Set<string>
  /** All other tokens, which are counted together. */
  readonly rest: {
    readonly tokens: Set<Telemetry.Token>
    /** The reads of those that are no longer in the cache. */
    gone: Telemetry.Reads
    /** The reads that were published last. */
    published: Telemetry.Reads
  }
}

export const make = (): Series => ({
  common: [],
  named: new Map(),
  issuers: new Set(),
  rest: { tokens: new Set(), gone: noReads, published: noReads }
})

export const noReads: Telemetry.Reads = { hit: 0, waited: 0, unavailable: 0 }

/** Adds the labels of one series to those that all series of the cache have. */
export const labelled = (
  { common }: Series,
  ...labels: ReadonlyArray<MetricLabel.MetricLabel>
): ReadonlyArray<MetricLabel.MetricLabel> => [...common, ...labels]

export const tokenLabel = (series: Series, token: Telemetry.Token): MetricLabel.MetricLabel =>
  MetricLabel.make("token", nameOf(series, token))

/** Gives the name that a token is counted under. Tenants, and names beyond the limit, are counted together. */
export const nameOf = ({ named, rest }: Series, token: Telemetry.Token): string => {
  if (token.idle !== undefined || (named.size >= maxNames && !named.has(token.name))) {
    // Kept from its first report on, because a tenant may come and go between two publications.
    rest.tokens.add(token)
    return everyOther
  }
  if (!named.has(token.name)) {
    named.set(token.name, { token, reads: noReads })
  }
  return token.name
}

/** Gives the label of a token's issuer, or no label if its source names none. */
export const issuerLabel = (
  { issuers }: Series,
  { source: { issuer } }: Telemetry.Token
): ReadonlyArray<MetricLabel.MetricLabel> => {
  if (issuer === undefined) {
    return []
  }
  if (issuers.size < maxIssuers) {
    issuers.add(issuer)
  }
  return [MetricLabel.make("issuer", issuers.has(issuer) ? issuer : everyOther)]
}

/** The label of the tokens, or the issuers, that have none of their own. */
export const everyOther = "*"

const maxNames = 1000

const maxIssuers = 100
