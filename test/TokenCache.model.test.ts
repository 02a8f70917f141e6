import { assert, describe, it } from "vitest"
import { find } from "./model/failure.js"

/** How many histories are run, from which seed on. */
const seed = process.env.MODEL_SEED === undefined ? undefined : Number(process.env.MODEL_SEED)
const runs = seed === undefined ? Number(process.env.MODEL_RUNS ?? 300) : 1

describe("any history", () => {
  it("of commands, issuers and clocks leads to what the model says", { timeout: 3_600_000 }, async () => {
    for (let run = 0; run < runs; run++) {
      const failure = await find(seed ?? run)
      if (failure !== undefined) assert.fail(failure)
    }
  })
})
