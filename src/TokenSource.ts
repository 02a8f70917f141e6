/**
 * What a cache has to know about one token: how it is issued, and when.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import type { AccessToken, IssuedToken } from "./IssuedToken.js"
import type { IssueOutcome, RefreshPolicyOptions } from "./RefreshPolicy.js"

/**
 * Says how one token is issued, and when. Give it to `TokenCache.layer` under the name of the token, or give an
 * `Effect` that makes it, which is run once when the layer is built.
 *
 * `refreshBefore`, `retryAfter`, `maxRetryAfter` and `jitter` are the options of `RefreshPolicy.make`. An option that
 * cannot work fails the build of the layer with `InvalidOptions`.
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
   * Issues a token. It is run once for each attempt, in a scope of its own. Whatever it does, the cache goes on: if it
   * fails, hangs or dies, readers keep the current token while it is usable, and another attempt follows. Let it fail
   * with an `IssueError` if it knows the reason.
   */
  readonly issue: Effect.Effect<IssuedToken, E, R>
  /**
   * What issues the token, in a few words such as `"line stateless"`. Metrics, spans and the status page show it, so it
   * must not hold a secret. Default: none.
   */
  readonly issuer?: string | undefined
  /**
   * Whom the token is issued to, and for what. If there is a `TokenStore`, processes share the token of sources that
   * have the same name, `issuer` and `identity`. Default: none, so that the token is not shared.
   */
  readonly identity?: TokenIdentity | undefined
  /**
   * How long an attempt may take. After that it is interrupted and has failed with the reason `Timeout`, and whatever
   * it gives later is discarded. Default: 30 seconds.
   */
  readonly issueTimeout?: Duration.DurationInput | undefined
  /** The lifetime of a token whose issuer does not state one. Default: none, so that such a token is refused. */
  readonly defaultLifetime?: Duration.DurationInput | undefined
  /**
   * Decides when the next attempt starts, instead of `refreshBefore`, `retryAfter`, `maxRetryAfter` and `jitter`, which
   * must then be left out. It is stepped once for each attempt, with its outcome: after a success with the time just
   * before the request, after a failure with the time at its end. A report of a refused token that counts as a failure
   * is one more step. If it ends, dies or takes longer than a second, the default policy replaces it, and the log says
   * so. At least a second lies between two attempts whatever it says. Default: `RefreshPolicy.make` with those options.
   */
  readonly schedule?: Schedule.Schedule<unknown, IssueOutcome, R> | undefined
  /**
   * Revokes a token at its issuer. It is called with the last token when the cache or the registration closes, and may
   * take 5 seconds. If it fails, the log says so. It is not called for a token that is shared through a `TokenStore`,
   * because other processes use it. Default: none, so that the last token stays valid until it expires.
   */
  readonly revoke?: ((token: AccessToken) => Effect.Effect<unknown, unknown, R>) | undefined
}

/**
 * What tells a token apart from all others in a `TokenStore`, besides its name and its `issuer`. The store keeps only
 * hashes of it. It must not be a secret, and does not have to contain one: a token stays the same when a secret is
 * replaced.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenIdentity {
  /**
   * Whom the token is issued to, and by which server: the client or the account, and the address of the issuer. Tokens
   * with the same name, `issuer` and `client` are issued under one lease.
   */
  readonly client: string
  /** What is asked for, such as the scope and the audience. Default: nothing beyond the `client`. */
  readonly request?: string | undefined
}
