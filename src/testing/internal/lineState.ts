import type { KeyObject } from "node:crypto"
import { randomBytes } from "node:crypto"
import * as Recent from "./recent.js"
import * as TokenBucket from "./tokenBucket.js"

/** What the emulator remembers. Changed in place, and only by synchronous functions: requests cannot interleave. */
export interface LineState {
  readonly settings: LineSettings
  readonly channels: ReadonlyMap<string, Channel>
  /** By kid, which is unique over all channels. */
  readonly keys: Map<string, { readonly channel: Channel; readonly key: KeyObject }>
  readonly tokens: Map<string, Token>
  readonly messages: Recent.Recent<AcceptedPush>
  lastMessageId: bigint
  /** Dead tokens are forgotten when there are more tokens than this. */
  maxTokens: number
}

/** Durations in milliseconds. */
export interface LineSettings {
  readonly statelessLifetime: number
  readonly shortLivedLifetime: number
  readonly assertionSkew: number
  readonly issueShortLivedPerSecond: number
  readonly othersPerSecond: number
  readonly monthlyQuota: number
}

export interface Channel {
  readonly channelId: string
  channelSecret: string
  /** By endpoint. */
  readonly buckets: Map<string, TokenBucket.TokenBucket>
  /** By lower-case UUID, the oldest first. */
  readonly retryKeys: Map<string, AcceptedRetryKey>
  readonly sent: { month: number; count: number }
}

export interface AcceptedRetryKey {
  readonly requestId: string
  readonly sentMessages: ReadonlyArray<SentMessage>
  readonly firstAt: number
}

export interface SentMessage {
  readonly id: string
  readonly quoteToken?: string
}

/**
 * A push that the emulator accepted.
 *
 * @since 0.1.0
 * @category models
 */
export interface AcceptedPush {
  readonly channelId: string
  readonly to: string
  readonly messages: ReadonlyArray<unknown>
  /** The `x-line-request-id` it was accepted under. */
  readonly requestId: string
  readonly retryKey?: string
  /** In epoch milliseconds of the emulator's clock. */
  readonly at: number
}

/**
 * The kinds of channel access token, in LINE's words.
 *
 * @since 0.1.0
 * @category models
 */
export type LineTokenKind = "stateless" | "v2.1" | "short-lived" | "long-lived"

export interface Token {
  readonly token: string
  readonly kind: LineTokenKind
  readonly channel: Channel
  readonly issuedAt: number
  /** `Infinity` for a long-lived token. */
  readonly expiresAt: number
  /** Identifies the token, not the key of its assertion; only v2.1 tokens have one. */
  readonly keyId: string | undefined
  revoked: boolean
}

export const make = (
  settings: LineSettings,
  channels: ReadonlyArray<{ readonly channelId: string; readonly channelSecret: string }>
): LineState => ({
  settings,
  channels: new Map(
    channels.map(({ channelId, channelSecret }) => [
      channelId,
      { channelId, channelSecret, buckets: new Map(), retryKeys: new Map(), sent: { month: Number.NaN, count: 0 } }
    ])
  ),
  keys: new Map(),
  tokens: new Map(),
  messages: Recent.make(),
  // as LINE's own ids, too large for a JavaScript number
  lastMessageId: 461230966842064896n,
  maxTokens: minTokensKept
})

/** Takes one request out of the channel's bucket for the endpoint; `false` where the rate limit is exceeded. */
export const withinRateLimit = (state: LineState, channel: Channel, endpoint: string, now: number): boolean => {
  const bucket =
    channel.buckets.get(endpoint) ??
    TokenBucket.make(
      endpoint === "POST /v2/oauth/accessToken"
        ? state.settings.issueShortLivedPerSecond
        : state.settings.othersPerSecond,
      now
    )
  channel.buckets.set(endpoint, bucket)
  return TokenBucket.take(bucket, now)
}

export const issue = (
  state: LineState,
  options: Pick<Token, "kind" | "channel"> & { readonly lifetime: number },
  now: number
): Token => {
  const token: Token = {
    token: options.kind === "short-lived" || options.kind === "long-lived" ? base64Token() : jwsToken(),
    kind: options.kind,
    channel: options.channel,
    issuedAt: now,
    expiresAt: now + options.lifetime,
    keyId: options.kind === "v2.1" ? randomBytes(16).toString("base64url") : undefined,
    revoked: false
  }
  state.tokens.set(token.token, token)
  forgetDeadTokens(state, now)
  return token
}

/** Issues a long-lived token, of which a channel has one: the previous one is revoked. */
export const issueLongLived = (state: LineState, channel: Channel, now: number): string => {
  liveTokensOf(state, channel, "long-lived", now).forEach(revoke)
  return issue(state, { kind: "long-lived", channel, lifetime: Number.POSITIVE_INFINITY }, now).token
}

export const revoke = (token: Token | undefined): void => {
  if (token !== undefined) {
    token.revoked = true
  }
}

export const isLive = (token: Token, now: number): boolean => !token.revoked && token.expiresAt > now

/** A channel's live tokens, the oldest first. */
export const liveTokens = (state: LineState, channel: Channel, now: number): ReadonlyArray<Token> =>
  Array.from(state.tokens.values()).filter((token) => token.channel === channel && isLive(token, now))

/** A channel's live tokens of one kind, the oldest first. */
export const liveTokensOf = (
  state: LineState,
  channel: Channel,
  kind: LineTokenKind,
  now: number
): ReadonlyArray<Token> => liveTokens(state, channel, now).filter((token) => token.kind === kind)

/** Seconds left, as LINE counts them. */
export const secondsLeft = (token: Token, now: number): number =>
  token.expiresAt === Number.POSITIVE_INFINITY ? longLivedExpiresIn : Math.floor((token.expiresAt - now) / 1000)

const minTokensKept = 20_000

/** A long-lived token does not expire; LINE's example of its `expires_in` is 99 years. */
const longLivedExpiresIn = 3_138_007_490

const forgetDeadTokens = (state: LineState, now: number) => {
  if (state.tokens.size <= state.maxTokens) {
    return
  }
  for (const token of state.tokens.values()) {
    if (!isLive(token, now)) {
      state.tokens.delete(token.token)
    }
  }
  state.maxTokens = Math.max(minTokensKept, state.tokens.size * 2)
}

const jwsHeader = Buffer.from('{"alg":"HS256"}').toString("base64url")

const jwsToken = () => `${jwsHeader}.${randomBytes(48).toString("base64url")}.${randomBytes(32).toString("base64url")}`

/** Always with `+`, `/` and `=`: a client that does not encode them in a form is found out. */
const base64Token = () =>
  Buffer.concat([randomBytes(123), Buffer.of(0xfb, 0xff, 0xfe), randomBytes(2)]).toString("base64")
