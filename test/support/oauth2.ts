import { Effect } from "effect"
import type { IssueError } from "effect-token-cache"
import * as OAuth2 from "effect-token-cache/OAuth2"
import { fakeHttp, json } from "./fakeHttp.js"

export const server = { issuer: "https://issuer.example", tokenEndpoint: "https://issuer.example/token" }

export const client = { server, clientId: "svc", clientSecret: "hunter2" }

export const token = (fields: Readonly<Record<string, unknown>> = {}) =>
  json({ access_token: "s3cr3t", token_type: "Bearer", expires_in: 60, ...fields })

/** One attempt against a server that gives this answer. */
export const issue = (answer: () => Response, options: Partial<OAuth2.RequestOptions> = {}) =>
  Effect.gen(function* () {
    const source = yield* Effect.orDie(OAuth2.clientCredentials({ ...client, ...options }))
    return yield* Effect.provide(source.issue, fakeHttp(answer).layer)
  })

export const failure = (answer: () => Response, options: Partial<OAuth2.RequestOptions> = {}) =>
  Effect.flip(issue(answer, options))

export const summary = ({ code, permanent, reason, status }: IssueError) => ({ code, permanent, reason, status })
