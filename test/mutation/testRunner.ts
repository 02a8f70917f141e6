import { performance } from "node:perf_hooks"
import { inject, type RunnerTestCase } from "vitest"
import { VitestTestRunner } from "vitest/runners"
import { getFn } from "vitest/suite"
import { switchKey } from "./instrument.js"
import type { Order } from "./protocol.js"

/** The test that runs in this worker. */
let test:
  | { readonly order: Order; readonly hits: Map<number, number>; readonly fail: (why: string) => void }
  | undefined

/** The mutant that is tried. It outlives the test, because fibers may do so. */
let active: { readonly mutant: number | undefined; readonly limit: number } | undefined
let runs = 0

/** Says whether a mutant is the one that is tried. */
const isActive = (mutant: number): boolean => {
  if (active === undefined) {
    active = inject("order")
  }
  if (active.mutant === undefined) {
    test?.hits.set(mutant, (test.hits.get(mutant) ?? 0) + 1)
    return false
  }
  if (mutant !== active.mutant) {
    return false
  }
  if (++runs > active.limit) {
    test?.fail("endless")
    throw new Error("The mutant's code runs endlessly")
  }
  return true
}

Object.defineProperty(globalThis, Symbol.for(switchKey), { value: isActive, configurable: true })

/** How often the worker is looked at, in milliseconds, and for how many times it has nothing to do once a test hangs. */
const period = 250
const longestIdle = 6

let idle = 0
let before = performance.eventLoopUtilization()

// On a busy machine a worker that has work is late, but not idle: so this limit does not depend on the machine's speed.
setInterval(() => {
  const now = performance.eventLoopUtilization(before)
  before = performance.eventLoopUtilization()
  idle = now.utilization < 0.05 ? idle + 1 : 0
  if (idle >= longestIdle) {
    test?.fail("nothing left to do")
  }
}, period).unref()

/** Runs the tests that matter for a mutant, notes what they run, and ends those that hang. */
export default class MutationTestRunner extends VitestTestRunner {
  async runTask(task: RunnerTestCase): Promise<void> {
    const order = inject("order")
    if (order.tests !== undefined && !order.tests.includes(fullName(task))) {
      return
    }
    active = order
    runs = 0
    idle = 0
    const hits = new Map<number, number>()
    const failed = new Promise<never>((_, reject) => {
      test = { order, hits, fail: (why) => reject(new Error(why)) }
    })
    // Of two failures, one is enough.
    failed.catch(() => {})
    try {
      await Promise.race([getFn(task)(), failed])
    } finally {
      test = undefined
      if (order.mutant === undefined) {
        task.meta.hits = Object.fromEntries(hits)
      }
    }
  }
}

/** The name of a test with those of the suites around it. */
const fullName = (task: RunnerTestCase): string => {
  const names = [task.name]
  for (let { suite } = task; suite !== undefined; { suite } = suite) {
    names.unshift(suite.name)
  }
  return names.join(" > ")
}
