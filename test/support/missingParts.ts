import type { Reporter, TestModule, Vitest } from "vitest/node"
import { packages } from "./programs.js"

/** Says below all else, in one line, how many tests were skipped for want of programs, and how to get these. */
export const missingParts = (): Reporter => {
  let vitest: Vitest | undefined
  let line: string | undefined
  return {
    onInit: (context) => {
      vitest = context
      vitest.onClose(() => {
        if (line !== undefined) vitest?.logger.log(line)
      })
    },
    onTestRunEnd: (modules) => {
      const pattern = vitest?.config.testNamePattern
      const missing = modules.flatMap(missingIn).filter(({ name }) => pattern === undefined || pattern.test(name))
      line = missing.length === 0 ? undefined : lineOf(missing)
    }
  }
}

const missingIn = (module: TestModule) =>
  Array.from(module.children.allTests()).flatMap((test) => {
    const { missing } = test.meta()
    return missing === undefined ? [] : [{ name: test.fullName, program: missing }]
  })

const lineOf = (missing: ReturnType<typeof missingIn>): string => {
  const install = [...new Set(missing.map(({ program }) => packages[program]))].sort().join(" ")
  const count = missing.length === 1 ? "1 test was" : `${missing.length} tests were`
  return `${count} skipped for want of programs: apt-get install ${install}`
}
