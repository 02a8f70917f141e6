/** Requests a second over loopback, with `BearerClient` and without it. */
import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import { HttpClient, HttpClientRequest } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { Effect } from "effect"
import { BearerClient, IssuedToken, TokenCache } from "effect-token-cache"
import type { Row, Section, Size } from "../section.js"
import { median, spread } from "../support.js"

const sizes: Record<Size, { readonly rounds: number; readonly requests: number }> = {
  quick: { rounds: 2, requests: 200 },
  full: { rounds: 9, requests: 1500 }
}

const concurrency = 32

const api = Effect.acquireRelease(
  Effect.async<{ readonly child: ChildProcess; readonly url: string }>((resume) => {
    const child = fork(fileURLToPath(new URL("../api.ts", import.meta.url)), { execArgv: ["--import", "tsx"] })
    child.once("message", (port) => resume(Effect.succeed({ child, url: `http://127.0.0.1:${port}` })))
  }),
  ({ child }) => Effect.sync(() => child.disconnect())
)

const token = "t".repeat(180)

const Tokens = TokenCache.layer({
  api: { issue: Effect.succeed(IssuedToken.make({ accessToken: token, expiresIn: "1 hour" })) }
})

const measure = (size: Size) =>
  Effect.gen(function* () {
    const { requests, rounds } = sizes[size]
    const { url } = yield* api
    const client = yield* HttpClient.HttpClient
    const fixed = HttpClient.mapRequest(client, HttpClientRequest.bearerToken(token))
    const bearer = yield* BearerClient.make("api", { origins: [url] })
    const send = (client: HttpClient.HttpClient, count: number) =>
      Effect.replicateEffect(
        Effect.flatMap(client.get(url), (response) => response.text),
        count,
        { concurrency, discard: true }
      )
    const rows = [
      { name: "HttpClient, no token", client },
      { name: "HttpClient, a fixed token", client: fixed },
      { name: "BearerClient", client: bearer }
    ].map((row) => ({ ...row, perSecond: [] as number[], cpuMicros: [] as number[] }))
    for (const { client } of rows) yield* send(client, requests)
    for (let round = 0; round < rounds; round++) {
      for (const { client, cpuMicros, perSecond } of rows) {
        const startedAt = performance.now()
        const cpu = process.cpuUsage()
        yield* send(client, requests)
        const { system, user } = process.cpuUsage(cpu)
        perSecond.push((requests * 1000) / (performance.now() - startedAt))
        cpuMicros.push((system + user) / requests)
      }
    }
    return rows
  })

export const section: Section = {
  nodeOptions: [],
  run: async (size) => {
    const rows = await measure(size).pipe(
      Effect.provide([Tokens, NodeHttpClient.layerUndici]),
      Effect.scoped,
      Effect.runPromise
    )
    const fixed = median(rows[1]!.perSecond)
    return {
      tables: [
        {
          id: "bearer",
          title: `GET over loopback, ${concurrency} at once, the API in another process`,
          columns: [
            { key: "ratio", title: "times a fixed token", digits: 2 },
            { key: "perSecond", title: "requests a second", digits: 0 },
            { key: "cpuMicros", title: "CPU per request, us", digits: 0 }
          ],
          rows: rows.map(
            ({ cpuMicros, name, perSecond }): Row => ({
              name,
              ours: name === "BearerClient",
              figures: {
                ratio: median(perSecond) / fixed,
                perSecond: spread(perSecond),
                cpuMicros: spread(cpuMicros)
              }
            })
          )
        }
      ],
      bars: []
    }
  }
}
