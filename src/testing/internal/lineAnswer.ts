import * as LinePush from "./linePush.js"
import {
  type LineRequest,
  type LineResponse,
  mediaType,
  messageError,
  parametersInvalid,
  rateLimited
} from "./lineReply.js"
import { type LineState, withinRateLimit } from "./lineState.js"
import * as LineTokens from "./lineTokens.js"

/** LINE's answer to a request. It is synchronous, so that all changes to the state happen at one instant. */
export const answer = (state: LineState, request: LineRequest, now: number): LineResponse => {
  if (request.headers["x-line-retry-key"] !== undefined && !takesRetryKey.has(request.path)) {
    return messageError(400, "The retry key is not supported by this endpoint")
  }
  const name = `${request.method} ${request.path}`
  if (name === LinePush.endpoint) {
    return LinePush.push(state, request, now)
  }
  const endpoint = LineTokens.endpoints.get(name)
  if (endpoint === undefined) {
    return messageError(404, "Not found")
  }
  if (request.method === "POST" && mediaType(request) !== "application/x-www-form-urlencoded") {
    return parametersInvalid
  }
  const fields = LineTokens.parseFields(request.method === "POST" ? request.body : request.query)
  const channel = LineTokens.claimedChannel(state, fields)
  if (channel !== undefined && !withinRateLimit(state, channel, name, now)) {
    return rateLimited
  }
  return endpoint(state, fields, now)
}

/** The paths that accept a retry key. LINE refuses one anywhere else. Only the first of them is emulated. */
const takesRetryKey = new Set([
  "/v2/bot/message/push",
  "/v2/bot/message/multicast",
  "/v2/bot/message/narrowcast",
  "/v2/bot/message/broadcast"
])
