import { createPrivateKey } from "node:crypto"
import { HttpClient, HttpClientRequest } from "@effect/platform"
import { Clock, Effect, Predicate, Redacted } from "effect"
import { IssuedToken, IssueError } from "effect-token-cache"
import { SignJWT } from "jose"

/** Installation tokens of a GitHub App: an API of its own, which answers 201 with an instant instead of a lifetime. */
export const githubApp = (options: {
  readonly appId: string
  readonly installationId: number
  readonly privateKey: Redacted.Redacted<string>
  readonly baseUrl?: string
}) => {
  const { appId, baseUrl = "https://api.github.com", installationId, privateKey } = options
  const issue = Effect.gen(function* () {
    const iat = Math.floor((yield* Clock.currentTimeMillis) / 1000) - 30
    const jwt = new SignJWT({ iss: appId, iat, exp: iat + 600 }).setProtectedHeader({ alg: "RS256", typ: "JWT" })
    const signed = yield* Effect.promise(() => jwt.sign(createPrivateKey(Redacted.value(privateKey))))
    const request = HttpClientRequest.post(`${baseUrl}/app/installations/${installationId}/access_tokens`).pipe(
      HttpClientRequest.bearerToken(signed),
      // GitHub refuses a request that does not say what sends it.
      HttpClientRequest.setHeaders({ accept: "application/vnd.github+json", "user-agent": `app-${appId}` })
    )
    // The client's own span would keep the request, and the JWT with it.
    const client = HttpClient.withTracerDisabledWhen(yield* HttpClient.HttpClient, () => true)
    const { json, status } = yield* client.execute(request)
    const body = yield* json
    if (status === 201 && Predicate.isRecord(body) && Predicate.isString(body.token)) {
      return IssuedToken.make({ accessToken: body.token, expiresAt: new Date(String(body.expires_at)) })
    }
    const permanent = status === 401 || status === 404
    return yield* new IssueError({ reason: permanent ? "Rejected" : "Unreachable", permanent, status })
  })
  return { issue, issueTimeout: "10 seconds" } as const
}
