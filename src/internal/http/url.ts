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

const isSecure = ({ hostname, protocol }: URL): boolean =>
  protocol === "https:" || (protocol === "http:" && isLoopback(hostname))

/** The names and addresses whose traffic never leaves this machine. */
const isLoopback = (hostname: string): boolean => /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)
