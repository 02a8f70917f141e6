import { assert, it } from "@effect/vitest"
import { channelAccessToken, HTTPFetchError, messagingApi } from "@line/bot-sdk"
import { Effect, type Scope } from "effect"
import {
  LineEmulator,
  type LineEmulatorOptions,
  type LineEmulatorService,
  type LiveToken,
  lineChannelId,
  lineChannelSecret
} from "effect-token-cache/testing"
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose"

export const keyPair = await generateKeyPair("RS256", { extractable: true })
export const otherKeyPair = await generateKeyPair("RS256", { extractable: true })
export const publicJwk = { ...(await exportJWK(keyPair.publicKey)), alg: "RS256", use: "sig" }

/** One emulator per test, on the test's clock. */
export const emulated = (
  name: string,
  test: (line: LineEmulatorService) => Effect.Effect<unknown, unknown, Scope.Scope>,
  options?: LineEmulatorOptions
) =>
  it.scoped(name, () =>
    Effect.flatMap(LineEmulator, test).pipe(Effect.provide(LineEmulator.layer(options)), Effect.asVoid)
  )

export const promised = <A>(call: () => Promise<A>) => Effect.tryPromise({ try: call, catch: (error) => error })

/** What the official client throws for an answer that is not 2xx. */
export const refused = (call: () => Promise<unknown>) =>
  Effect.map(Effect.flip(promised(call)), (error) => {
    assert.instanceOf(error, HTTPFetchError)
    return { status: error.status, body: JSON.parse(error.body), headers: error.headers }
  })

export const refusal = (call: () => Promise<unknown>) =>
  Effect.map(refused(call), ({ status, body }) => ({ status, body }))

export const tokens = (line: LineEmulatorService) =>
  new channelAccessToken.ChannelAccessTokenClient({ baseURL: line.url })

export const messaging = (line: LineEmulatorService, token: string) =>
  new messagingApi.MessagingApiClient({ baseURL: line.url, channelAccessToken: token })

export const issueStateless = (line: LineEmulatorService) =>
  Effect.map(
    promised(() => tokens(line).issueStatelessChannelTokenByClientSecret(lineChannelId, lineChannelSecret)),
    (answer) => answer.access_token
  )

export const issueShortLived = (line: LineEmulatorService) =>
  Effect.map(
    promised(() => tokens(line).issueChannelToken("client_credentials", lineChannelId, lineChannelSecret)),
    (answer) => answer.access_token
  )

export const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

export interface AssertionParts {
  readonly header?: Record<string, unknown>
  readonly claims?: Record<string, unknown>
  readonly key?: CryptoKey
}

/** A valid assertion at the test clock's 0, save for the parts given. */
export const sign = (kid: string, { header, claims, key }: AssertionParts = {}) =>
  promised(() =>
    new SignJWT({
      iss: lineChannelId,
      sub: lineChannelId,
      aud: "https://api.line.me/",
      exp: 1800,
      token_exp: 2_592_000,
      ...claims
    } as JWTPayload)
      .setProtectedHeader({ alg: "RS256", typ: "JWT", kid, ...header })
      .sign(key ?? keyPair.privateKey)
  )

export const issueV21ByAssertion = (line: LineEmulatorService, assertion: string) =>
  promised(() => tokens(line).issueChannelTokenByJWT("client_credentials", assertionType, assertion))

export const issueV21 = (line: LineEmulatorService, parts?: AssertionParts) =>
  Effect.gen(function* () {
    const kid = yield* line.registerKey(lineChannelId, publicJwk)
    const assertion = yield* sign(kid, parts)
    const answer = yield* issueV21ByAssertion(line, assertion)
    return { assertion, token: answer.access_token, answer }
  })

export const hello = { to: "U4af4980629", messages: [{ type: "text" as const, text: "hello" }] }

export const push = (line: LineEmulatorService, token: string, retryKey?: string) =>
  promised(() => messaging(line, token).pushMessage(hello, retryKey))

export const send = (line: LineEmulatorService, path: string, init?: RequestInit) =>
  Effect.flatMap(
    promised(() => fetch(line.url + path, init)),
    (response) =>
      Effect.map(
        promised(() => response.text()),
        (body) => ({
          status: response.status,
          headers: response.headers,
          body: body.startsWith("{") ? JSON.parse(body) : body
        })
      )
  )

export const form = (fields: Record<string, string> | string): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/x-www-form-urlencoded" },
  body: new URLSearchParams(fields).toString()
})

export const statelessForm = form({
  grant_type: "client_credentials",
  client_id: lineChannelId,
  client_secret: lineChannelSecret
})

export const pushJson = (line: LineEmulatorService, token: string, body: unknown, headers?: Record<string, string>) =>
  send(line, "/v2/bot/message/push", {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body)
  })

export const answerOf = ({ status, body }: { readonly status: number; readonly body: unknown }) => ({ status, body })

/** Real time, which a request needs to arrive though the test clock stands still. */
export const arrived = (line: LineEmulatorService, count: number) =>
  Effect.repeat(
    Effect.zipRight(
      Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 2))),
      line.requests
    ),
    { until: (requests) => requests.length >= count }
  )

export const parametersInvalid = {
  status: 400,
  body: { error: "invalid_request", error_description: "some parameters missed or invalid" }
}

export const invalidRequest = (error_description: string) => ({
  status: 400,
  body: { error: "invalid_request", error_description }
})

export const invalidClient = (error_description: string) => ({
  status: 400,
  body: { error: "invalid_client", error_description }
})

export const unknownKey = { status: 404, body: { message: "Cannot find channel key that satisfies the conditions" } }

export const invalidToken = {
  status: 401,
  body: { message: "Authentication failed. Confirm that the access token in the authorization header is valid." }
}

export const rateLimited = { status: 429, body: { message: "The API rate limit has been exceeded. Try again later." } }

export const toToken = ({ token }: LiveToken) => token
