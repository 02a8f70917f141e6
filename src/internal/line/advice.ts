import * as Predicate from "effect/Predicate"
import type { Advice } from "../http/issuerError.js"
import * as Api from "./api.js"

/** Says what to do about a refusal of a request with the channel secret. */
export const secretAdvice: Advice = ({ status }) => ({
  advice: status === 404 ? Api.checkBaseUrl : "Check LINE_CHANNEL_ID and LINE_CHANNEL_SECRET."
})

/** Says what to do about a refusal of a request with an assertion. */
export const assertionAdvice: Advice = ({ status }) => ({
  advice:
    status === 404
      ? "Check LINE_KEY_ID: the key is not registered in this channel."
      : "Check LINE_CHANNEL_ID, LINE_KEY_ID and LINE_PRIVATE_KEY, and the clock of this machine."
})

/** Says what to do about a refusal of a request for a v2.1 token. */
export const v21Advice: Advice = (refusal) =>
  isAtCap(refusal)
    ? {
        message:
          "issuer answered 400: the channel has 30 live v2.1 tokens, the most that LINE allows: share one with a TokenStore",
        advice:
          "Revoke those that are not in use (LineChannel.revokeV21), wait until some expire, or use LineChannel.stateless."
      }
    : assertionAdvice(refusal)

/** Says what to do about a refusal of a request about a token that was issued before. */
export const tokenAdvice: Advice = ({ status }) => ({
  advice:
    status === 404
      ? Api.checkBaseUrl
      : "The token is malformed, expired or revoked, or it is of a kind that this endpoint is not for."
})

/** Past the cap, and only then, LINE answers 400 in the form of the Messaging API instead of the form of OAuth. */
const isAtCap = ({ body, status }: Parameters<Advice>[0]): boolean =>
  status === 400 && Predicate.isRecord(body) && "message" in body && !("error" in body)
