/** The process that runs the tests. It lives through many mutants, and loads its modules once. */
import { relative, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { Tinypool } from "tinypool"
import { createVitest, type TestSpecification, type Vite } from "vitest/node"
import type { Reporter } from "vitest/reporters"
import config from "../../vitest.config.js"
import { instrumentAll } from "./files.js"
import type { Failure, Order, Outcome, RanTest } from "./protocol.js"

const root = fileURLToPath(new URL("../..", import.meta.url))

// Vitest wants a new thread for each run, although its tests share their modules. Here all runs are to share them.
Tinypool.prototype.recycleWorkers = async () => {}

const files = new Map(instrumentAll(root).map(({ file, text }) => [resolve(root, file), text]))

const mutants: Vite.Plugin = {
  name: "mutants",
  enforce: "pre",
  load: (id) => files.get(id)
}

/** Leaves the files in the order in which they are given. */
class InOrder {
  readonly shard = (specifications: Array<TestSpecification>) => specifications
  readonly sort = (specifications: Array<TestSpecification>) => specifications
}

/** What has been reported of the tests that run. Vitest itself keeps the results of earlier runs as well. */
let ran: { failure: Failure | undefined; readonly tests: Array<RanTest> } = { failure: undefined, tests: [] }

const notes: Reporter = {
  onTestCaseResult: (test) => {
    const file = relative(root, test.module.moduleId)
    const { errors, state } = test.result()
    if (state === "failed") {
      ran.failure ??= { file, what: `${test.fullName}: ${errors?.[0]?.message ?? ""}` }
    }
    const { hits } = test.meta()
    if (hits !== undefined) {
      ran.tests.push({ file, name: test.fullName, millis: test.diagnostic()?.duration ?? 0, hits })
    }
  },
  onTestModuleEnd: (module) => {
    const error = module.errors()[0]
    ran.failure ??= error && { file: relative(root, module.moduleId), what: error.message }
  }
}

const fast = config.test?.projects?.find(
  (project) => typeof project === "object" && "test" in project && project.test?.name === "fast"
)
if (typeof fast !== "object" || !("test" in fast)) {
  throw new Error("vitest.config.ts has no project fast")
}

const vitest = await createVitest(
  "test",
  {
    root,
    config: false,
    watch: false,
    bail: 1,
    reporters: [notes],
    pool: "threads",
    poolOptions: { threads: { isolate: false, minThreads: 1, maxThreads: 1 } },
    setupFiles: fast.test?.setupFiles ?? [],
    runner: "test/mutation/testRunner.ts",
    sequence: { sequencer: InOrder },
    // For what is endlessly busy, and does not come by the mutant.
    testTimeout: 60_000,
    hookTimeout: 60_000
  },
  { plugins: [mutants], resolve: fast.resolve ?? {} }
)
await vitest.init()

const run = async (order: Order): Promise<Outcome> => {
  const project = vitest.getRootProject()
  project.provide("order", order)
  ran = { failure: undefined, tests: [] }
  const specifications = order.files.map((file) => project.createSpecification(resolve(root, file)))
  const { unhandledErrors } = await vitest.runTestSpecifications(specifications)
  const unhandled = unhandledErrors.length === 0 ? undefined : { file: undefined, what: String(unhandledErrors[0]) }
  return { failure: ran.failure ?? unhandled, tests: ran.tests }
}

process.on("message", (order: Order) => {
  run(order).then(
    (outcome) => process.send?.(outcome),
    (error: unknown) => {
      process.send?.({ failure: { file: undefined, what: `the run broke off: ${error}` }, tests: [] } satisfies Outcome)
    }
  )
})
process.send?.("ready")
