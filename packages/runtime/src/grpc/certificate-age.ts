import type { Socket } from 'node:net'
import type { Clock } from '../clock.ts'
import type { TlsPeer } from './call-context.ts'

/** What is left of a certificate's life when a connection with it is told to go elsewhere. */
const remainder = 0.1
/** Shorter lives than this are used to their end. */
const shortLifeMs = 10_000

/** Options of {@link retireWithCertificate}. */
export interface CertificateAgeOptions {
  readonly peer: TlsPeer
  readonly socket: Pick<Socket, 'once'>
  readonly clock: Clock
  /** Tells the peer to open another connection. */
  readonly retire: () => void
}

/**
 * Sends a client elsewhere before the certificate that it showed expires: it connects anew with the one that it has by then.
 * Clients keep a connection as long as it lasts, and one whose certificate has expired proves nothing any more.
 */
export function retireWithCertificate({
  peer,
  socket,
  clock,
  retire,
}: CertificateAgeOptions): void {
  const leftMs = peer.notAfterMs - clock.nowMs()
  if (peer.spiffeId === undefined || leftMs <= 0) return
  const delayMs = leftMs > shortLifeMs ? leftMs * (1 - remainder) : leftMs
  const timer = clock.setTimer(delayMs, retire)
  socket.once('close', () => timer.cancel())
}
