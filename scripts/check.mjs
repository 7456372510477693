// `npm run check`: format, lint, types, tidy and unit tests, all at once.
import { execFileSync, spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const bin = (name) => join(root, 'node_modules', '.bin', name)
const promiseRules = [
  '--type-aware',
  '-A',
  'all',
  '--ignore-pattern',
  '**/src/proto/**',
  '-D',
  'typescript/no-floating-promises',
  '-D',
  'typescript/no-misused-promises',
]
/** What it found the last time: files that did not change are not looked at again. */
const rememberedTypes = ['--incremental', '--tsBuildInfoFile', 'test/.cache/types.tsbuildinfo']
const steps = [
  ['format and lint', bin('biome'), ['check', '--error-on-warnings', '.']],
  ['promises', bin('oxlint'), [...promiseRules, 'packages', 'test']],
  ['types', bin('tsc'), ['-p', 'tsconfig.json', ...rememberedTypes]],
  wireStep(),
  [
    'tidy and unit',
    bin('vitest'),
    ['run', '--project', 'tidy', '--project', 'unit', '--reporter=dot'],
  ],
]

/** Generating takes a tenth of all this: it is done when one of its files differs from the last commit, and by CI always. */
function wireStep() {
  const files = ['proto', 'scripts/gen.mjs', ':(glob)packages/*/src/proto/**', 'package-lock.json']
  const changed = execFileSync('git', ['status', '--porcelain', '--', ...files], { cwd: root })
  const [title, script] =
    changed.length > 0 ? ['wire types', 'gen.mjs'] : ['generated documents', 'docs.mjs']
  return [title, process.execPath, [`scripts/${script}`, '--check']]
}

function run([title, command, args]) {
  const started = Date.now()
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    const output = []
    child.stdout.on('data', (data) => output.push(data))
    child.stderr.on('data', (data) => output.push(data))
    child.on('close', (code) => {
      const seconds = ((Date.now() - started) / 1000).toFixed(1)
      console.log(`${code === 0 ? 'ok  ' : 'FAIL'} ${title} (${seconds} s)`)
      if (code !== 0) process.stdout.write(Buffer.concat(output))
      resolve(code === 0)
    })
  })
}

const results = await Promise.all(steps.map(run))
process.exit(results.every(Boolean) ? 0 : 1)
