import { constants } from 'node:crypto'
import type { SecureContextOptions } from 'node:tls'
import type { X509Svid } from '../x509-svid/index.ts'

/**
 * What Node needs of an SVID. No roots are handed to OpenSSL (an absent list would mean the public ones, and what it knows it
 * would append to what we send), and there are no session tickets: a resumed session would not show its chain again.
 */
export function svidContext(svid: X509Svid | undefined): SecureContextOptions {
  const own = svid && { key: svid.marshalKeyPem(), cert: svid.marshalChainPem() }
  return {
    ...own,
    ca: [],
    minVersion: 'TLSv1.2',
    secureOptions: constants.SSL_OP_NO_TICKET,
  }
}
