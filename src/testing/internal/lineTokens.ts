import * as Either from "effect/Either"
import * as LineAssertion from "./lineAssertion.js"
import { empty, json, type LineResponse, messageError, oauthError, parametersInvalid } from "./lineReply.js"
import * as LineState from "./lineState.js"

/** The fields of a form or a query. Empty ones are left out, and the last one of a name counts. */
type Fields = ReadonlyMap<string, string>

type Endpoint = (state: LineState.LineState, fields: Fields, now: number) => LineResponse

/** POST /v2/oauth/accessToken. Past 30 live tokens the oldest is silently revoked. */
const issueShortLived: Endpoint = (state, fields, now) => {
  const channelId = fields.get("client_id")
  const channelSecret = fields.get("client_secret")
  if (!hasClientCredentialsGrant(fields) || channelId === undefined || channelSecret === undefined) {
    return parametersInvalid
  }
  const channel = state.channels.get(channelId)
  if (channel === undefined) {
    return oauthError("invalid_client", "invalid client_id")
  }
  if (channel.channelSecret !== channelSecret) {
    return oauthError("invalid_client", "invalid client_secret")
  }
  const live = LineState.liveTokensOf(state, channel, "short-lived", now)
  live.slice(0, Math.max(0, live.length - maxLiveTokens + 1)).forEach(LineState.revoke)
  const token = LineState.issue(
    state,
    { kind: "short-lived", channel, lifetime: state.settings.shortLivedLifetime },
    now
  )
  return json(200, {
    access_token: token.token,
    expires_in: LineState.secondsLeft(token, now),
    token_type: "Bearer"
  })
}

/** POST /oauth2/v3/token, with a secret or an assertion. There is no cap. */
const issueStateless: Endpoint = (state, fields, now) => {
  if (!hasClientCredentialsGrant(fields)) {
    return parametersInvalid
  }
  const client = fields.has("client_assertion")
    ? Either.map(LineAssertion.check(state, fields, now), ({ channel }) => channel)
    : Either.fromNullable(authenticated(state, fields), () =>
        oauthError("invalid_request", "Invalid 'client_credentials'.")
      )
  return Either.merge(
    Either.map(client, (channel) => {
      const lifetime = state.settings.statelessLifetime
      const token = LineState.issue(state, { kind: "stateless", channel, lifetime }, now)
      return json(200, {
        token_type: "Bearer",
        access_token: token.token,
        expires_in: LineState.secondsLeft(token, now)
      })
    })
  )
}

/** POST /oauth2/v2.1/token. Past 30 live tokens no more are issued. */
const issueV21: Endpoint = (state, fields, now) => {
  if (!hasClientCredentialsGrant(fields)) {
    return parametersInvalid
  }
  const asked = Either.flatMap(LineAssertion.check(state, fields, now), (assertion) =>
    Either.map(LineAssertion.tokenExp(assertion), (tokenExp) => ({ channel: assertion.channel, tokenExp }))
  )
  return Either.merge(
    Either.map(asked, ({ channel, tokenExp }) => {
      if (LineState.liveTokensOf(state, channel, "v2.1", now).length >= maxLiveTokens) {
        return messageError(400, "The maximum number of access tokens has already been issued")
      }
      const { token, keyId } = LineState.issue(state, { kind: "v2.1", channel, lifetime: tokenExp * 1000 }, now)
      return json(200, { access_token: token, token_type: "Bearer", expires_in: tokenExp, key_id: keyId })
    })
  )
}

/** POST /v2/oauth/verify, for short-lived and long-lived tokens. */
const verify: Endpoint = (state, fields, now) => {
  const value = fields.get("access_token") ?? ""
  if (!isBase64(value)) {
    return oauthError("invalid_request", "access_token in invalid format")
  }
  const token = state.tokens.get(value)
  if (token === undefined || !LineState.isLive(token, now)) {
    return oauthError("invalid_request", "access_token invalid")
  }
  return json(200, { client_id: token.channel.channelId, expires_in: LineState.secondsLeft(token, now), scope: "P CM" })
}

