/**
 * Where LINE's API is.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Either from "effect/Either"
import * as Url from "../http/url.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface ApiOptions {
  /**
   * Where LINE's API is: https, or http on loopback; a path before LINE's own is kept. Default: `https://api.line.me`.
   */
  readonly baseUrl?: string | undefined
}

/** @internal */
export const defaultBaseUrl = "https://api.line.me"

/** @internal */
export const checkBaseUrl = "Check the base URL (LINE_API_BASE_URL)."

/** @internal */
export const invalidBaseUrl = `the base URL must be https, or http on loopback, without user, query or fragment, such as ${defaultBaseUrl}`

/**
 * A base URL without its trailing slashes, or what is wrong with it, which does not quote it.
 *
 * @internal
 */
export const parseBaseUrl = (text: string): Either.Either<string, string> => {
  const url = Url.parseBaseUrl(text)
  return url === undefined
    ? Either.left(invalidBaseUrl)
    : Either.right(`${url.origin}${url.pathname.replace(/\/+$/, "")}`)
}

/**
 * A variable's text without the space around it. Empty counts as missing: that is what tools make of a variable that is
 * not set.
 *
 * It has no name: only `Config.nested` around all of a variable's config has the name in each of its errors.
 *
 * @internal
 */
export const notEmpty: Config.Config<string> = Config.mapOrFail(Config.string(), (text) =>
  text.trim() === ""
    ? Either.left(ConfigError.MissingData([], "Expected it not to be empty"))
    : Either.right(text.trim())
)

/**
 * `LINE_API_BASE_URL`, or LINE's own.
 *
 * @internal
 */
export const baseUrlConfig: Config.Config<string> = notEmpty.pipe(
  Config.mapOrFail((url) => Either.mapLeft(parseBaseUrl(url), (message) => ConfigError.InvalidData([], message))),
  Config.nested("LINE_API_BASE_URL"),
  Config.withDefault(defaultBaseUrl)
)
