import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

export type Token = Redacted.Redacted<string>

/** The refresh tokens of one login that a process knows. */
export interface RefreshTokens {
  /** What was loaded last. */
  readonly loaded: Token
  /** The token to use: the loaded one, or what the server has replaced it with since. */
  readonly current: Token
  /** Tokens that the current one has replaced: the first of the login, and the last few. */
  readonly spent: ReadonlyArray<Token>
  /** Whether the current one still has to be persisted. */
  readonly unsaved: boolean
}

/** What processes share of the refresh tokens of a login. */
export type Stored = Pick<RefreshTokens, "current" | "spent">

/** A login's first token. */
export const login = (token: Token): RefreshTokens => ({ loaded: token, current: token, spent: [], unsaved: false })

/**
 * After a token has been loaded. A new one begins a new login. The one that was loaded before changes nothing: where it
 * comes from is a constant, or has not been updated yet.
 */
export const onLoad = (tokens: RefreshTokens | undefined, loaded: Token): RefreshTokens =>
  tokens !== undefined && isSame(loaded, tokens.loaded) ? tokens : login(loaded)

/** After the server has replaced the current token. */
export const replace = (tokens: RefreshTokens, next: Token): RefreshTokens => {
  const [first, ...rest] = [...tokens.spent, tokens.current]
  return { ...tokens, current: next, spent: first === undefined ? [] : [first, ...rest.slice(-4)], unsaved: true }
}

/**
 * Takes over what other processes have stored, if it belongs to the same login: if one of the tokens known here is among
 * theirs. A current token that could not be persisted is kept, unless they know it: it is newer than theirs.
 */
export const mergeStored = (tokens: RefreshTokens, stored: Option.Option<Stored>): RefreshTokens => {
  if (Option.isNone(stored)) {
    return tokens
  }
  const { current, spent } = stored.value
  const isStored = (token: Token) => [current, ...spent].some((other) => isSame(token, other))
  const isSameLogin = [tokens.current, ...tokens.spent].some(isStored)
  const isNewerHere = tokens.unsaved && !isStored(tokens.current)
  return isSameLogin && !isNewerHere
    ? { ...tokens, current, spent, unsaved: tokens.unsaved && isSame(tokens.current, current) }
    : tokens
}

/** Whether two tokens are the same text. */
export const isSame = (one: Token, other: Token): boolean => Redacted.value(one) === Redacted.value(other)
