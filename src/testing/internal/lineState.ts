import type { KeyObject } from "node:crypto"
import { randomBytes } from "node:crypto"
import * as Recent from "./recent.js"
import * as TokenBucket from "./tokenBucket.js"

/** What the emulator remembers. Only synchronous functions change it, so that requests cannot interleave. */
export interface LineState {
  readonly settings: LineSettings
  readonly channels: ReadonlyMap<string, Channel>
  /** The registered keys by `kid`, which is unique across all channels. */
  readonly keys: Map<string, { readonly channel: Channel; readonly key: KeyObject }>
  readonly tokens: Map<string, Token>
  readonly messages: Recent.Recent<AcceptedPush>
  /** A bigint, because LINE's message IDs are too large for a JavaScript number. */
  lastMessageId: bigint
  /** Tokens that are expired or revoked are forgotten once there are more tokens than this. */
  maxTokens: number
}

/** The settings of an emulator. Durations are in milliseconds. */
export interface LineSettings {
  readonly statelessLifetime: number
  readonly shortLivedLifetime: number
  readonly assertionSkew: number
  readonly issueShortLivedPerSecond: number
  readonly othersPerSecond: number
  readonly monthlyQuota: number
}

/** A channel and what LINE remembers about it. */
export interface Channel {
  readonly channelId: string
  channelSecret: string
  /** The rate limits, by endpoint. */
  readonly buckets: Map<string, TokenBucket.TokenBucket>
  /** The accepted retry keys by lower-case UUID, the oldest first. */
  readonly retryKeys: Map<string, AcceptedRetryKey>
  /** How many pushes were sent in `month`, which is the number of months since the year 0. */
  readonly sent: { month: number; count: number }
}

/** The channels that there are, and their secrets to begin with. */
export type ChannelCredentials = ReadonlyArray<{ readonly channelId: string; readonly channelSecret: string }>

/** The push that a retry key was accepted with. */
export interface AcceptedRetryKey {
  readonly requestId: string
  readonly sentMessages: ReadonlyArray<SentMessage>
  readonly firstAt: number
}

/** A message of an accepted push. */
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
  /** The channel that the token was issued to. */
  readonly channelId: string
  /** The ID of the recipient. */
  readonly to: string
  /** The messages, as they were sent. */
  readonly messages: ReadonlyArray<unknown>
  /** The `x-line-request-id` of the answer. */
  readonly requestId: string
  /** The retry key in lower case. Absent if the push had none. */
  readonly retryKey?: string
  /** When the push was accepted, in epoch milliseconds of the emulator's clock. */
  readonly at: number
}

/**
 * The kinds of channel access token, in LINE's words.
 *
 * @since 0.1.0
 * @category models
 */
export type LineTokenKind = "stateless" | "v2.1" | "short-lived" | "long-lived"

/** A token that was issued. */
export interface Token {
  readonly token: string
  readonly kind: LineTokenKind
  readonly channel: Channel
  readonly issuedAt: number
  /** When it expires; `Infinity` for a long-lived token. */
  readonly expiresAt: number
  /** Identifies the token, not the key of its assertion. Only v2.1 tokens have one. */
  readonly keyId: string | undefined
  revoked: boolean
}

/** The state of an emulator that has just started. */
export const make = (settings: LineSettings, channels: ChannelCredentials): LineState => ({
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
  lastMessageId: 461230966842064896n,
  maxTokens: minTokensKept
})

/** Counts a request of a channel to an endpoint; `false` if it exceeds the rate limit. */
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

/** Issues a token. */
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

/** Issues a long-lived token. A channel has one such token, so the previous one is revoked. */
export const issueLongLived = (state: LineState, channel: Channel, now: number): string => {
  liveTokensOf(state, channel, "long-lived", now).forEach(revoke)
  return issue(state, { kind: "long-lived", channel, lifetime: Number.POSITIVE_INFINITY }, now).token
}

/** Revokes a token, if there is one. */
export const revoke = (token: Token | undefined): void => {
  if (token !== undefined) {
    token.revoked = true
  }
}

/** Whether a token is neither revoked nor expired. */
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

/** The remaining lifetime in seconds, as LINE states it. */
export const secondsLeft = (token: Token, now: number): number =>
  token.expiresAt === Number.POSITIVE_INFINITY ? longLivedExpiresIn : Math.floor((token.expiresAt - now) / 1000)

const minTokensKept = 20_000

/** A long-lived token does not expire. LINE's example states 99 years as its `expires_in`. */
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

/** Always contains `+`, `/` and `=`, which a client has to encode in a form. */
const base64Token = () =>
  Buffer.concat([randomBytes(123), Buffer.of(0xfb, 0xff, 0xfe), randomBytes(2)]).toString("base64")
