import { generateKeyPairSync, verify } from "node:crypto"
import { FetchHttpClient, type HttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { channelAccessToken } from "@line/bot-sdk"
import { Cause, ConfigProvider, Effect, Exit, Layer, Redacted, TestClock } from "effect"
import { type IssueError, TokenCache } from "effect-token-cache"
import * as LineAssertion from "effect-token-cache/LineAssertion"
import * as LineChannel from "effect-token-cache/LineChannel"
import { LineEmulator, type LoggedRequest, lineChannelId, lineChannelSecret } from "effect-token-cache/testing"
import { decodeJwt, decodeProtectedHeader } from "jose"
import { httpClients } from "./support/httpClients.js"
import {
  failureOf,
  form,
  lineChannel,
  pathsOf,
  privateKey,
  publicKey,
  summary,
  withLine
} from "./support/lineChannel.js"

describe("LineChannel sources", () => {
  for (const [name, client] of Object.entries(httpClients)) {
    it.effect(`issue tokens through ${name}`, () =>
      Effect.gen(function* () {
        const { line, sources } = yield* lineChannel
        const lifetimes: Record<string, unknown> = {}
        for (const [kind, source] of Object.entries(sources)) {
          const { accessToken, expiresIn } = yield* source.issue
          assert.include(
            (yield* line.liveTokens(lineChannelId)).map(({ token }) => token),
            Redacted.value(accessToken)
          )
          lifetimes[kind] = expiresIn
        }
        assert.deepStrictEqual(lifetimes, {
          stateless: 900_000,
          statelessJwt: 900_000,
          v21: 2_592_000_000,
          shortLived: 2_592_000_000
        })
      }).pipe(Effect.provide(LineEmulator.layer()), Effect.provide(client))
    )
  }

  it.effect("keep the key id of a v2.1 token", () =>
    Effect.gen(function* () {
      const { line, sources } = yield* lineChannel
      const { keyId } = yield* sources.v21.issue
      assert.isString(keyId)
      assert.strictEqual(keyId, (yield* line.liveTokens(lineChannelId))[0]?.keyId)
    }).pipe(withLine())
  )

  it.effect("ask for the v2.1 lifetime that is given", () =>
    Effect.gen(function* () {
      const { byKey } = yield* lineChannel
      const { expiresIn } = yield* LineChannel.v21({ ...byKey, tokenLifetime: "2 days" }).issue
      assert.strictEqual(expiresIn, 172_800_000)
    }).pipe(withLine())
  )

  it.effect("sign an assertion anew for each attempt", () =>
    Effect.gen(function* () {
      const { line, sources } = yield* lineChannel
      yield* sources.statelessJwt.issue
      yield* TestClock.adjust("10 minutes")
      yield* sources.statelessJwt.issue
      const requests = yield* line.requests
      assert.deepStrictEqual(
        requests.map((request) => decodeJwt(form(request).client_assertion!).exp),
        [300, 900]
      )
    }).pipe(withLine())
  )

  it.effect("take secrets that are redacted already", () =>
    Effect.gen(function* () {
      const { bySecret, byKey } = yield* lineChannel
      yield* LineChannel.stateless({ ...bySecret, channelSecret: Redacted.make(lineChannelSecret) }).issue
      yield* LineChannel.statelessJwt({ ...byKey, privateKey: Redacted.make(privateKey) }).issue
    }).pipe(withLine())
  )

  it.effect("keep the RequestInit of a caller who uses fetch", () =>
    Effect.gen(function* () {
      const { line, sources } = yield* lineChannel
      yield* Effect.provideService(sources.stateless.issue, FetchHttpClient.RequestInit, { headers: { "x-team": "a" } })
      assert.strictEqual((yield* line.requests)[0]?.headers["x-team"], "a")
    }).pipe(Effect.provide(LineEmulator.layer()), Effect.provide(FetchHttpClient.layer))
  )

  it.effect("keep a path in the base URL and do without its trailing slash", () =>
    Effect.gen(function* () {
      const { line, bySecret } = yield* lineChannel
      yield* line.fault({ match: "/line/api/oauth2/v3/token", body: { access_token: "t", expires_in: 900 } })
      yield* LineChannel.stateless({ ...bySecret, baseUrl: `${line.url}/` }).issue
      yield* LineChannel.stateless({ ...bySecret, baseUrl: `${line.url}/line/api/` }).issue
      assert.deepStrictEqual(pathsOf(yield* line.requests), ["POST /oauth2/v3/token", "POST /line/api/oauth2/v3/token"])
    }).pipe(withLine())
  )

  it.effect("refuse a base URL that is neither https nor loopback, before any request and without quoting it", () =>
    Effect.gen(function* () {
      const { bySecret } = yield* lineChannel
      const urls = [
        "http://api.line.me",
        "http://localhost.evil.example",
        "https://user:hunter2@api.line.me",
        "https://api.line.me?key=hunter2",
        "https://api.line.me#hunter2",
        "ftp://127.0.0.1",
        "api.line.me",
        ""
      ]
      for (const baseUrl of urls) {
        assert.deepStrictEqual(summary(yield* failureOf(LineChannel.stateless({ ...bySecret, baseUrl }))), {
          reason: "Rejected",
          permanent: true,
          message:
            "the base URL must be https, or http on loopback, without user, query or fragment, such as https://api.line.me",
          advice: "Check the base URL (LINE_API_BASE_URL)."
        })
      }
    }).pipe(withLine())
  )

  it.effect("refuse options that cannot work before any request", () =>
    Effect.gen(function* () {
      const { line, bySecret, byKey } = yield* lineChannel
      const wrong = {
        noId: LineChannel.stateless({ ...bySecret, channelId: "" }),
        noSecret: LineChannel.shortLived({ ...bySecret, channelSecret: " " }),
        noKeyId: LineChannel.statelessJwt({ ...byKey, keyId: "" }),
        noKey: LineChannel.v21({ ...byKey, privateKey: "" }),
        tooLong: LineChannel.v21({ ...byKey, tokenLifetime: "31 days" })
      }
      for (const [name, source] of Object.entries(wrong)) {
        const { reason, permanent } = yield* failureOf(source)
        assert.deepStrictEqual({ reason, permanent }, { reason: "Rejected", permanent: true }, name)
      }
      assert.isEmpty(yield* line.requests)
    }).pipe(withLine())
  )
})

describe("LineChannel from Config", () => {
  const withEnv = (env: Record<string, string>) =>
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(env))))

  const failing = (effect: Effect.Effect<unknown, unknown>, env: Record<string, string>) =>
    Effect.map(Effect.flip(withEnv(env)(effect)), String)

  const secretEnv = { LINE_CHANNEL_ID: lineChannelId, LINE_CHANNEL_SECRET: lineChannelSecret }
  const keyEnv = { LINE_CHANNEL_ID: lineChannelId, LINE_KEY_ID: "kid", LINE_PRIVATE_KEY: privateKey }

  it.effect("makes the four sources from the environment", () =>
    Effect.gen(function* () {
      const { line, byKey } = yield* lineChannel
      const env = {
        LINE_CHANNEL_ID: ` ${lineChannelId}\n`,
        LINE_CHANNEL_SECRET: `${lineChannelSecret}\n`,
        LINE_KEY_ID: byKey.keyId,
        LINE_PRIVATE_KEY: privateKey.replaceAll("\n", "\\n"),
        LINE_API_BASE_URL: line.url
      }
      for (const source of [
        LineChannel.statelessFromConfig,
        LineChannel.statelessJwtFromConfig,
        LineChannel.v21FromConfig,
        LineChannel.shortLivedFromConfig
      ]) {
        yield* (yield* withEnv(env)(source)).issue
      }
      assert.deepStrictEqual(
        (yield* line.liveTokens(lineChannelId)).map(({ kind }) => kind),
        ["stateless", "stateless", "v2.1", "short-lived"]
      )
    }).pipe(withLine())
  )

  it.effect("names a variable that is missing or empty", () =>
    Effect.gen(function* () {
      for (const [source, env] of [
        [LineChannel.statelessFromConfig, secretEnv],
        [LineChannel.shortLivedFromConfig, secretEnv],
        [LineChannel.statelessJwtFromConfig, keyEnv],
        [LineChannel.v21FromConfig, keyEnv]
      ] as const) {
        yield* withEnv(env)(source)
        for (const name of Object.keys(env)) {
          const without = Object.fromEntries(Object.entries(env).filter(([key]) => key !== name))
          assert.match(yield* failing(source, without), new RegExp(`Missing data at ${name}`))
          assert.match(yield* failing(source, { ...env, [name]: " " }), new RegExp(`Missing data at ${name}`))
        }
      }
    })
  )

  it.effect("makes a missing variable a failure of the layer", () =>
    Effect.gen(function* () {
      const layer = TokenCache.layer({ line: LineChannel.statelessFromConfig })
      const exit = yield* Effect.exit(withEnv({})(Effect.scoped(Layer.build(layer))))
      assert.isTrue(Exit.isFailure(exit) && Cause.pretty(exit.cause).includes("LINE_CHANNEL_ID"))
    }).pipe(Effect.provide(FetchHttpClient.layer))
  )

  it.effect("names LINE_PRIVATE_KEY when the key cannot be used, and does not show it", () =>
    Effect.gen(function* () {
      const broken = privateKey.slice(0, -100)
      const message = yield* failing(LineChannel.v21FromConfig, { ...keyEnv, LINE_PRIVATE_KEY: broken })
      assert.match(message, /Invalid data at LINE_PRIVATE_KEY: "the private key cannot be read: give an unencrypted/)
      assert.notInclude(message, privateKey.split("\n")[3]!)
      const small = generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey
      assert.include(
        yield* failing(LineChannel.statelessJwtFromConfig, {
          ...keyEnv,
          LINE_PRIVATE_KEY: small.export({ type: "pkcs8", format: "pem" }).toString()
        }),
        'Invalid data at LINE_PRIVATE_KEY: "the private key has 1024 bits, but LINE accepts only 2048'
      )
    })
  )

  it.effect("names LINE_API_BASE_URL when it cannot be used; empty is not set", () =>
    Effect.gen(function* () {
      const env = { ...secretEnv, LINE_API_BASE_URL: "http://api.line.me" }
      assert.include(
        yield* failing(LineChannel.statelessFromConfig, env),
        'Invalid data at LINE_API_BASE_URL: "the base URL must be https, or http on loopback'
      )
      yield* withEnv({ ...secretEnv, LINE_API_BASE_URL: "" })(LineChannel.statelessFromConfig)
    })
  )

  it.effect("revokes v2.1 tokens at close where LINE_CHANNEL_SECRET is set", () =>
    Effect.gen(function* () {
      assert.isFunction((yield* withEnv({ ...keyEnv, ...secretEnv })(LineChannel.v21FromConfig)).revoke)
      assert.isUndefined((yield* withEnv(keyEnv)(LineChannel.v21FromConfig)).revoke)
    })
  )
})

