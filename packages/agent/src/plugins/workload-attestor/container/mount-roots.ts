import { readFileSync } from 'node:fs'
import { linesOf } from './cgroups.ts'

/**
 * The roots of the cgroup file systems that a process sees mounted, except `/`.
 *
 * Fields are divided by single spaces (proc(5)), so that an empty mount source stays a field.
 *
 * @param processFolder `/proc/<pid>`
 * @throws {Error} of the file system, or for a line that is none of mountinfo's
 */
export function readCgroupMountRoots(processFolder: string): readonly string[] {
  const roots: string[] = []
  for (const line of linesOf(readFileSync(`${processFolder}/mountinfo`, 'utf8'))) {
    if (line === '') continue
    const { root, type } = parseMount(line)
    if ((type === 'cgroup' || type === 'cgroup2') && root !== '/') roots.push(root)
  }
  return roots
}

function parseMount(line: string): { readonly root: string; readonly type: string } {
  const fields = line.split(' ')
  const separator = fields.indexOf('-')
  if (separator < 0) throw new Error(`missing separator in mountinfo line: ${line}`)
  if (separator < 6) {
    throw new Error(`expected at least 6 fields before separator in mountinfo line: ${line}`)
  }
  const root = fields[3]
  const type = fields[separator + 1]
  if (root === undefined || !type) {
    throw new Error(`missing filesystem type in mountinfo line: ${line}`)
  }
  return { root, type }
}
