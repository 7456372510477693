import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'

/**
 * The certificates that the other end of a TLS connection sent, leaf first, as many as `most`; none when it sent none.
 *
 * To be called once per socket, at the end of the handshake: on a server, reading the chain takes the leaf off OpenSSL's own
 * copy, and a second reading would find a shorter one.
 */
export function readSentCertificates(socket: TLSSocket, most: number): readonly X509Certificate[] {
  const sent: X509Certificate[] = []
  let next = socket.getPeerX509Certificate()
  while (next && sent.length < most) {
    sent.push(next)
    next = next.issuerCertificate
  }
  return sent
}
