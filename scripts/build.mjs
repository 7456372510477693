// Builds what is published: the SDK's files by tsc, each daemon as bundled chunks by esbuild. Runs on `npm ci` (prepare).
import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
if (!existsSync(join(root, 'node_modules', 'esbuild'))) {
  console.error('build: development packages are missing; install them with: npm ci --include=dev')
  process.exit(1)
}
const { build } = await import('esbuild')

/** Further daemons beside the one that `run` starts, by the name of their file in `dist`. */
const others = {
  server: { 'oidc-discovery-provider': 'oidc-provider/cli/main' },
  agent: {},
}

/**
 * Builds a program in two parts that share no file: its daemons, and its commands, of which `run` loads a daemon. What dynamic imports
 * have in common becomes a file for each combination of them: the fifty commands would cut the daemon into sixty files, and each
 * costs its start half a millisecond and more.
 */
async function bundle(name) {
  const source = join(root, 'packages', name, 'src')
  const outdir = join(root, 'packages', name, 'dist')
  const daemons = { run: join(source, 'cli', 'run.ts'), index: join(source, 'index.ts') }
  for (const [file, entry] of Object.entries(others[name])) {
    daemons[file] = join(source, `${entry}.ts`)
  }
  const commands = { main: join(source, 'cli', 'main.ts') }
  rmSync(outdir, { recursive: true, force: true })
  const parts = await Promise.all([
    buildPart(outdir, daemons),
    buildPart(outdir, commands, [runIsAFileOfItsOwn]),
  ])
  const inputs = parts.flatMap(({ metafile }) => Object.keys(metafile.inputs))
  writeFileSync(join(root, 'packages', name, 'THIRD_PARTY'), notices(inputs))
}

const runIsAFileOfItsOwn = {
  name: 'run-is-a-file-of-its-own',
  setup(part) {
    part.onResolve({ filter: /^\.\/run\.ts$/ }, () => ({ path: './run.js', external: true }))
  },
}

/** Of the database only what is native stays a package of its own: its thirty small files take longer to find than to read. */
const onlyBindingIsExternal = {
  name: 'only-binding-is-external',
  setup(part) {
    part.onResolve({ filter: /^\.\/binding$/ }, ({ importer }) =>
      /\/classic-level\/[^/]+$/.test(importer)
        ? { path: 'classic-level/binding.js', external: true }
        : undefined,
    )
  },
}

function buildPart(outdir, entryPoints, plugins = []) {
  return build({
    entryPoints,
    plugins: [...plugins, onlyBindingIsExternal],
    metafile: true,
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    conditions: ['source'],
    // Clouds' SDKs are installed by who needs them. pg asks for the last two itself, and does without them.
    external: ['koffi', '@aws-sdk/*', 'pg-native', 'cloudflare:sockets'],
    banner: {
      js: "import { createRequire as __cr } from 'node:module'; const require = __cr(import.meta.url);",
    },
    sourcemap: false,
    legalComments: 'none',
    logLevel: 'warning',
  })
}

/** The licences of everything that was inlined, as their authors ask for. */
function notices(inputs) {
  const folders = new Set(
    inputs.flatMap((file) => {
      const match = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)
      return match ? [match[1]] : []
    }),
  )
  return [...folders]
    .map((folder) => {
      const { name, version, license } = JSON.parse(
        readFileSync(join(root, folder, 'package.json'), 'utf8'),
      )
      const file = readdirSync(join(root, folder)).find((found) => /^licen[cs]e/i.test(found))
      const text = file ? readFileSync(join(root, folder, file), 'utf8').trim() : ''
      return { name, text: `${name} ${version} (${license})\n\n${text}\n` }
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ text }) => text)
    .join(`\n${'-'.repeat(80)}\n\n`)
}

for (const name of ['sdk', 'server', 'agent']) {
  copyFileSync(join(root, 'LICENSE'), join(root, 'packages', name, 'LICENSE'))
}
rmSync(join(root, 'packages', 'sdk', 'dist'), { recursive: true, force: true })
execFileSync(
  process.execPath,
  [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', join(root, 'tsconfig.sdk.json')],
  { stdio: 'inherit', cwd: root },
)
await Promise.all([bundle('server'), bundle('agent')])
