import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './repository.ts'

/**
 * Builds the daemons before suites that start them as processes, when a source is newer than what was built.
 */
export function setup(): void {
  const built = join(root, 'packages/server/dist/main.js')
  const sources = ['sdk', 'runtime', 'server', 'agent'].map((name) =>
    join(root, 'packages', name, 'src'),
  )
  const newest = Math.max(...sources.map(newestChange))
  if (existsSync(built) && statSync(built).mtimeMs > newest) return
  execFileSync(process.execPath, [join(root, 'scripts/build.mjs')], { stdio: 'inherit', cwd: root })
}

function newestChange(folder: string): number {
  let newest = 0
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    newest = Math.max(newest, entry.isDirectory() ? newestChange(path) : statSync(path).mtimeMs)
  }
  return newest
}
