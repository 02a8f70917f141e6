import { inspect } from "node:util"
import { HttpClient, HttpClientError, HttpClientRequest } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Layer, Redacted } from "effect"
import { BearerClient, IssueError, LineChannel, OAuth2, TokenCache } from "effect-token-cache"

const throwing = (): never => {
  throw throwing
}

const getters = Object.defineProperties(new Error("x"), {
  _tag: { get: throwing },
  name: { get: throwing },
  message: { get: throwing }
})

const proxy = new Proxy(
  {},
  { get: throwing, has: throwing, getPrototypeOf: throwing, ownKeys: throwing, getOwnPropertyDescriptor: throwing }
)

/** What an issue effect fails with, what is seen of it, and its reason. */
const failures: ReadonlyArray<readonly [string, unknown, IssueError["reason"]]> = [
  ["an error whose getters throw", getters, "Unreachable"],
  // Effect itself looks at what it fails with.
  ["a proxy that throws", proxy, "Defect"],
  ["nothing", undefined, "Unreachable"],
  ["a name that is a text", Object.assign(new Error(), { name: "Bearer s3cr3t and more" }), "Unreachable"],
  ["a reason of Object.prototype", { _tag: "IssueError", reason: "constructor", message: "m" }, "Defect"],
  ["a message that is none", { _tag: "IssueError", reason: "Rejected", message: { s3cr3t: 1 } }, "Defect"],
  [
    "an IssueError whose getters throw",
    {
      _tag: "IssueError",
      get reason() {
        return throwing()
      }
    },
    "Defect"
  ],
  [
    "an IssueError with other fields",
    {
      _tag: "IssueError",
      reason: "Rejected",
      message: "m",
      status: "s3cr3t",
      code: {},
      retryAfter: "s3cr3t",
      permanent: "s3cr3t"
    },
    "Rejected"
  ]
]

describe("an issue effect", () => {
  it.effect.each(failures)("that fails with %s", ([, error, reason]) =>
    Effect.gen(function* () {
      const { lastError } = yield* Effect.flip(TokenCache.token("line"))
      assert.strictEqual(lastError?.reason, reason)
      assert.notInclude(inspect(lastError, { depth: 9 }), "s3cr3t")
    }).pipe(Effect.provide(TokenCache.layer({ line: { issue: Effect.suspend(() => Effect.fail(error)) } })))
  )

  it.effect.each(failures)("that dies of %s", ([, error]) =>
    Effect.gen(function* () {
      const { lastError } = yield* Effect.flip(TokenCache.token("line"))
      assert.strictEqual(lastError?.reason, "Defect")
      assert.notInclude(inspect(lastError, { depth: 9 }), "s3cr3t")
    }).pipe(Effect.provide(TokenCache.layer({ line: { issue: Effect.suspend(() => Effect.die(error)) } })))
  )
})

describe("a text of somebody else's", () => {
  const evil = "a\u001b[2Jb\nc\u0085d\u202ee\u2066f\u2028g"
  const shown = "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d\u{fffd}e\u{fffd}f\u{fffd}g"

  it("holds no control character in an IssueError", () => {
    const error = new IssueError({ reason: "Rejected", message: evil, code: evil, requestId: evil, advice: evil })
    const { advice, code, message, requestId } = error
    assert.deepStrictEqual([message, code, requestId, advice], [shown, shown, shown, shown])
  })

  it.effect("holds none in a TokenUnavailable", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(TokenCache.token(evil))
      assert.strictEqual(error.token, shown)
      assert.include(error.message, shown)
      assert.notInclude(error.message, evil)
    }).pipe(Effect.provide(TokenCache.layerTest({ line: "t" })))
  )

  it.effect("is no name of a token, and no issuer", () =>
    Effect.gen(function* () {
      const issue = Effect.succeed({ accessToken: Redacted.make("t"), expiresIn: Duration.hours(1) })
      const build = (name: string, issuer: string) =>
        Effect.flip(Effect.scoped(Layer.build(TokenCache.layer({ [name]: { issue, issuer } }))))
      assert.deepInclude(yield* build(evil, "bank"), { _tag: "InvalidOptions", option: "name", token: shown })
      assert.deepInclude(yield* build("line", evil), { _tag: "InvalidOptions", option: "issuer" })
    })
  )
})

describe("an HTTP client that dies with the request", () => {
  /** Dies with all that it was sent, in each way that an error can hold it. */
  const dying = Layer.succeed(
    HttpClient.HttpClient,
    HttpClient.make((request, url) =>
      Effect.die(
        Object.assign(new TypeError(`cannot send ${url} ${JSON.stringify(request.headers)}`), {
          request,
          cause: new HttpClientError.RequestError({ request, reason: "Transport", description: String(url) })
        })
      )
    )
  )

  const secret = "c4n4ry-s3cr3t"

  const leaks = (exit: Exit.Exit<unknown, unknown>): boolean =>
    Exit.isSuccess(exit) ||
    [inspect(exit, { depth: Infinity, showHidden: true }), Cause.pretty(exit.cause, { renderErrorCause: true })].some(
      (text) => text.includes(secret)
    )

  const effects: Readonly<Record<string, Effect.Effect<unknown, unknown, HttpClient.HttpClient>>> = {
    "LineChannel.verifyV21": LineChannel.verifyV21({ accessToken: secret }),
    "LineChannel.revokeV21": LineChannel.revokeV21({ channelId: "1", channelSecret: secret, accessToken: secret }),
    "LineChannel.stateless": LineChannel.stateless({ channelId: "1", channelSecret: secret }).issue,
    "OAuth2.clientCredentials": Effect.flatMap(
      OAuth2.clientCredentials({
        server: { issuer: "https://issuer.example", tokenEndpoint: "https://issuer.example/token" },
        clientId: "c",
        clientSecret: secret
      }),
      ({ issue }) => issue
    ),
    BearerClient: Effect.gen(function* () {
      const client = yield* BearerClient.make("api", { origins: ["https://api.example.com"] })
      return yield* client.execute(HttpClientRequest.get("https://api.example.com/"))
    }).pipe(Effect.provide(TokenCache.layerTest({ api: secret })))
  }

  it.effect.each(Object.keys(effects))("lets %s out with nothing of it", (name) =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(effects[name] ?? Effect.void)
      assert.isFalse(leaks(exit))
    }).pipe(Effect.provide(dying))
  )
})