describe("LineChannel and @line/bot-sdk", () => {
  /** What must be equal in two requests that ask for the same, and in what LINE answers to them. */
  const meaning = ({ method, path, query, headers, body, status }: LoggedRequest) => ({
    status,
    method,
    path,
    query: fields(query),
    mediaType: headers["content-type"]?.split(";")[0],
    authorization: headers.authorization,
    retryKey: headers["x-line-retry-key"],
    form: fields(body)
  })

  const fields = (encoded: string) =>
    Array.from(new URLSearchParams(encoded), ([name, value]) => [
      name,
      name === "client_assertion"
        ? { header: decodeProtectedHeader(value), claims: decodeJwt(value), signed: isSigned(value) }
        : value
    ]).sort()

  const isSigned = (assertion: string) => {
    const [header, claims, signature = ""] = assertion.split(".")
    return verify("RSA-SHA256", Buffer.from(`${header}.${claims}`), publicKey, Buffer.from(signature, "base64url"))
  }

  /** The token that these name is none of LINE's. */
  const refused = ["verifyShortLived", "verifyV21", "revokeShortLived", "revokeV21"]

  it.effect("send the same requests to every token endpoint", () =>
    Effect.gen(function* () {
      const { line, bySecret, byKey, sources } = yield* lineChannel
      const sdk = new channelAccessToken.ChannelAccessTokenClient({ baseURL: line.url })
      const grant = "client_credentials"
      const type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
      const accessToken = "eyJ.tok+en/==~* &"
      const assertion = Redacted.value(yield* LineAssertion.sign(byKey))
      const v21Assertion = Redacted.value(yield* LineAssertion.sign({ ...byKey, tokenLifetime: "30 days" }))
      const pairs: Record<
        string,
        readonly [Effect.Effect<unknown, IssueError, HttpClient.HttpClient>, () => Promise<unknown>]
      > = {
        stateless: [
          sources.stateless.issue,
          () => sdk.issueStatelessChannelTokenByClientSecret(lineChannelId, lineChannelSecret)
        ],
        statelessJwt: [sources.statelessJwt.issue, () => sdk.issueStatelessChannelTokenByJWTAssertion(assertion)],
        v21: [sources.v21.issue, () => sdk.issueChannelTokenByJWT(grant, type, v21Assertion)],
        shortLived: [sources.shortLived.issue, () => sdk.issueChannelToken(grant, lineChannelId, lineChannelSecret)],
        verifyShortLived: [
          LineChannel.verifyShortLived({ accessToken, baseUrl: line.url }),
          () => sdk.verifyChannelToken(accessToken)
        ],
        verifyV21: [
          LineChannel.verifyV21({ accessToken, baseUrl: line.url }),
          () => sdk.verifyChannelTokenByJWT(accessToken)
        ],
        revokeShortLived: [
          LineChannel.revokeShortLived({ accessToken, baseUrl: line.url }),
          () => sdk.revokeChannelToken(accessToken)
        ],
        revokeV21: [
          LineChannel.revokeV21({ ...bySecret, accessToken }),
          () => sdk.revokeChannelTokenByJWT(lineChannelId, lineChannelSecret, accessToken)
        ],
        keyIds: [LineChannel.keyIds(byKey), () => sdk.getsAllValidChannelAccessTokenKeyIds(type, assertion)]
      }
      for (const [name, [ours, theirs]] of Object.entries(pairs)) {
        yield* line.clearRequests
        yield* Effect.exit(ours)
        yield* Effect.exit(Effect.tryPromise(theirs))
        const requests = yield* line.requests
        assert.lengthOf(requests, 2, name)
        const [our, their] = requests.map(meaning)
        assert.deepStrictEqual(our, their, name)
        assert.strictEqual(our?.status, refused.includes(name) ? 400 : 200, name)
        assert.notInclude(JSON.stringify(our), '"signed":false', name)
      }
    }).pipe(withLine())
  )
})
