import { mkdir, readFile, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { syncDirectory, writeFileAtomically } from '@mini-spire/runtime/atomic-file'
import { ImportError } from './import-error.ts'

/** Beside the store while an import has begun and not ended; a server does not start while it is there. */
export class ImportMarker {
  readonly #path: string
  readonly #command: string
  #isSet = false

  /** @param command what finishes the import, for whoever finds the marker */
  constructor(dataDir: string, command: string) {
    this.#path = markerPath(dataDir)
    this.#command = command
  }

  /** Sets the marker, durably; setting it again does nothing. */
  async set(): Promise<void> {
    if (this.#isSet) return
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o755 })
    await writeFileAtomically(this.#path, `${this.#command}\n`, { mode: 0o600 })
    this.#isSet = true
  }

  /** Removes the marker, also that of an earlier import that this one has finished. */
  async clear(): Promise<void> {
    try {
      await unlink(this.#path)
    } catch (error) {
      if (isMissing(error)) return
      throw error
    }
    await syncDirectory(dirname(this.#path))
  }
}

/**
 * Refuses to run on half of what a SPIRE server knew.
 *
 * @throws {ImportError} `ERR_IMPORT_INCOMPLETE` naming the command that finishes the import
 */
export async function refuseIncompleteImport(dataDir: string): Promise<void> {
  let command: string
  try {
    command = await readFile(markerPath(dataDir), 'utf8')
  } catch (error) {
    if (isMissing(error)) return
    throw error
  }
  const text = `an import into ${dataDir} was interrupted; finish it with: ${command.trim()}`
  throw new ImportError('ERR_IMPORT_INCOMPLETE', text)
}

function markerPath(dataDir: string): string {
  return join(dataDir, 'import-incomplete')
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
