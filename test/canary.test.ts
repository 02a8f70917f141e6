import { type HttpClient, HttpClientRequest } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Fiber, Layer, Metric, Redacted, Schedule, Stream } from "effect"
import { BearerClient, LineChannel, LineMessaging, TokenCache, TokenMetrics } from "effect-token-cache"
import { LineEmulator, type LineFault, lineChannelId } from "effect-token-cache/testing"
import * as PrometheusText from "../src/internal/metrics/prometheusText.js"
import { exposedLogs, exposedSpans, found, metrics, print } from "./support/exposure.js"
import { fastClock } from "./support/fastClock.js"
import { faultProxy, type ProxyMode } from "./support/faultProxy.js"
import { httpClients } from "./support/httpClients.js"
import { lineChannel, privateKey } from "./support/lineChannel.js"
import { startProcess } from "./support/process.js"
import { until } from "./support/until.js"

const channelSecret = "canary0secret0123456789abcdef012"

/** What an issuer can echo: what it was sent. */
const echo = `you sent ${channelSecret} and ${privateKey}`

const lineFaults: Record<string, LineFault> = {
  none: { times: 0 },
  "a dropped connection": { drop: true },
  "a dropped connection after LINE did it": { drop: true, mode: "after" },
  "no answer": { hang: true },
  "a late answer": { delayMs: 5000, status: 500, body: echo },
  "HTML with 200": { status: 200, body: `<html>${echo}` },
  "an empty 200": { status: 200, body: "" },
  "no expires_in": { status: 200, body: { access_token: channelSecret } },
  "a strange expires_in": { status: 200, body: { access_token: channelSecret, expires_in: channelSecret } },
  "a strange token_type": { status: 200, body: { access_token: channelSecret, expires_in: 900, token_type: echo } },
  "no access_token": { status: 200, body: { expires_in: 900, echo } },
  "a refusal with an echo": { status: 400, body: { error: "invalid_client", error_description: echo } },
  "a refusal whose code is an echo": { status: 400, body: { error: channelSecret, error_description: echo } },
  "a refusal whose code is a sentence": { status: 401, body: { error: echo } },
  "a refusal in the other shape": { status: 400, body: { message: "refused", details: [{ message: "no" }], echo } },
  "a 401": {
    status: 401,
    body: { message: "refused" },
    headers: { "www-authenticate": 'Bearer error="invalid_token"' }
  },
  "a 404": { status: 404, body: echo },
  "a request id that is an echo": { status: 400, headers: { "x-line-request-id": channelSecret } },
  "a 429": { status: 429, body: { message: "slow down" }, headers: { "retry-after": "soon" } },
  "a 500 with an echo": { status: 500, body: echo },
  "a 503": { status: 503, headers: { "retry-after": "1" } },
  "a redirect": { status: 307, headers: { location: "/elsewhere" }, body: echo },
  "a success after LINE did it, as 500": { mode: "after", status: 500 },
  "a token in a 400": { mode: "after", status: 400, body: { access_token: channelSecret, message: echo } }
}

const socketFaults: Record<string, ProxyMode> = {
  "a connection that is reset": { _tag: "reset" },
  "a black hole": { _tag: "blackHole" },
  "an answer cut in its headers": { _tag: "cut", at: "headers" },
  "an answer cut in its body": { _tag: "cut", at: "body" },
  "an answer that stops in its body": { _tag: "stall", at: "body" },
  latency: { _tag: "latency", millis: 100 }
}

const names = ["stateless", "statelessJwt", "v21", "shortLived"] as const