/** POST /v2/oauth/revoke, for short-lived and long-lived tokens. */
const revoke: Endpoint = (state, fields) => {
  const value = fields.get("access_token") ?? ""
  if (!isBase64(value)) {
    return oauthError("invalid_request")
  }
  LineState.revoke(state.tokens.get(value))
  return empty
}

/** GET /oauth2/v2.1/verify. */
const verifyV21: Endpoint = (state, fields, now) => {
  const value = fields.get("access_token") ?? ""
  if (!isJws(value)) {
    return oauthError("invalid_request", "The access token not JWS")
  }
  const token = state.tokens.get(value)
  if (token === undefined || token.revoked || token.kind !== "v2.1") {
    return oauthError("invalid_request", "The access token malformed")
  }
  if (!LineState.isLive(token, now)) {
    return oauthError("invalid_request", "The access token expired")
  }
  return json(200, {
    client_id: token.channel.channelId,
    expires_in: LineState.secondsLeft(token, now),
    scope: "profile chat_message.write"
  })
}

/** GET /oauth2/v2.1/tokens/kid. */
const keyIds: Endpoint = (state, fields, now) =>
  Either.merge(
    Either.map(LineAssertion.check(state, fields, now), ({ channel }) =>
      json(200, { kids: LineState.liveTokensOf(state, channel, "v2.1", now).map((token) => token.keyId) })
    )
  )

/** POST /oauth2/v2.1/revoke. It succeeds without any effect for an unknown token and for one of another channel. */
const revokeV21: Endpoint = (state, fields) => {
  const value = fields.get("access_token") ?? ""
  if (!isJws(value)) {
    return oauthError("invalid_request", "The access token not JWS")
  }
  const channel = authenticated(state, fields)
  if (channel === undefined) {
    return oauthError("invalid_client", "invalid client credentials")
  }
  const token = state.tokens.get(value)
  if (token?.kind === "v2.1" && token.channel === channel) {
    LineState.revoke(token)
  }
  return empty
}

/** The token endpoints, by method and path. */
export const endpoints: ReadonlyMap<string, Endpoint> = new Map([
  ["POST /v2/oauth/accessToken", issueShortLived],
  ["POST /v2/oauth/verify", verify],
  ["POST /v2/oauth/revoke", revoke],
  ["POST /oauth2/v3/token", issueStateless],
  ["POST /oauth2/v2.1/token", issueV21],
  ["GET /oauth2/v2.1/verify", verifyV21],
  ["GET /oauth2/v2.1/tokens/kid", keyIds],
  ["POST /oauth2/v2.1/revoke", revokeV21]
])

/** The fields of an encoded form or query. */
export const parseFields = (encoded: string): Fields =>
  new Map(Array.from(new URLSearchParams(encoded)).filter(([, value]) => value !== ""))

/** The channel that a request claims to be from, whose rate limit applies. */
export const claimedChannel = (state: LineState.LineState, fields: Fields): LineState.Channel | undefined => {
  const keyId = LineAssertion.claimedKeyId(fields.get("client_assertion") ?? "")
  return (
    state.channels.get(fields.get("client_id") ?? "") ??
    state.keys.get(keyId ?? "")?.channel ??
    state.tokens.get(fields.get("access_token") ?? "")?.channel
  )
}

/** The cap of short-lived tokens, and that of v2.1 tokens. */
const maxLiveTokens = 30

const hasClientCredentialsGrant = (fields: Fields) => fields.get("grant_type") === "client_credentials"

const authenticated = (state: LineState.LineState, fields: Fields): LineState.Channel | undefined => {
  const channel = state.channels.get(fields.get("client_id") ?? "")
  return channel !== undefined && channel.channelSecret === fields.get("client_secret") ? channel : undefined
}

const isBase64 = (token: string) => /^[A-Za-z0-9+/=]+$/.test(token)

const isJws = (token: string) => token.split(".").length === 3
