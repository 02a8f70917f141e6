/**
 * LINE's message objects, and those of LINE's limits on a push that can be checked without LINE.
 *
 * @since 0.1.0
 */
import * as Predicate from "effect/Predicate"

/**
 * A message object of LINE's, of any type: text, sticker, flex, ...
 *
 * @see LINE: Message objects
 * @since 0.1.0
 * @category models
 */
export interface Message {
  readonly type: string
  readonly [property: string]: unknown
}

/**
 * A text message, of at most 5000 characters.
 *
 * @since 0.1.0
 * @category constructors
 */
export const text = (text: string): Message => ({ type: "text", text })

/**
 * What LINE would refuse in a push, if anything.
 *
 * @internal
 */
export const wrong = (
  to: string,
  messages: ReadonlyArray<Message>,
  customAggregationUnits: ReadonlyArray<string>
): string | undefined => wrongRecipient(to) ?? wrongMessages(messages) ?? wrongUnits(customAggregationUnits)

const wrongRecipient = (to: string): string | undefined =>
  typeof to === "string" && to !== "" ? undefined : "to must be the id of a user, a group or a room"

const wrongMessages = (messages: ReadonlyArray<Message>): string | undefined =>
  messages.length < 1 || messages.length > 5
    ? `a push has 1 to 5 messages, not ${messages.length}`
    : messages.map(wrongMessage).find(Predicate.isNotUndefined)

/** In UTF-16 code units, as LINE counts. */
const maxTextLength = 5000

const wrongMessage = (message: Message, index: number): string | undefined => {
  if (!Predicate.isRecord(message) || typeof message.type !== "string" || message.type === "") {
    return `messages[${index}] must have a type`
  }
  const { type, text } = message
  if (type !== "text" && type !== "textV2") {
    return undefined
  }
  return typeof text === "string" && text.length >= 1 && text.length <= maxTextLength
    ? undefined
    : `messages[${index}].text must have 1 to ${maxTextLength} characters`
}

const wrongUnits = (units: ReadonlyArray<string>): string | undefined =>
  units.length <= 1 && units.every((unit) => /^[A-Za-z0-9_]{1,30}$/.test(unit))
    ? undefined
    : "customAggregationUnits must be at most one, of 1 to 30 letters, digits and _"
