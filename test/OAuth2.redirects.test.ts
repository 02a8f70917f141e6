import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as OAuth2 from "effect-token-cache/OAuth2"
import { serve } from "./support/bearerApi.js"
import { httpClients } from "./support/httpClients.js"
import { client, server, summary } from "./support/oauth2.js"

describe("OAuth2 errors", () => {
  for (const [over, http] of Object.entries(httpClients)) {
    for (const status of [301, 302, 303, 307, 308]) {
      it.scopedLive(`a redirect by ${status} is not followed, over ${over}`, () =>
        Effect.gen(function* () {
          const api = yield* serve(({ path }) =>
            path === "/token"
              ? { status, headers: { location: "/elsewhere" } }
              : {
                  status: 200,
                  headers: { "content-type": "application/json" },
                  body: '{"access_token":"t","token_type":"Bearer","expires_in":60}'
                }
          )
          const source = yield* OAuth2.clientCredentials({
            ...client,
            server: { ...server, tokenEndpoint: `${api.url}/token` }
          })
          assert.deepStrictEqual(summary(yield* Effect.flip(source.issue)), {
            code: undefined,
            permanent: false,
            reason: "InvalidResponse",
            status
          })
          assert.deepStrictEqual(
            api.received.map(({ path }) => path),
            ["/token"]
          )
        }).pipe(Effect.provide(http))
      )
    }
  }
})
