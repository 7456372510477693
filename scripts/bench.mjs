// `npm run bench [-- names --seconds=5 --json]`: builds the daemons and the load generator, then measures. With
// SPIRE_BIN_DIR set it measures SPIRE's programs beside ours.
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
execFileSync(process.execPath, [join(root, 'scripts', 'build.mjs')], {
  stdio: 'inherit',
  cwd: root,
})
const { build } = await import('esbuild')
// The kit finds the checkout from its own file, two folders below the top: the bundle lies as deep.
const outfile = join(root, 'test', '.cache', 'bench.mjs')
mkdirSync(dirname(outfile), { recursive: true })
await build({
  entryPoints: [join(root, 'test', 'bench', 'main.ts')],
  outfile,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  conditions: ['source'],
  banner: {
    js: "import { createRequire as __cr } from 'node:module'; const require = __cr(import.meta.url);",
  },
  logLevel: 'warning',
})
const { main } = await import(pathToFileURL(outfile).href)
await main(process.argv.slice(2))
