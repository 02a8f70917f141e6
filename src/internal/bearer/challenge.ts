/**
 * Whether a 401 says that its token is refused: its `WWW-Authenticate` names no error, or the error `invalid_token`. Any
 * other error of a `Bearer` or `DPoP` challenge, such as `insufficient_scope`, would be the same with a new token.
 *
 * @see RFC 6750 section 3, RFC 9449 section 7.1
 */
export const refusesToken = (wwwAuthenticate: string | null | undefined): boolean => {
  const errors = errorsOf(wwwAuthenticate ?? "")
  return errors.length === 0 || errors.includes("invalid_token")
}

/** A scheme, or a parameter with its value, as a token or in quotes. */
const part = /([\w!#$%&'*+.^`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?/g

const errorsOf = (challenges: string): ReadonlyArray<string> => {
  const errors: Array<string> = []
  let scheme = ""
  for (const [whole, name = "", quoted, plain] of challenges.matchAll(part)) {
    if (whole === name) {
      scheme = name.toLowerCase()
    } else if (name.toLowerCase() === "error" && (scheme === "bearer" || scheme === "dpop")) {
      errors.push(quoted ?? plain ?? "")
    }
  }
  return errors
}
