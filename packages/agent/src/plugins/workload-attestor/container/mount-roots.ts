import { linesOf, readProcFile } from './cgroups.ts'

/** One file system that a process sees mounted. */
export interface Mount {
  /** Which of its folders is mounted. */
  readonly root: string
  /** Such as `cgroup2`. */
  readonly type: string
}

/** The roots of cgroup file systems, except `/`. */
export function cgroupRoots(mounts: readonly Mount[]): readonly string[] {
  return mounts
    .filter(({ root, type }) => (type === 'cgroup' || type === 'cgroup2') && root !== '/')
    .map(({ root }) => root)
}

/**
 * What a process sees mounted.
 *
 * Fields are divided by single spaces (proc(5)), so that an empty mount source stays a field.
 *
 * @param processFolder `/proc/<pid>`
 * @throws {Error} as {@link readProcFile}, or for a line that is none of mountinfo's
 */
export function readMounts(processFolder: string): readonly Mount[] {
  return linesOf(readProcFile(`${processFolder}/mountinfo`))
    .filter((line) => line !== '')
    .map(parseMount)
}

function parseMount(line: string): Mount {
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
