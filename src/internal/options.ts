import * as Duration from "effect/Duration"
import * as Redacted from "effect/Redacted"
import { InvalidOptions } from "../TokenError.js"

/** What is wrong with a duration, if anything is; `undefined` stands for the default and is fine. */
export const invalidDuration = (option: string, value: unknown, token?: string): InvalidOptions | undefined => {
  if (value === undefined) {
    return undefined
  }
  const duration = Duration.decodeUnknown(value)
  return duration._tag === "Some" && Duration.isFinite(duration.value) && Duration.greaterThan(duration.value, 0)
    ? undefined
    : new InvalidOptions({
        token,
        option,
        message: `${option} must be a finite duration of more than 0, such as "30 seconds", not ${
          duration._tag === "Some" ? Duration.format(duration.value) : "that"
        }`
      })
}

/** What is wrong with a number of things, if anything is. */
export const invalidCount = (option: string, count: number): InvalidOptions | undefined =>
  Number.isInteger(count) && count > 0
    ? undefined
    : new InvalidOptions({ option, message: `${option} must be a whole number of at least 1, not ${count}` })

/** True for everything but a string that holds more than white space: callers may be written in JavaScript. */
export const isBlank = (value: unknown): boolean => typeof value !== "string" || value.trim() === ""

/** Wraps a secret that was given as it is. */
export const redacted = <A>(value: A | Redacted.Redacted<A>): Redacted.Redacted<A> =>
  isRedacted(value) ? value : Redacted.make(value)

const isRedacted = <A>(value: A | Redacted.Redacted<A>): value is Redacted.Redacted<A> => Redacted.isRedacted(value)
