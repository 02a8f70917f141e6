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

/**
 * Whether an HTTP header can carry a token. An API would never see any other one: clients refuse to send it, and some
 * print it when they do.
 */
export const fitsHeader = (token: string): boolean => /^[\x20-\x7e]+$/.test(token)

/** Cleans a text, and shortens it to {@link maxTextLength} characters, the last of which is then an ellipsis. */
export const cut = (text: string): string => {
  const cleaned = clean(text.slice(0, maxTextLength + 1))
  return cleaned.length <= maxTextLength ? cleaned : `${cleaned.slice(0, maxTextLength - 1)}…`
}

/**
 * Leaves out of a text each piece of a secret that has 8 letters and digits or more, whatever stands between them and in
 * whatever case they are: somebody who was sent the secret repeats it. A secret of fewer than 4 is none.
 */
export const withoutEchoes = (text: string, secrets: Iterable<string>): string => {
  const letters = Array.from(text.matchAll(/[A-Za-z0-9]/g))
  const all = letters.join("").toLowerCase()
  const pieces = new Set(Array.from(secrets, piecesOf).flat())
  const isEcho = new Array<boolean>(letters.length).fill(false)
  for (const size of new Set(Array.from(pieces, ({ length }) => length))) {
    for (let start = 0; start + size <= all.length; start++) {
      if (pieces.has(all.slice(start, start + size))) {
        isEcho.fill(true, start, start + size)
      }
    }
  }
  let kept = ""
  let end = 0
  letters.forEach(({ index }, position) => {
    if (isEcho[position]) {
      kept += isEcho[position - 1] ? "" : `${text.slice(end, index)}…`
      end = index + 1
    }
  })
  return kept + text.slice(end)
}

const piecesOf = (secret: string): ReadonlyArray<string> => {
  const letters = secret.replace(/[^A-Za-z0-9]/g, "").toLowerCase()
  const size = Math.min(letters.length, 8)
  return size < 4
    ? []
    : Array.from({ length: letters.length - size + 1 }, (_, start) => letters.slice(start, start + size))
}
