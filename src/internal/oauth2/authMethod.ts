import * as Encoding from "effect/Encoding"
import * as oauth from "oauth4webapi"
import type { Server, ServerMetadata } from "./server.js"

/**
 * Where the secret of a client is sent:
 *
 * - `client_secret_basic`: in the `Authorization` header, both parts encoded as in a form (RFC 6749 section 2.3.1)
 * - `client_secret_basic_raw`: in the same header, as they are, for servers that do not decode them
 * - `client_secret_post`: in the form
 *
 * @since 0.1.0
 * @category models
 */
export type SecretMethod = "client_secret_basic" | "client_secret_basic_raw" | "client_secret_post"

/** All ways to send a secret. */
export const secretMethods: ReadonlyArray<SecretMethod> = [
  "client_secret_basic",
  "client_secret_basic_raw",
  "client_secret_post"
]

/** Whether a text is one of the ways to send a secret: callers may be written in JavaScript. */
export const isSecretMethod = (method: string): method is SecretMethod =>
  secretMethods.some((secretMethod) => secretMethod === method)

/** How a client authenticates (RFC 7591 section 2), and `client_secret_basic_raw`. */
export type AuthMethod = SecretMethod | "private_key_jwt" | "tls_client_auth" | "none"

/** Authenticates with a secret. */
export const bySecret = (method: SecretMethod, secret: string): oauth.ClientAuth =>
  method === "client_secret_post"
    ? oauth.ClientSecretPost(secret)
    : byHeader(secret, method === "client_secret_basic" ? formEncoded : (text) => text)

// The library's own encodes `-`, `_`, `.` and `~` as well, which a server that does not decode takes for another client.
const byHeader =
  (secret: string, encoded: (text: string) => string): oauth.ClientAuth =>
  (_server, { client_id }, _body, headers) => {
    headers.set("authorization", `Basic ${Encoding.encodeBase64(`${encoded(client_id)}:${encoded(secret)}`)}`)
  }

const formEncoded = (text: string): string => new URLSearchParams({ "": text }).toString().slice(1)

/** Gives the method for a secret that a server supports. Servers that do not say support basic (RFC 8414 section 2). */
export const methodFor = (server: Server | ServerMetadata): SecretMethod => {
  const supported = "metadata" in server ? server.metadata.token_endpoint_auth_methods_supported : undefined
  return Array.isArray(supported) &&
    supported.includes("client_secret_post") &&
    !supported.includes("client_secret_basic")
    ? "client_secret_post"
    : "client_secret_basic"
}

/** Says what to do about a server that does not accept who the client says it is. */
export const advice = (method: AuthMethod): string => {
  switch (method) {
    case "private_key_jwt":
      return "The client signed an assertion (private_key_jwt). Check its id, and that the server has its public key under this keyId."
    case "tls_client_auth":
      return "The client relied on its certificate (tls_client_auth). Check its id, and the certificate of the HttpClient."
    case "none":
      return "The client sent no credentials (none). Check its id, and whether the server expects a secret or a key."
    default:
      return `The secret was sent by ${method}. Check the client id and the secret, or try authMethod: "${next[method]}".`
  }
}

const next: Record<SecretMethod, SecretMethod> = {
  client_secret_basic: "client_secret_post",
  client_secret_post: "client_secret_basic_raw",
  client_secret_basic_raw: "client_secret_basic"
}
