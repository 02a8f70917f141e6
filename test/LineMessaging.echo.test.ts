import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { LineMessaging, TokenCache } from "effect-token-cache"
import { print } from "./support/exposure.js"
import { fakeHttp, json } from "./support/fakeHttp.js"

/** As long as LINE's short-lived tokens, and shorter than the words that are left out whatever they are. */
const tokens = {
  "a long token":
    "W1TeHCgfH2Liwa/2QGnXqQkVmdDKbUX5xk3zJTZbyTQ0fVbvY9nNZr+oxWlGpE7c/HhWjJ0hVtYxQfbQSjHbXQdB04t89/1O/w1cDnyilFU=",
  "a short token": "canary0token1234567890abc"
}

const parts = (text: string, size: number) => text.match(new RegExp(`.{1,${size}}`, "gs")) ?? []

/** The ways in which an answer can repeat the `Authorization` header that it was sent. */
const echoes: Record<string, (header: string) => unknown> = {
  "whole, in the message": (header) => ({ message: `refused: ${header}` }),
  "in quotes": (header) => ({ message: `refused: "${header}", sorry` }),
  "in a detail": (header) => ({ message: "no", details: [{ property: header, message: header }] }),
  "in pieces": (header) => ({ message: `refused: ${parts(header, 12).join(" ")}` }),
  "in pieces, each a detail": (header) => ({
    message: "no",
    details: parts(header, 10).map((message) => ({ message }))
  }),
  "in part": (header) => ({ message: `refused: ${header.slice(0, 20)}...` }),
  "in its second half": (header) => ({ message: `refused: ...${header.slice(header.length / 2)}` }),
  "in one letter after the other": (header) => ({ message: `refused: ${[...header].join("-")}` }),
  "with control characters in between": (header) => ({ message: parts(header, 6).join("\u0000\u001b\n") }),
  "with invisible characters in between": (header) => ({ message: parts(header, 3).join("\u200b\u202e") }),
  "in capitals": (header) => ({ message: header.toUpperCase() }),
  "percent-encoded": (header) => ({ message: encodeURIComponent(header) }),
  "where the message is cut": (header) => ({ message: `${"so it goes ".repeat(15)}${header}` })
}

/** What is left of a text when all that can stand between the letters of a token is taken away. */
const letters = (text: string) => text.replace(/[^A-Za-z0-9]/g, "").toLowerCase()

/** The pieces of the token, of 8 letters, that are in a text. */
const piecesIn = (token: string, text: string) => {
  const all = letters(token)
  const pieces = Array.from({ length: all.length - 7 }, (_, index) => all.slice(index, index + 8))
  return pieces.filter((piece) => letters(text).includes(piece))
}

const failed = (token: string, answer: (header: string) => unknown) =>
  LineMessaging.push("line", "U4af4980629", LineMessaging.text("hi"), { baseUrl: "https://line.example" }).pipe(
    Effect.flip,
    Effect.provide(TokenCache.layerTest({ line: token })),
    Effect.provide(fakeHttp(({ headers }) => json(answer(headers.authorization ?? ""), { status: 400 })).layer)
  )

describe("a push that LINE refuses with an echo of the token", () => {
  for (const [kind, token] of Object.entries(tokens)) {
    for (const [how, answer] of Object.entries(echoes)) {
      it.effect(`shows nothing of ${kind}, repeated ${how}`, () =>
        Effect.gen(function* () {
          const error = yield* failed(token, answer)
          assert.deepInclude(error, { _tag: "PushError", reason: "Rejected", status: 400 })
          assert.match(error.message, /^LINE answered 400: /)
          assert.isAtMost(error.message.length, 200)
          // biome-ignore lint/suspicious/noControlCharactersInRegex: these are looked for.
          assert.notMatch(error.message, /[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/)
          assert.deepStrictEqual(piecesIn(token, print(error)), [])
        })
      )
    }
  }

  it.effect("keeps the rest of LINE's text", () =>
    Effect.gen(function* () {
      const error = yield* failed(tokens["a short token"], (header) => ({
        message: "The request body has 1 error(s)",
        details: [{ property: "messages[0].text", message: `May not be ${header} today` }]
      }))
      assert.strictEqual(
        error.message,
        "LINE answered 400: The request body has 1 error(s); messages[0].text May not be Bearer … today"
      )
    })
  )
})
