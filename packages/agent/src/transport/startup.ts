import { randomInt } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Logger } from '@mini-spire/runtime/log/logger'

/** Nothing the agent makes may be written by its group, or read by others. */
const leastUmask = 0o027

/** Said when a restart would lose the agent's identity. */
export const weakMemoryWarning =
  "Node attestation is not reattestable and the 'memory' key manager is in use; if the agent process is restarted, it will be unable to obtain a new SVID and will need to be manually evicted to be able to re-attest."

/** Makes the public socket's directory, which everybody may enter, and then tightens the umask of the process. */
export async function tightenUmask(publicSocket: string | undefined, log: Logger): Promise<void> {
  if (publicSocket !== undefined)
    await mkdir(dirname(publicSocket), { recursive: true, mode: 0o755 })
  const current = process.umask()
  if ((current & leastUmask) === leastUmask) return
  const wanted = current | leastUmask
  const octal = (mask: number): string => mask.toString(8).padStart(4, '0')
  log.warn(`Current umask ${octal(current)} is too permissive; setting umask ${octal(wanted)}`)
  process.umask(wanted)
}

/** A number in [0, 1) that nobody can foresee. */
export function randomChance(): number {
  return randomInt(2 ** 32) / 2 ** 32
}
