/**
 * The errors of this library: why an issuer gave no token, why a reader got none, and which option cannot work.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import { cut } from "./internal/text.js"

/**
 * Why an attempt to issue a token failed, in one word:
 *
 * - `Unreachable`: there was no answer, or the issuer said that it is in trouble (5xx, 408)
 * - `Rejected`: the issuer understood the request and refused it, for example because the secret is wrong
 * - `Throttled`: the issuer asked for fewer requests (429)
 * - `InvalidResponse`: the answer holds no token that can be used
 * - `Timeout`: the attempt took longer than the `issueTimeout` of its source
 * - `Defect`: the `issue` effect died, threw an exception, or interrupted itself
 *
 * @since 0.1.0
 * @category models
 */
export type IssueErrorReason = "Unreachable" | "Rejected" | "Throttled" | "InvalidResponse" | "Timeout" | "Defect"

/**
 * An attempt to issue a token failed. Let an `issue` effect of your own fail with this error if it knows the reason.
 * Any other error counts as `Unreachable`, and the cache keeps only its tag or name.
 *
 * The error never holds a request, a response or a secret. `message` and `advice` are cut at 200 characters. So it is
 * safe to log, as long as you put no secret into it yourself.
 *
 * @example
 * ```ts
 * import { Duration } from "effect"
 * import { IssueError } from "effect-token-cache"
 *
 * new IssueError({ reason: "Throttled", status: 429, retryAfter: Duration.seconds(20) })
 * ```
 *
 * @since 0.1.0
 * @category errors
 */
export class IssueError extends /* @__PURE__ */ Data.TaggedError("IssueError")<{
  /** Why the attempt failed, in one word. */
  readonly reason: IssueErrorReason
  /** Why the attempt failed, in a few words and at most 200 characters. */
  readonly message: string
  /**
   * Whether trying again is pointless until somebody changes the configuration. If it is `true`, the default policy
   * waits for `maxRetryAfter` before the next attempt.
   */
  readonly permanent: boolean
  /** The HTTP status of the issuer's answer, if there was one. */
  readonly status?: number | undefined
  /** The error code that the issuer gave, for example `invalid_client` (RFC 6749 section 5.2). */
  readonly code?: string | undefined
  /**
   * How long the issuer asked to wait before the next request (RFC 9110 section 10.2.3). The cache waits for an hour at
   * most.
   */
  readonly retryAfter?: Duration.Duration | undefined
  /** The id that the issuer gave to the request. Quote it when you ask the issuer's support. */
  readonly requestId?: string | undefined
  /** What to do about the failure, in a sentence such as "Check LINE_CHANNEL_ID and LINE_CHANNEL_SECRET". */
  readonly advice?: string | undefined
}> {
  constructor(options: {
    /** Why the attempt failed, in one word. */
    readonly reason: IssueErrorReason
    /**
     * Why the attempt failed, in a few words. It is cut at 200 characters. Default: made of `reason`, `status` and
     * `code`.
     */
    readonly message?: string | undefined
    /** Whether trying again is pointless until somebody changes the configuration. Default: `false`. */
    readonly permanent?: boolean | undefined
    /** The HTTP status of the issuer's answer. Default: none. */
    readonly status?: number | undefined
    /** The error code that the issuer gave, such as `invalid_client`. It must not be a secret. Default: none. */
    readonly code?: string | undefined
    /**
     * How long the cache has to wait before it tries again. An hour at most counts. Default: the policy of the source
     * decides.
     */
    readonly retryAfter?: Duration.DurationInput | undefined
    /** The id that the issuer gave to the request. It must not be a secret. Default: none. */
    readonly requestId?: string | undefined
    /** What to do about the failure. It is cut at 200 characters. Default: none. */
    readonly advice?: string | undefined
  }) {
    const { retryAfter, ...rest } = options
    super({
      ...rest,
      ...(retryAfter === undefined ? undefined : { retryAfter: Duration.decode(retryAfter) }),
      permanent: options.permanent ?? false,
      message: cut(options.message ?? describe(options)),
      ...(options.code === undefined ? undefined : { code: cut(options.code) }),
      ...(options.requestId === undefined ? undefined : { requestId: cut(options.requestId) }),
      ...(options.advice === undefined ? undefined : { advice: cut(options.advice) })
    })
  }
}

const describe = (error: {
  readonly reason: IssueErrorReason
  readonly status?: number | undefined
  readonly code?: string | undefined
}): string =>
  error.status === undefined && error.code === undefined
    ? descriptions[error.reason]
    : ["issuer answered", error.status, error.code].filter((part) => part !== undefined).join(" ")

const descriptions: Record<IssueErrorReason, string> = {
  Unreachable: "issuer unreachable",
  Rejected: "issuer refused",
  Throttled: "issuer asked to slow down",
  InvalidResponse: "issuer gave no usable token",
  Timeout: "issuer did not answer in time",
  Defect: "the issue effect failed unexpectedly"
}

/**
 * Why a reader got no token:
 *
 * - `UnknownName`: the cache has no token of this name
 * - `IssueFailed`: there is no usable token, and the last attempt to issue one failed
 * - `TimedOut`: there is no usable token yet, and the attempt has taken longer than the reader waits
 * - `Closed`: the layer or the registration that held the token is closed
 *
 * @since 0.1.0
 * @category models
 */
export type TokenUnavailableReason = "UnknownName" | "IssueFailed" | "TimedOut" | "Closed"

/**
 * The cache has no usable token to give. `message` says why, and what to do about it.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { TokenCache } from "effect-token-cache"
 *
 * const token = TokenCache.token("line").pipe(
 *   Effect.catchTag("TokenUnavailable", (error) =>
 *     error.reason === "IssueFailed" ? Effect.fail(error.lastError) : Effect.die(error)
 *   )
 * )
 * ```
 *
 * @since 0.1.0
 * @category errors
 */
export class TokenUnavailable extends /* @__PURE__ */ Data.TaggedError("TokenUnavailable")<{
  /** The name of the token that was asked for. */
  readonly token: string
  /** Why there is no token, in one word. */
  readonly reason: TokenUnavailableReason
  /** Why there is no token, and what to do about it, in a sentence that is safe to log. */
  readonly message: string
  /** Why the last attempt to issue the token failed. Absent if it did not. */
  readonly lastError?: IssueError | undefined
  /** When the next attempt starts, in epoch milliseconds. Absent while an attempt runs, and if there will be none. */
  readonly nextAttemptAt?: number | undefined
}> {}

/**
 * A source, a layer or a client was given an option that cannot work. The build of the layer fails with it before any
 * request.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidOptions extends /* @__PURE__ */ Data.TaggedError("InvalidOptions")<{
  /** The name of the token whose source has the option. Absent if the option belongs to a layer. */
  readonly token?: string | undefined
  /** The name of the option that has to change. */
  readonly option: string
  /** What the option must be. It quotes at most a number or a duration of the given value. */
  readonly message: string
}> {}
