import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Logger, LogLevel } from "effect"
import { LineChannel } from "effect-token-cache"
import { LineEmulator } from "effect-token-cache/testing"
import { faultProxy } from "../support/faultProxy.js"
import { httpClientLayers } from "../support/httpClients.js"
import { tell } from "../support/logs.js"

const token = "canary.canary.canary"

describe("LineChannel.verifyV21", () => {
  for (const [name, http] of httpClientLayers) {
    it.live(`logs nothing of the request when its answer breaks off: ${name}`, () => {
      const seen: Array<string> = []
      const logger = tell(({ cause, message }) =>
        seen.push(inspect([message, cause], { depth: 20, showHidden: true }), Cause.pretty(cause))
      )
      return Effect.gen(function* () {
        const { url } = yield* LineEmulator
        const proxy = yield* faultProxy(Number(new URL(url).port))
        yield* proxy.become({ _tag: "cut", at: "body" })
        const baseUrl = `http://127.0.0.1:${proxy.port}`
        yield* Effect.exit(LineChannel.verifyV21({ accessToken: token, baseUrl }))
        yield* Effect.logTrace("a line, to see that the logger hears them")
        assert.isTrue(seen.length > 0)
        assert.notInclude(seen.join("\n"), "canary.canary")
      }).pipe(
        Effect.scoped,
        Effect.provide([LineEmulator.layer(), http, logger]),
        Logger.withMinimumLogLevel(LogLevel.Trace)
      )
    })
  }
})
