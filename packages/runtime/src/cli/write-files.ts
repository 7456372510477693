import { messageOf } from '@mini-spire/sdk/errors'
import { writeFileAtomically } from '../atomic-file.ts'
import { osErrorText } from '../os-error.ts'
import { CommandError } from './usage-error.ts'

/** A file that a command writes. */
export interface OutputFile {
  readonly path: string
  readonly content: string
  /** Keys and tokens are for their owner only. */
  readonly isPrivate: boolean
}

/**
 * Writes a file whole, with the mode its content asks for.
 *
 * @param what what could not be written, for the message: `unable to write SVID: open dir/svid.pem: …`
 * @throws {CommandError}
 */
export async function writeOutputFile(file: OutputFile, what?: string): Promise<void> {
  try {
    await writeFileAtomically(file.path, file.content, { mode: file.isPrivate ? 0o600 : 0o644 })
  } catch (error) {
    const isSystem = error instanceof Error && 'code' in error
    const reason = isSystem ? osErrorText('open', file.path, error) : messageOf(error)
    throw new CommandError(what === undefined ? reason : `unable to write ${what}: ${reason}`)
  }
}
