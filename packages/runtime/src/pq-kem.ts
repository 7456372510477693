import { createSecureContext, type SecureContextOptions } from 'node:tls'

/** The key exchanges that a quantum computer does not undo, as SPIRE lists them. */
const groups = 'X25519MLKEM768:SecP256r1MLKEM768:SecP384r1MLKEM1024'

/** What a TLS endpoint needs so that it speaks to nobody without a post-quantum key exchange (`require_pq_kem`). */
export const pqKemSettings: SecureContextOptions = { ecdhCurve: groups, minVersion: 'TLSv1.3' }

/** Whether the TLS library of this Node has these key exchanges: OpenSSL 3.5 has, as Node 24 comes with it. */
export function hasPqKem(): boolean {
  try {
    createSecureContext(pqKemSettings)
    return true
  } catch {
    return false
  }
}
