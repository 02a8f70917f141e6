/** The most characters that a text from outside keeps in a message, on the status page, or in a log. */
export const maxTextLength = 200

/** Shortens a text to {@link maxTextLength} characters, the last of which is then an ellipsis. */
export const cut = (text: string): string =>
  text.length <= maxTextLength ? text : `${text.slice(0, maxTextLength - 1)}…`
