import type { ExpectStatic, SuiteFactory, TestFunction } from 'vitest'

/** The test functions that a contract suite is written with: it is shared, and imports none itself. */
export interface ContractTools {
  readonly describe: (title: string, suite: SuiteFactory) => unknown
  readonly it: (title: string, test: TestFunction, timeoutMs?: number) => unknown
  readonly expect: ExpectStatic
}
