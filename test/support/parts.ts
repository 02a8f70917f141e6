import { spawnSync } from "node:child_process"
import { it, type TestOptions } from "vitest"

/**
 * Declares tests that need a program which may not be installed. Without it they are skipped with a line that says so; if
 * `REQUIRE_PARTS` is set, as in CI, they fail.
 *
 * `probe` makes the program end by itself at once. Default: `--version`.
 */
export const itWith = (program: string, probe: ReadonlyArray<string> = ["--version"]) => {
  const found = spawnSync(program, probe, { stdio: "ignore" }).error === undefined
  if (!found && !process.env.REQUIRE_PARTS) {
    console.warn(`${program} is not installed: the tests that need it are skipped`)
  }
  return (name: string, options: TestOptions, test: () => Promise<void>) =>
    found
      ? it(name, options, test)
      : it.runIf(process.env.REQUIRE_PARTS)(name, () => {
          throw new Error(`${program} is not installed, and REQUIRE_PARTS is set`)
        })
}
