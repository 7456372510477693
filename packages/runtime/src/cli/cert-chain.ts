import { formatRfc3339 } from './time.ts'
import { formatWireId, type WireId } from './values.ts'

/** A certificate as the debug APIs describe it. */
export interface DebugCertificate {
  readonly id: WireId | undefined
  readonly expiresAt: bigint
  readonly subject: string
}

/** Prints the lines of a daemon's own certificate chain; nothing when it has none. */
export function formatCertChain(chain: readonly DebugCertificate[], heading: string): string {
  if (chain.length === 0) return ''
  const lines = chain.map(
    ({ id, subject, expiresAt }, index) =>
      `    [${index}] SPIFFE ID:  ${id ? formatWireId(id) : '(none)'}\n` +
      `        Subject:    ${subject}\n` +
      `        Expires At: ${formatRfc3339(Number(expiresAt))}\n`,
  )
  return `${heading}\n${lines.join('')}`
}