/** An issuer echoes; what an API answers to the app is the app's own. */
const faultsOf = (fault: LineFault): ReadonlyArray<LineFault> => {
  const { body, headers: _, ...rest } = { times: 1000, ...fault }
  return [
    { ...fault, times: rest.times, match: /^\/(oauth2|v2\/oauth)\// },
    { ...rest, body: body === undefined ? undefined : { message: "no" } }
  ]
}

/** All that an app can do with its tokens, at once; gives all that it gets. */
const everything = (
  api: LineChannel.ApiOptions & { readonly baseUrl: string },
  byKey: LineChannel.AssertionOptions,
  first: ReadonlyArray<{ readonly name: string; readonly old: Redacted.Redacted<string> }>
) =>
  Effect.forEach(
    first,
    ({ name, old }) =>
      Effect.gen(function* () {
        const exits: Array<unknown> = []
        const keep = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
          Effect.exit(effect).pipe(
            Effect.tap((exit) => Effect.logTrace("an exit", exit)),
            Effect.map((exit) => exits.push(exit))
          )
        yield* keep(TokenCache.refresh(name))
        yield* keep(TokenCache.accessToken(name))
        yield* keep(LineMessaging.push(name, "U4af4980629", LineMessaging.text("hi"), api))
        const client = yield* BearerClient.make(name, { origins: [new URL(api.baseUrl).origin] })
        const request = HttpClientRequest.post(`${api.baseUrl}/v2/bot/message/push`).pipe(
          HttpClientRequest.bodyUnsafeJson({ to: "U4af4980629", messages: [{ type: "text", text: "hi" }] })
        )
        yield* keep(Effect.timeout(client.execute(request), "20 seconds"))
        const token = { accessToken: old, baseUrl: api.baseUrl }
        yield* keep(Effect.timeout(LineChannel.verifyShortLived(token), "20 seconds"))
        yield* keep(Effect.timeout(LineChannel.verifyV21(token), "20 seconds"))
        yield* keep(Effect.timeout(LineChannel.keyIds(byKey), "20 seconds"))
        yield* keep(
          Effect.timeout(LineChannel.revokeV21({ ...token, channelId: lineChannelId, channelSecret }), "20 seconds")
        )
        yield* TokenCache.invalidate(name, old)
        yield* keep(TokenCache.token(name))
        return exits
      }),
    { concurrency: "unbounded" }
  )

/** Meets one fault from all sides, and gives the names of the secrets that were shown anywhere. */
const leaksUnder = (
  fault: { readonly line: LineFault } | { readonly socket: ProxyMode },
  client: Layer.Layer<HttpClient.HttpClient>
) => {
  const shown: Array<string> = []
  return Effect.gen(function* () {
    const { byKey, line } = yield* lineChannel
    const proxy = yield* faultProxy(Number(new URL(line.url).port))
    const baseUrl = `http://127.0.0.1:${proxy.port}`
    const bySecret = { channelId: lineChannelId, channelSecret, baseUrl }
    const assertion = { ...byKey, baseUrl }
    const Tokens = TokenCache.layer(
      {
        stateless: LineChannel.stateless(bySecret),
        statelessJwt: LineChannel.statelessJwt(assertion),
        v21: LineChannel.v21({ ...assertion, channelSecret }),
        shortLived: LineChannel.shortLived(bySecret)
      },
      { readTimeout: "2 minutes" }
    )
    const tokens: Array<string> = []
    const watching = yield* Effect.gen(function* () {
      const events = yield* Effect.fork(Stream.runCollect(TokenCache.events))
      const first = yield* Effect.forEach(names, (name) =>
        TokenCache.token(name).pipe(
          // On a fast clock a slow machine may miss a time limit.
          Effect.retry(Schedule.spaced("1 second")),
          Effect.map((old) => {
            tokens.push(Redacted.value(old))
            return { name, old }
          })
        )
      )
      yield* "line" in fault ? Effect.forEach(faultsOf(fault.line), line.fault) : proxy.become(fault.socket)
      const exits = (yield* everything({ baseUrl }, assertion, first)).flat()
      const statuses = yield* TokenCache.statuses
      const changes = yield* Effect.forEach(names, (name) =>
        Stream.runCollect(Stream.take(TokenCache.changes(name), 1))
      )
      yield* TokenMetrics.publish
      shown.push(...exits.map(print), print(statuses), print(changes), yield* metrics)
      const text = PrometheusText.render(yield* Metric.snapshot)
      assert.include(text, 'token_cache_unauthorized_total{token="v21"')
      shown.push(text)
      return events
    }).pipe(Effect.provide(Layer.provideMerge(TokenMetrics.layer(), Tokens)))
    const events = Chunk.toArray(yield* Fiber.join(watching))
    assert.isNotEmpty(events)
    shown.push(...events.map(print))
    return { shown, secrets: yield* secretsOf(tokens) }
  }).pipe(
    Effect.scoped,
    Effect.provide(LineEmulator.layer({ channels: [{ channelId: lineChannelId, channelSecret }] })),
    Effect.provide(client),
    exposedSpans(shown),
    exposedLogs(shown),
    // Where there is no answer, all that there is to do is wait.
    Effect.withClock(fastClock(silent(fault) ? 300 : 100))
  )
}

const silent = (fault: { readonly line: LineFault } | { readonly socket: ProxyMode }) =>
  "line" in fault ? fault.line.hang === true : ["blackHole", "stall"].includes(fault.socket._tag)

/** Each secret that went over the wire, and the lines of the key, by name. */
const secretsOf = (tokens: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const line = yield* LineEmulator
    const requests = yield* line.requests
    const fields = requests.flatMap(({ body, query }) => [new URLSearchParams(query), new URLSearchParams(body)])
    const assertions = fields.flatMap((all) => all.getAll("client_assertion"))
    const sent = fields.flatMap((all) => all.getAll("access_token"))
    const bearers = requests.flatMap(({ headers }) => headers.authorization?.replace("Bearer ", "") ?? [])
    const live = (yield* line.liveTokens(lineChannelId)).map(({ token }) => token)
    assert.isNotEmpty(assertions)
    assert.isNotEmpty(tokens)
    const named = (name: string, values: ReadonlyArray<string>) =>
      [...new Set(values)].map((value, index) => [`${name} ${index}`, value] as const)
    return Object.fromEntries([
      ["channel secret", channelSecret],
      ...named("line of the private key", privateKey.trim().split("\n").slice(1, -1)),
      ...named("assertion", assertions),
      ...named("token", [...tokens, ...sent, ...bearers, ...live])
    ])
  })

