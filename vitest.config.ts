import { availableParallelism } from 'node:os'
import { defineConfig, type ViteUserConfig } from 'vitest/config'

const ssr = { resolve: { conditions: ['source'] } }
const suite = (name: string, include: string[], extra: object = {}) => ({
  ssr,
  // What is waited for comes when it comes: a machine may stand still for longer than the usual second.
  test: { name, include, environment: 'node', expect: { poll: { timeout: 30_000 } }, ...extra },
})
const daemons = {
  globalSetup: ['test/kit/build-once.ts'],
  setupFiles: ['test/kit/fallen-daemons.ts'],
  // Whoever waits for a daemon gives up before, and says for what; this is for what hangs.
  testTimeout: 180_000,
  hookTimeout: 240_000,
}

const config: ViteUserConfig = defineConfig({
  test: {
    // Tests wait more than they compute, those with daemons above all: two at once, even on two cores.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    projects: [
      suite(
        'unit',
        [
          'packages/*/src/**/*.test.ts',
          'test/cloud/**/*.test.ts',
          'test/kit/**/*.test.ts',
          'test/vectors/**/*.test.ts',
          'test/wire/**/*.test.ts',
        ],
        {
          // A hang is a failure, a busy machine is not.
          testTimeout: 60_000,
          hookTimeout: 60_000,
          // Modules keep no state, so test files share them: half the time. What tests throw away costs a collector less.
          isolate: false,
          execArgv: ['--max-semi-space-size=64'],
        },
      ),
      suite('tidy', ['test/tidy/**/*.test.ts'], { testTimeout: 60_000 }),
      suite('integration', ['test/integration/**/*.test.ts', 'test/model/**/*.test.ts'], daemons),
      suite('cli', ['test/cli/**/*.test.ts'], daemons),
      suite('faults', ['test/faults/**/*.test.ts'], daemons),
      suite('interop', ['test/interop/**/*.test.ts'], {
        ...daemons,
        testTimeout: 300_000,
        hookTimeout: 600_000,
      }),
      suite('spire', ['test/spire/**/*.test.ts'], {
        ...daemons,
        fileParallelism: false,
      }),
      suite('soak', ['test/soak/**/*.test.ts'], {
        ...daemons,
        // `SOAK_SCALE=8` takes more than an hour.
        testTimeout: 3_600_000 * Math.max(1, Number(process.env['SOAK_SCALE'] ?? '1')),
        fileParallelism: false,
      }),
    ],
  },
})
export default config
