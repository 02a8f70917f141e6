/** The most characters that a text from outside keeps in a message, on the status page, or in a log. */
export const maxTextLength = 200

/**
 * Control characters (C0, DEL and C1), line separators, and those that change the direction of text: in a terminal or a
 * log they could move the cursor, begin a line of their own, or show a text as another.
 */
const controls = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu

/** True if a text holds characters that {@link clean} replaces. */
export const hasControls = (text: string): boolean => text.search(controls) >= 0

/** Replaces each control character by a visible mark. */
export const clean = (text: string): string => text.replace(controls, "\u{fffd}")

/** Cleans a text, and shortens it to {@link maxTextLength} characters, the last of which is then an ellipsis. */
export const cut = (text: string): string => {
  const cleaned = clean(text.slice(0, maxTextLength + 1))
  return cleaned.length <= maxTextLength ? cleaned : `${cleaned.slice(0, maxTextLength - 1)}…`
}