/** What an issuer answers is read the same way through each client; how a connection fails is each one's own. */
const clientsOf = (fault: LineFault) => Object.entries(fault.drop ? httpClients : { undici: httpClients.undici })

describe("no secret is in any log, span, metric, status, event or result", () => {
  for (const [name, fault] of Object.entries(lineFaults)) {
    for (const [over, client] of clientsOf(fault)) {
      it.live(`under ${name}, over ${over}`, () =>
        Effect.gen(function* () {
          const { secrets, shown } = yield* leaksUnder({ line: fault }, client)
          assert.isTrue(shown.some((text) => text.includes("level=TRACE")))
          assert.isTrue(shown.some((text) => text.includes("TokenCache.refresh")))
          assert.deepStrictEqual(found(secrets, shown), [])
        })
      )
    }
  }
  for (const [name, fault] of Object.entries(socketFaults)) {
    for (const [over, client] of Object.entries(httpClients)) {
      it.live(`under ${name}, over ${over}`, () =>
        Effect.gen(function* () {
          const { secrets, shown } = yield* leaksUnder({ socket: fault }, client)
          assert.deepStrictEqual(found(secrets, shown), [])
        })
      )
    }
  }
})

describe("a process that prints all it gets hold of, at Trace, and ends with an error", () => {
  it.scopedLive("shows no secret on stdout or stderr", () =>
    Effect.gen(function* () {
      const { byKey, line } = yield* lineChannel
      // The four first tokens, and then the faults, each twice; the order of requests is the process's own.
      yield* line.fault({ times: 4, delayMs: 1 })
      const faults = Object.values(lineFaults).flatMap(faultsOf)
      for (const fault of faults) {
        yield* line.fault({ ...fault, times: 2 })
      }
      const app = startProcess("test/processes/canary.ts", {
        env: {
          LINE_API_BASE_URL: line.url,
          LINE_CHANNEL_ID: lineChannelId,
          LINE_CHANNEL_SECRET: channelSecret,
          LINE_KEY_ID: byKey.keyId,
          LINE_PRIVATE_KEY: privateKey
        }
      })
      const reasons = ["Unreachable", "Rejected", "Throttled", "InvalidResponse", "Timeout"]
      yield* until(() => reasons.every((reason) => app.output.stderr.includes(`reason: '${reason}'`)))
      const expected = [200, 307, 400, 401, 404, 429, 500, 503, undefined]
      yield* Effect.repeat(Effect.delay(line.requests, "100 millis"), {
        until: (requests) => expected.every((status) => requests.some((request) => request.status === status))
      })
      app.child.stdin?.end()
      const { code, stderr, stdout } = yield* Effect.promise(() => app.ended)
      assert.strictEqual(code, 1)
      assert.match(stdout, /TRACE[\s\S]*<redacted>\n/)
      assert.include(stdout, 'no token is named "nobody"')
      assert.deepStrictEqual(found(yield* secretsOf([channelSecret]), [stdout, stderr]), [])
    }).pipe(Effect.provide(LineEmulator.layer({ channels: [{ channelId: lineChannelId, channelSecret }] })))
  )
})
