import { HttpClient, HttpClientResponse } from "@effect/platform"
import { Effect, Layer } from "effect"

/** A request as the client below got it. */
export interface Sent {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** A client that answers by itself and keeps what it was sent. */
export const fakeHttp = (answer: (sent: Sent, index: number) => Response | Effect.Effect<Response>) => {
  const sent: Array<Sent> = []
  const client = HttpClient.make((request, url) =>
    Effect.suspend(() => {
      const { body } = request
      const next = {
        method: request.method,
        url: url.href,
        headers: { ...request.headers },
        body: body._tag === "Uint8Array" ? new TextDecoder().decode(body.body) : ""
      }
      const answered = answer(next, sent.push(next) - 1)
      return Effect.map(Effect.isEffect(answered) ? answered : Effect.succeed(answered), (response) =>
        HttpClientResponse.fromWeb(request, response)
      )
    })
  )
  return { sent, layer: Layer.succeed(HttpClient.HttpClient, client) }
}

/** A JSON answer. */
export const json = (body: unknown, init?: { readonly status?: number; readonly headers?: Record<string, string> }) =>
  new Response(typeof body === "string" ? body : JSON.stringify(body), {
    status: init?.status ?? 200,
    headers: { "content-type": "application/json", ...init?.headers }
  })

export const form = (sent: Sent | undefined) => Object.fromEntries(new URLSearchParams(sent?.body))
