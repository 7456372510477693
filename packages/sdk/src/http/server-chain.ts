import type { TLSSocket } from 'node:tls'

/** More certificates than this are not looked at; no server needs them. */
const longestChain = 16

/** The certificates that a server sent, DER, leaf first. */
export function readServerChain(socket: TLSSocket): readonly Uint8Array[] {
  const chain: Buffer[] = []
  let next = socket.getPeerX509Certificate()
  while (next && chain.length < longestChain) {
    chain.push(next.raw)
    next = next.issuerCertificate
  }
  return chain.map((raw) => new Uint8Array(raw))
}
