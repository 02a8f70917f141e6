import { HTTPFetchError, messagingApi } from "@line/bot-sdk"
import { Effect, Redacted } from "effect"
import { TokenCache } from "effect-token-cache"

type Client = messagingApi.MessagingApiClient

/**
 * Calls of `@line/bot-sdk` with the token `name` of the cache. Its client keeps the token that it is made with, so one is
 * made per token. A call that LINE answers with 401 has the token replaced and is made once more.
 *
 *     const bot = yield* lineBot("line")
 *     yield* bot((client) => client.pushMessage({ to, messages: [{ type: "text", text: "hi" }] }))
 */
export const lineBot = (name: string, config: { readonly baseURL?: string } = {}) =>
  Effect.map(TokenCache.reader(name), (read) => {
    let last: { readonly token: Redacted.Redacted<string>; readonly client: Client } | undefined
    const current = Effect.map(read, (token) => {
      if (last?.token !== token) {
        const channelAccessToken = Redacted.value(token)
        last = { token, client: new messagingApi.MessagingApiClient({ ...config, channelAccessToken }) }
      }
      return last
    })
    return <A>(call: (client: Client) => Promise<A>) =>
      Effect.flatMap(current, ({ client, token }) =>
        Effect.tryPromise({ try: () => call(client), catch: (error) => error }).pipe(
          Effect.tapError((error) => (isRefused(error) ? TokenCache.invalidate(name, token) : Effect.void))
        )
      ).pipe(Effect.retry({ times: 1, while: isRefused }))
  })

const isRefused = (error: unknown) => error instanceof HTTPFetchError && error.status === 401
