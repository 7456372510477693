import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The top folder of the checkout. */
export const root: string = join(dirname(fileURLToPath(import.meta.url)), '..', '..')

/** Every file git tracks or would track, as paths from the top, with slashes. */
export function repositoryFiles(): readonly string[] {
  const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  return listed
    .split('\n')
    .filter((file) => file !== '' && existsSync(join(root, file)))
    .sort()
}

/** The text of a file of the checkout. */
export function readText(file: string): string {
  return readFileSync(join(root, file), 'utf8')
}
