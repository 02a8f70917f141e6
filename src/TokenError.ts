/**
 * Why an issuer gave no token, and why a reader got none.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import { cut } from "./internal/text.js"

/**
 * What went wrong, in one word:
 *
 * - `Unreachable`: no answer, or the issuer said that it is in trouble (5xx, 408)
 * - `Rejected`: the issuer understood and refused (wrong secret, unknown client)
 * - `Throttled`: the issuer asked for fewer requests (429)
 * - `InvalidResponse`: the answer holds no token that can be used
 * - `Timeout`: the attempt took longer than `issueTimeout`
 * - `Defect`: the `issue` effect died, threw, or interrupted itself
 *
 * @since 0.1.0
 * @category models
 */
export type IssueErrorReason = "Unreachable" | "Rejected" | "Throttled" | "InvalidResponse" | "Timeout" | "Defect"

/**
 * An attempt to issue a token failed. An `issue` effect fails with this error when it knows the reason; any other error
 * is taken as transient, and only its tag or name is kept.
 *
 * It never holds a request, a response or a secret, and `message` is cut at 200 characters: it is safe to log.
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
  readonly reason: IssueErrorReason
  readonly message: string
  /** True when trying again without a change of configuration is pointless; the cache then waits `maxRetryAfter`. */
  readonly permanent: boolean
  /** The HTTP status of the issuer's answer. */
  readonly status?: number | undefined
  /** The issuer's error code, for example `invalid_client` (RFC 6749 section 5.2). */
  readonly code?: string | undefined
  /** The issuer asked to wait this long. */
  readonly retryAfter?: Duration.Duration | undefined
  /** The issuer's id of the request, for its support. */
  readonly requestId?: string | undefined
  /** What to do about it, for example `Check LINE_CHANNEL_ID and LINE_CHANNEL_SECRET.` */
  readonly advice?: string | undefined
}> {
  constructor(options: {
    readonly reason: IssueErrorReason
    /** Default: made of `reason`, `status` and `code`. */
    readonly message?: string | undefined
    /** Default: `false`. */
    readonly permanent?: boolean | undefined
    readonly status?: number | undefined
    readonly code?: string | undefined
    readonly retryAfter?: Duration.DurationInput | undefined
    readonly requestId?: string | undefined
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
 * - `UnknownName`: no token of that name is registered
 * - `IssueFailed`: there is no usable token, and the last attempt failed
 * - `TimedOut`: there is no usable token, and the attempt took longer than the reader waits
 * - `Closed`: the layer that holds the token is closed
 *
 * @since 0.1.0
 * @category models
 */
export type TokenUnavailableReason = "UnknownName" | "IssueFailed" | "TimedOut" | "Closed"

/**
 * The cache has no token to give. `message` says why and what to do.
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
  /** The token's name. */
  readonly token: string
  readonly reason: TokenUnavailableReason
  readonly message: string
  /** Why the last attempt failed. */
  readonly lastError?: IssueError | undefined
  /** When the next attempt starts, in epoch milliseconds; absent while one runs. */
  readonly nextAttemptAt?: number | undefined
}> {}

/**
 * A source or the layer was given something that cannot work. It fails the build of the layer, before any request.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidOptions extends /* @__PURE__ */ Data.TaggedError("InvalidOptions")<{
  /** The token's name; absent when the layer's own options are wrong. */
  readonly token?: string | undefined
  /** The option that has to change. */
  readonly option: string
  readonly message: string
}> {}
