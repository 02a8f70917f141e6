import { it } from "vitest"
import { getCurrentSuite } from "vitest/suite"
import { find, type Part } from "./programs.js"

declare module "vitest" {
  interface TaskMeta {
    /** The program for want of which the test is skipped. */
    missing?: Part
  }
}

/**
 * Declares tests that need a program which may not be installed. Without it they are skipped, and the run ends with a line
 * that says so; if `REQUIRE_PARTS` is set, as in CI, they fail.
 */
export const itWith = (program: Part) => {
  const isInstalled = find(program) !== undefined
  return (name: string, test: () => Promise<void>) => {
    if (isInstalled) {
      it(name, test)
    } else if (process.env.REQUIRE_PARTS) {
      it(name, () => {
        throw new Error(`${program} is not installed, and REQUIRE_PARTS is set`)
      })
    } else {
      getCurrentSuite().task(name, { skip: true, meta: { missing: program } })
    }
  }
}
