/**
 * How one token is issued.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import type { AccessToken, IssuedToken } from "./IssuedToken.js"
import type { IssueOutcome, RefreshPolicyOptions } from "./RefreshPolicy.js"

/**
 * How one token is issued, and when. A `TokenCache` layer takes a source, or an `Effect` that makes one and is run once
 * when the layer is built.
 *
 * `refreshBefore`, `retryAfter`, `maxRetryAfter` and `jitter` are the options of `RefreshPolicy.make`.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { IssuedToken, type TokenSource } from "effect-token-cache"
 *
 * const source: TokenSource.TokenSource = {
 *   issue: Effect.succeed(IssuedToken.make({ accessToken: "s3cr3t", expiresIn: "1 hour" })),
 *   refreshBefore: "5 minutes"
 * }
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenSource<out E = never, out R = never> extends RefreshPolicyOptions {
  /**
   * Issues a token; run once per attempt, in a scope of its own. Whatever it does (fail, hang, die), the cache goes on.
   * Fail with an `IssueError` where the reason is known.
   */
  readonly issue: Effect.Effect<IssuedToken, E, R>
  /** What issues the token, in a few words for metrics, spans and the status page: `"line stateless"`. Default: none. */
  readonly issuer?: string | undefined
  /**
   * What the token depends on, for a `TokenStore`: processes whose source of this name has the same `issuer` and identity
   * share one token. Default: none, the token is not shared.
   */
  readonly identity?: TokenIdentity | undefined
  /** How long an attempt may take. Default: 30 seconds. */
  readonly issueTimeout?: Duration.DurationInput | undefined
  /** The lifetime of a token that is issued without one. Default: none, such a token is refused. */
  readonly defaultLifetime?: Duration.DurationInput | undefined
  /**
   * Decides when the next attempt starts, in place of the policy options. It is stepped once per attempt with the outcome,
   * at the clock before the request of an attempt that succeeded and at the end of one that failed, and with a failure for
   * a refused token that counts as one. If it ends, dies or takes over a second, the default policy replaces it.
   */
  readonly schedule?: Schedule.Schedule<unknown, IssueOutcome, R> | undefined
  /**
   * Called with the last token when the cache or the registration closes, for at most 5 seconds; a failure is logged. Not
   * for a token that is in a `TokenStore`, which others use. Default: tokens are left to expire.
   */
  readonly revoke?: ((token: AccessToken) => Effect.Effect<unknown, unknown, R>) | undefined
}

/**
 * Only hashes of it are stored.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenIdentity {
  /** Whom the token is issued to, and where: the client or account, and the address of the issuer. */
  readonly client: string
  /** What is asked for, such as scope and audience. Default: the client alone makes the identity. */
  readonly request?: string | undefined
}
