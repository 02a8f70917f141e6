/**
 * Parses the URL of an endpoint that secrets are sent to: https, or http on loopback, without a user, a password or a
 * fragment. Any other text gives `undefined`.
 */
export const parseEndpoint = (text: string): URL | undefined => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url !== undefined && isSecure(url) && `${url.username}${url.password}${url.hash}` === "" ? url : undefined
}

/** Parses a URL that paths are appended to: the same as {@link parseEndpoint}, and without a query. */
export const parseBaseUrl = (text: string): URL | undefined => {
  const url = parseEndpoint(text)
  return url?.search === "" ? url : undefined
}

/**
 * Whether secrets may be sent to an endpoint because an issuer names it. An issuer on loopback may name what may be
 * configured; any other one names an endpoint over https that is neither this machine nor its link, where it could reach
 * what nobody outside can.
 */
export const mayBeNamedBy = (issuer: URL, endpoint: string): boolean => {
  const url = parseEndpoint(endpoint)
  return url !== undefined && (isLoopback(issuer.hostname) || (url.protocol === "https:" && !isLocal(url.hostname)))
}

const isLocal = (hostname: string): boolean =>
  isLoopback(hostname) ||
  /^(0\.|169\.254\.|\[::\]$|\[fe[89ab]|\[::ffff:)/.test(hostname) ||
  hostname.endsWith(".localhost")

/** Whether nobody on the way reads what is sent to an origin: it is https, or http on loopback. */
export const isSecureOrigin = (origin: string): boolean => isSecure(new URL(origin))

const isSecure = ({ hostname, protocol }: URL): boolean =>
  protocol === "https:" || (protocol === "http:" && isLoopback(hostname))

/** The names and addresses whose traffic never leaves this machine. */
const isLoopback = (hostname: string): boolean => /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)
