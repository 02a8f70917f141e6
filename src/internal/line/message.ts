import * as Predicate from "effect/Predicate"

/**
 * A LINE message object of any type, such as text, sticker or flex. Its properties are those that LINE documents for the
 * type; only its `type`, and the length of a text, are checked before it is sent.
 *
 * @see LINE: Message objects
 * @since 0.1.0
 * @category models
 */
export interface Message {
  /** The type of the message, for example `"text"`. */
  readonly type: string
  readonly [property: string]: unknown
}

/**
 * Makes a text message. The text must have 1 to 5000 characters.
 *
 * @since 0.1.0
 * @category constructors
 */
export const text = (text: string): Message => ({ type: "text", text })

/** Says why LINE would refuse a push, as far as that can be told without LINE; `undefined` if nothing is wrong. */
export const validate = (
  to: string,
  messages: ReadonlyArray<Message>,
  customAggregationUnits: ReadonlyArray<string>
): string | undefined => validateRecipient(to) ?? validateMessages(messages) ?? validateUnits(customAggregationUnits)

const validateRecipient = (to: string): string | undefined =>
  typeof to === "string" && to !== "" ? undefined : "to must be the id of a user, a group or a room"

const validateMessages = (messages: ReadonlyArray<Message>): string | undefined =>
  messages.length < 1 || messages.length > 5
    ? `a push has 1 to 5 messages, not ${messages.length}`
    : messages.map(validateMessage).find(Predicate.isNotUndefined)

/** In UTF-16 code units, which is how LINE counts. */
const maxTextLength = 5000

const validateMessage = (message: Message, index: number): string | undefined => {
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

const validateUnits = (units: ReadonlyArray<string>): string | undefined =>
  units.length <= 1 && units.every((unit) => /^[A-Za-z0-9_]{1,30}$/.test(unit))
    ? undefined
    : "customAggregationUnits must hold at most one unit, of 1 to 30 letters, digits and _"
