import { constants } from 'node:fs'
import { type FileHandle, open, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Options of {@link writeFileAtomically}. */
export interface AtomicWriteOptions {
  /** Permission bits of the file, whatever the umask and whatever the file had before. */
  readonly mode: number
}

/**
 * Replaces a file so that a kill at any instruction, or a full disk, leaves either the old content or the new.
 *
 * The new content goes to `<path>.tmp`, is synced, renamed over the path, and the folder is synced: when this resolves the
 * content survives a power cut. Writers of one path must not overlap; what an interrupted one left behind is overwritten.
 *
 * @throws the system's error (`ENOSPC`, `EACCES` …) with the old file untouched
 */
export async function writeFileAtomically(
  path: string,
  data: Uint8Array | string,
  options: AtomicWriteOptions,
): Promise<void> {
  const temporary = `${path}.tmp`
  try {
    await writeSynced(temporary, data, options.mode)
    await rename(temporary, path)
  } catch (error) {
    await unlink(temporary).catch(() => {})
    throw error
  }
  await syncDirectory(dirname(path))
}

async function writeSynced(path: string, data: Uint8Array | string, mode: number): Promise<void> {
  const { O_CREAT, O_NOFOLLOW, O_TRUNC, O_WRONLY } = constants
  await withFile(
    await open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode),
    async (file) => {
      // Before the content: an older leftover may have had wider permissions, and the umask may have narrowed ours.
      await file.chmod(mode)
      await file.writeFile(data)
      await file.sync()
    },
  )
}

/** Makes a rename or a new name in this folder durable. */
export async function syncDirectory(path: string): Promise<void> {
  await withFile(await open(path, 'r'), (folder) => folder.sync())
}

async function withFile(file: FileHandle, use: (file: FileHandle) => Promise<void>): Promise<void> {
  try {
    await use(file)
  } finally {
    await file.close()
  }
}
