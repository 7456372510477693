// `npm test`: every suite this machine can run. Installs what npm can give; peers that need more are named aloud.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const results = join(root, 'test', '.cache', 'results')
const args = process.argv.slice(2)
const named = args.filter((arg) => !arg.startsWith('-'))

/** Suites of `npm test`, in the order in which a newcomer wants to hear of a fault. */
const suites =
  named.length > 0 ? named : ['unit', 'tidy', 'cli', 'integration', 'interop', 'faults']

function run(command, commandArgs) {
  const env = { ...process.env, MINI_SPIRE_TEST_SWEEP: 'whole' }
  const { status } = spawnSync(command, commandArgs, { cwd: root, env, stdio: 'inherit' })
  return status ?? 1
}

function isInstalled() {
  const installed = join(root, 'node_modules', '.package-lock.json')
  const lock = join(root, 'package-lock.json')
  return existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs - 1000
}

/** What a reader of the last lines needs: the file, the test, and the beginning of the reason. */
function failuresOf(suite, report) {
  const texts = []
  for (const file of report.testResults) {
    const where = `[${suite}] ${relative(root, file.name)}`
    const failed = file.assertionResults.filter((test) => test.status === 'failed')
    for (const test of failed) {
      texts.push(`${where}\n  ${test.fullName}\n${test.failureMessages.map(excerpt).join('\n')}`)
    }
    if (failed.length === 0 && file.status === 'failed') {
      texts.push(`${where}\n${excerpt(file.message)}`)
    }
  }
  return texts
}

function excerpt(message) {
  const lines = stripVTControlCharacters(message).split('\n')
  const ours = lines.filter((line) => !line.includes('/node_modules/')).slice(0, 25)
  return ours.map((line) => `    ${line.slice(0, 300)}`).join('\n')
}

if (!isInstalled()) {
  console.log('test: installing packages (npm ci)')
  if (run('npm', ['ci', '--include=dev']) !== 0) process.exit(1)
} else if (run(process.execPath, ['scripts/build.mjs']) !== 0) process.exit(1)

rmSync(results, { recursive: true, force: true })
mkdirSync(results, { recursive: true })
const counts = { passed: 0, failed: 0, skipped: 0 }
const failures = []
let isGreen = true
for (const suite of suites) {
  console.log(`\n== ${suite}`)
  const file = join(results, `${suite}.json`)
  const status = run(process.execPath, [
    join(root, 'node_modules', 'vitest', 'vitest.mjs'),
    'run',
    '--project',
    suite,
    '--passWithNoTests',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${file}`,
  ])
  // An unhandled rejection fails the run while no test does: the exit code counts beside the counts.
  if (status !== 0) isGreen = false
  if (!existsSync(file)) continue
  const report = JSON.parse(readFileSync(file, 'utf8'))
  counts.passed += report.numPassedTests
  counts.failed += report.numFailedTests
  counts.skipped += report.numPendingTests + report.numTodoTests
  const texts = failuresOf(suite, report)
  if (status !== 0 && texts.length === 0)
    texts.push(`[${suite}] an error outside of any test: see above`)
  failures.push(...texts)
}
if (failures.length > 0) console.log(`\nWhat failed:\n\n${failures.join('\n\n')}`)
console.log(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
if (process.env.CI === 'true' && counts.skipped > 0) {
  console.error('test: with CI=true nothing may be skipped')
  isGreen = false
}
process.exit(isGreen && counts.failed === 0 && counts.passed > 0 ? 0 : 1)
