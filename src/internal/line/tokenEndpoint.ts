import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as IssuedToken from "../../IssuedToken.js"
import * as LineAssertion from "../../LineAssertion.js"
import { IssueError } from "../../TokenError.js"
import type { TokenIdentity } from "../../TokenSource.js"
import * as IssuerError from "../http/issuerError.js"
import { isBlank, redacted } from "../options.js"
import { secretAdvice } from "./advice.js"
import * as Api from "./api.js"
import * as LineRequest from "./request.js"

type Issue = Effect.Effect<IssuedToken.IssuedToken, IssueError, HttpClient.HttpClient>

/** Issues a token with the channel secret. */
export const issueBySecret = (path: string, options: Api.SecretOptions): Issue => {
  const { baseUrl, channelId } = options
  const channelSecret = redacted(options.channelSecret)
  return Effect.suspend(() =>
    isBlank(channelId) || isBlank(Redacted.value(channelSecret))
      ? Effect.fail(
          new IssueError({
            reason: "Rejected",
            permanent: true,
            message: "channelId and channelSecret must be strings that are not empty",
            advice: "Check LINE_CHANNEL_ID and LINE_CHANNEL_SECRET."
          })
        )
      : requestToken(
          { baseUrl, path, advice: secretAdvice },
          { client_id: channelId, client_secret: Redacted.value(channelSecret) }
        )
  )
}

/** Issues a token with an assertion, signed anew for each attempt. */
export const issueByAssertion = (endpoint: LineRequest.Endpoint, options: LineAssertion.LineAssertionOptions): Issue =>
  Effect.flatMap(LineAssertion.sign(options), (assertion) => requestToken(endpoint, assertionFields(assertion)))

/** The form fields of an assertion (RFC 7523 section 2.2). */
export const assertionFields = (assertion: Redacted.Redacted<string>) => ({
  client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
  client_assertion: Redacted.value(assertion)
})

/** What the tokens of a channel depend on. A base URL that cannot be used gives none, because it may hold a secret. */
export const identify = ({
  baseUrl = Api.defaultBaseUrl,
  channelId
}: Pick<Api.SecretOptions, "baseUrl" | "channelId">): TokenIdentity | undefined =>
  Either.match(Api.parseBaseUrl(baseUrl), {
    onLeft: () => undefined,
    onRight: (url) => ({ client: `${url} ${channelId}` })
  })

const requestToken = (endpoint: LineRequest.Endpoint, client: Readonly<Record<string, string>>): Issue =>
  Effect.flatMap(LineRequest.post(endpoint, { grant_type: "client_credentials", ...client }), (answer) =>
    Effect.mapError(IssuedToken.fromOAuth(answer.body), ({ message }) => IssuerError.invalidResponse(answer, message))
  )
