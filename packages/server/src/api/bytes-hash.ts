import { hash } from 'node:crypto'

/** Lower-case hex SHA-256 of bytes, as the audit log names them; empty for none. */
export function hashOf(bytes: Uint8Array): string {
  return bytes.length === 0 ? '' : hash('sha256', bytes)
}
