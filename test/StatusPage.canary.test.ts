import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { IssuedToken, IssueError, LineChannel, OAuth2, StatusPage, TokenCache } from "effect-token-cache"
import { LineEmulator, type LineFault, lineChannelId } from "effect-token-cache/testing"
import { serve } from "../examples/main/serve.js"
import { exposedLogs, found } from "./support/exposure.js"
import { lineChannel, privateKey } from "./support/lineChannel.js"

const channelSecret = "canary0secret0123456789abcdef012"
const clientSecret = "canary1secret0123456789abcdef012"
const tenantToken = "canary2token00123456789abcdef012"

/** What an issuer can echo: what it was sent, and what it has issued. */
const echo = `you sent ${channelSecret} and ${clientSecret} and ${privateKey}`

const faults: Record<string, LineFault> = {
  none: { times: 0 },
  "an error that echoes": { status: 400, body: { error: echo, error_description: echo, message: echo } },
  "an invalid answer that echoes": { status: 200, body: { access_token: channelSecret, expires_in: echo } },
  "HTML that echoes": { status: 503, body: `<html>${echo}` },
  "headers that echo": { status: 429, headers: { "x-line-request-id": echo.slice(0, 60), "retry-after": "1" } },
  "a dropped connection": { drop: true }
}

/** The routes by their source, so that none is forgotten. */
const routes = Array.from(
  readFileSync(fileURLToPath(new URL("../src/StatusPage.ts", import.meta.url)), "utf8").matchAll(
    /^ +"(\/[^"]*)": Routes\./gm
  ),
  ([, path = ""]) => path
)

it("asks for each route that the README has", () => {
  const readme = readFileSync(fileURLToPath(new URL("../README.md", import.meta.url)), "utf8")
  const documented = Array.from(readme.matchAll(/^\| `(\/[^`]*)` \|/gm), ([, path]) => path)
  assert.deepStrictEqual(routes, documented)
  assert.lengthOf(routes, 6)
})

/** Everything of an answer: its head and its body, or the first message of a stream. */
const exposed = async (url: string, path: string) => {
  const response = await fetch(url + path)
  const head = [response.statusText]
  response.headers.forEach((value, name) => {
    head.push(`${name}: ${value}`)
  })
  if (path !== "/events") return [...head, await response.text()].join("\n")
  const reader = response.body!.getReader()
  const { value } = await reader.read()
  await reader.cancel()
  return [...head, new TextDecoder().decode(value)].join("\n")
}

describe("no secret is in any answer of the status page", () => {
  for (const [name, fault] of Object.entries(faults)) {
    it.scopedLive(`under ${name}`, () =>
      Effect.gen(function* () {
        const { byKey, line } = yield* lineChannel
        const bySecret = { channelId: lineChannelId, channelSecret, baseUrl: line.url }
        const Tokens = TokenCache.layer({
          stateless: LineChannel.stateless(bySecret),
          v21: LineChannel.v21({ ...byKey, channelSecret }),
          shortLived: LineChannel.shortLived(bySecret),
          // Of another protocol, at an endpoint that refuses it.
          oauth: OAuth2.clientCredentials({
            server: { issuer: line.url, tokenEndpoint: `${line.url}/oauth2/v3/token` },
            clientId: "client",
            clientSecret: Redacted.make(clientSecret)
          }),
          throws: {
            issue: Effect.die(new Error(`${tenantToken} and ${channelSecret}`))
          },
          // An issuer of the app's own that hands on a header as it came.
          handsOn: { issue: Effect.fail(new IssueError({ reason: "Rejected", requestId: clientSecret })) },
          fixed: { issue: Effect.succeed(IssuedToken.make({ accessToken: tenantToken, expiresIn: "1 hour" })) }
        })
        yield* Effect.gen(function* () {
          const { url } = yield* serve(yield* StatusPage.make({ showNames: true }))
          const names = ["stateless", "v21", "shortLived", "fixed"]
          const first = yield* Effect.forEach(names, TokenCache.token)
          yield* line.fault({ match: /oauth2?\//, times: Number.POSITIVE_INFINITY, ...fault })
          yield* Effect.forEach([...names, "oauth", "throws", "handsOn"], (name) =>
            Effect.exit(TokenCache.refresh(name))
          )
          const second = yield* Effect.forEach(names, (name) => Effect.option(TokenCache.token(name)))
          const pages = yield* Effect.promise(() =>
            Promise.all([...routes, "/nothing", `/${channelSecret}?a=b`].map((path) => exposed(url, path)))
          )
          const tokens = [...first, ...second.flatMap((token) => (token._tag === "Some" ? [token.value] : []))]
          const secrets = Object.fromEntries([
            ["channel secret", channelSecret],
            ["client secret", clientSecret],
            ...privateKey
              .trim()
              .split("\n")
              .slice(1, -1)
              .map((text, index) => [`line ${index} of the key`, text]),
            ...tokens.map((token, index) => [`token ${index}`, Redacted.value(token)])
          ])
          assert.deepStrictEqual(found(secrets, pages), [])
          // What is looked at does hold the tokens' names and failures.
          const [html, json, events, metrics] = pages
          for (const page of [html, json, events, metrics]) assert.include(page, "shortLived")
          assert.include(json, "IssueFailed")
          for (const page of [html, events]) assert.include(page, "issue died with Error")
        }).pipe(Effect.provide(Tokens))
      }).pipe(
        Effect.provide(LineEmulator.layer({ channels: [{ channelId: lineChannelId, channelSecret }] })),
        Effect.provide(NodeHttpClient.layer),
        exposedLogs([])
      )
    )
  }
})
