import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Either from "effect/Either"
import type * as Redacted from "effect/Redacted"
import * as Api from "./api.js"
import * as SigningKey from "./signingKey.js"

/**
 * The text of a variable without the white space around it. An empty one counts as missing: tools set a variable to an
 * empty text where they have no value for it.
 *
 * It has no name: `Config.nested` has to be around all that a variable goes through, or its errors do not name it.
 */
const nonEmptyText: Config.Config<string> = Config.mapOrFail(Config.string(), (text) =>
  text.trim() === ""
    ? Either.left(ConfigError.MissingData([], "Expected it not to be empty"))
    : Either.right(text.trim())
)

const channelId = Config.nested(nonEmptyText, "LINE_CHANNEL_ID")

/** `LINE_CHANNEL_SECRET`. */
export const channelSecret: Config.Config<Redacted.Redacted<string>> = Config.redacted(
  Config.nested(nonEmptyText, "LINE_CHANNEL_SECRET")
)

const privateKey = Config.redacted(nonEmptyText).pipe(
  Config.mapOrFail((key) =>
    Either.mapBoth(SigningKey.parse(key), {
      onLeft: ({ message }) => ConfigError.InvalidData([], message),
      onRight: () => key
    })
  ),
  Config.nested("LINE_PRIVATE_KEY")
)

/** `LINE_API_BASE_URL`, or the URL of LINE's own API where it is not set. */
export const baseUrl: Config.Config<string> = nonEmptyText.pipe(
  Config.mapOrFail((url) => Either.mapLeft(Api.parseBaseUrl(url), (message) => ConfigError.InvalidData([], message))),
  Config.nested("LINE_API_BASE_URL"),
  Config.withDefault(Api.defaultBaseUrl)
)

/** What a channel with a secret is configured with. */
export const secretOptions = Config.all({ channelId, channelSecret, baseUrl })

/** What a channel with an assertion signing key is configured with. */
export const assertionOptions = Config.all({
  channelId,
  keyId: Config.nested(nonEmptyText, "LINE_KEY_ID"),
  privateKey,
  baseUrl
})
