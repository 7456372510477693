// Adds to package-lock.json the optional packages of other platforms that `npm install` silently leaves out when the
// registry does not offer them here; `npm ci` of npm 11 refuses a lock without them. Run after each install that changes the lock.
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const file = join(dirname(fileURLToPath(import.meta.url)), '..', 'package-lock.json')
const systems = [
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'win32',
  'aix',
]
const processors = [
  'arm64',
  'x64',
  'ia32',
  'ppc64',
  'riscv64',
  's390x',
  'loong64',
  'mips64el',
  'arm',
  'wasm32',
]
const named = (words, name) => words.find((word) => name.split(/[-/]/).includes(word))

/** The lock with every optional dependency present, keys sorted. */
export function complete(lock) {
  for (const found of Object.values(lock.packages)) {
    for (const [name, version] of Object.entries(found.optionalDependencies ?? {})) {
      if (found.link || /[\^~><*]/.test(version)) continue
      lock.packages[`node_modules/${name}`] ??= {
        version,
        ...(found.dev ? { dev: true } : {}),
        optional: true,
        os: [named(systems, name) ?? 'none'],
        cpu: [named(processors, name) ?? 'none'],
        ...(name.includes('musl') ? { libc: ['musl'] } : {}),
      }
    }
  }
  const keys = Object.keys(lock.packages).sort((a, b) => (a < b ? -1 : 1))
  return { ...lock, packages: Object.fromEntries(keys.map((key) => [key, lock.packages[key]])) }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const lock = JSON.parse(readFileSync(file, 'utf8'))
  const before = Object.keys(lock.packages).length
  const done = complete(lock)
  writeFileSync(file, `${JSON.stringify(done, null, 2)}\n`)
  console.log(`package-lock.json: ${Object.keys(done.packages).length - before} packages added`)
}
