import type { Advice } from "../http/issuerError.js"
import * as AuthMethod from "./authMethod.js"

/** Says what to do about a refusal of a token request. */
export const advice =
  (grantType: string, method: AuthMethod.AuthMethod): Advice =>
  ({ code, status }) => ({
    advice:
      code === "invalid_grant" && grantType === "refresh_token"
        ? "The refresh token is expired, revoked, or used already: a new login is needed."
        : code === "invalid_client" || (code === undefined && status === 401)
          ? AuthMethod.advice(method)
          : (advices.get(code ?? "") ??
            (status === 404 || (status < 400 && code === undefined)
              ? "Check the token endpoint."
              : "Check the client and its options."))
  })

/** By the error codes of RFC 6749 section 5.2 and RFC 8707 section 2. */
const advices: ReadonlyMap<string, string> = new Map([
  ["invalid_grant", "Check the assertion or token that is the grant, its audience, and the clock of this machine."],
  ["unauthorized_client", "The client may not use this grant type: allow it at the server."],
  ["unsupported_grant_type", "The server does not offer this grant type: check the token endpoint and the grant type."],
  ["invalid_scope", "Check scope: the server does not know it, or does not grant it to this client."],
  ["invalid_target", "Check resource and audience: the server does not know them, or not for this client."],
  ["invalid_request", "Check scope, audience, resource and the further parameters."]
])
