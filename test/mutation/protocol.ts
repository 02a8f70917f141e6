/** What the process that runs the tests is told to do: to run these tests with this mutant, or with none. */
export interface Order {
  readonly mutant: number | undefined
  /** How often the mutant's code may run in one test. What runs more often than that never ends. */
  readonly limit: number
  /** The paths of the test files, in the order in which they run. */
  readonly files: ReadonlyArray<string>
  /** The tests to run, by their full names. All of them, if it is left out. */
  readonly tests?: ReadonlyArray<string> | undefined
}

/** What the tests said. */
export interface Outcome {
  /** The first thing that failed. `undefined` if all went well. */
  readonly failure: Failure | undefined
  /** What each test has run. */
  readonly tests: ReadonlyArray<RanTest>
}

export interface Failure {
  /** The test file, if one is to blame. */
  readonly file: string | undefined
  /** The name of the test, or what happened instead of a test. */
  readonly what: string
}

/** A test that has run. */
export interface RanTest {
  readonly file: string
  readonly name: string
  readonly millis: number
  /** How often the code of each mutant has run in it. */
  readonly hits: Readonly<Record<number, number>>
}

declare module "vitest" {
  interface ProvidedContext {
    /** What the tests are run with. */
    readonly order: Order
  }

  interface TaskMeta {
    /** How often the code of each mutant has run in this test. Only tests that run without a mutant have this. */
    hits?: Readonly<Record<number, number>>
  }
}
