import { readFile } from 'node:fs/promises'

/** The text of the first of some files that is there. @throws for one that is there and cannot be read */
export async function readIfThere(...paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    try {
      return await readFile(path, 'utf8')
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    }
  }
  return undefined
}
