/** What an issuer answers, as OAuth has it. */
export interface Answer {
  readonly accessToken: string
  /** In seconds. */
  readonly expiresIn: number
}

export type Issue = () => Promise<Answer>

export type Behaviour = "answers" | "hangs" | "fails"

export interface Issuer {
  readonly issue: Issue
  readonly becomes: (behaviour: Behaviour) => void
  /** How often `issue` was called since the last `reset`. */
  readonly issues: () => number
  readonly reset: () => void
  /** Whether it issued this token and the token has run out. */
  readonly isExpired: (token: string) => boolean
  /** Whether this is a failure of this issuer. */
  readonly threw: (error: unknown) => boolean
}

export interface IssuerOptions {
  /** Of its tokens, in seconds. */
  readonly lifetime: number
  /** How long an answer takes, in milliseconds; 0 for at once. */
  readonly delay: number
}

const tokenLength = 180

/** An issuer that counts its calls and knows which of its tokens have expired. */
export const make = ({ delay, lifetime }: IssuerOptions): Issuer => {
  const expiries = new Map<string, number>()
  const errors = new WeakSet<Error>()
  let behaviour: Behaviour = "answers"
  let issues = 0
  return {
    issue: async () => {
      issues++
      const accessToken = `token-${expiries.size}-`.padEnd(tokenLength, "x")
      expiries.set(accessToken, Date.now() + lifetime * 1000)
      if (delay > 0) await sleep(delay)
      if (behaviour === "hangs") await new Promise(() => {})
      if (behaviour === "fails") {
        await new Promise((resolve) => setImmediate(resolve))
        const error = new Error("the issuer is down")
        errors.add(error)
        throw error
      }
      return { accessToken, expiresIn: lifetime }
    },
    becomes: (next) => {
      behaviour = next
    },
    issues: () => issues,
    reset: () => {
      issues = 0
    },
    isExpired: (token) => Date.now() >= (expiries.get(token) ?? Number.POSITIVE_INFINITY),
    threw: (error) => error instanceof Error && errors.has(error)
  }
}

export const sleep = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis))
