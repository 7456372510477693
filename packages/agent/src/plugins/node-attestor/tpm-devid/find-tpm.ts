import { readdir } from 'node:fs/promises'
import { join } from 'node:path'

/** With a resource manager first: it lets several programs use the TPM. */
const deviceNames: readonly RegExp[] = [/tpmrm\d+$/, /tpm\d+$/]

/**
 * The path of the one TPM of this machine.
 *
 * @param folder where devices are, `/dev`
 * @throws {Error} when there is none, or more than one
 */
export async function findTpm(folder: string): Promise<string> {
  const names = await readdir(folder)
  for (const pattern of deviceNames) {
    const [first, second] = names.filter((name) => pattern.test(name))
    if (second !== undefined) throw new Error('more than one possible TPM device was found')
    if (first !== undefined) return join(folder, first)
  }
  throw new Error('not found')
}
