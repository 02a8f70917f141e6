/**
 * The path of a URL or of a request target. It always begins with a slash, so it is never the name of a property that
 * every object has.
 */
export const pathOf = (url: string): string => {
  const path = url.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, "").replace(/[?#].*$/s, "")
  return path.startsWith("/") ? path : `/${path}`
}

/** Takes the prefix off a path. What is outside the prefix becomes a path that is no route. */
export const withoutPrefix = (path: string, prefix: string): string =>
  path === prefix ? "/" : path.startsWith(`${prefix}/`) ? path.slice(prefix.length) : "/outside"

/** What the links on the page begin with: a browser resolves them against the directory of the page's address. */
export const baseOf = (originalUrl: string): string => {
  const path = pathOf(originalUrl)
  return path.endsWith("/") ? "./" : `./${path.slice(path.lastIndexOf("/") + 1)}/`
}
