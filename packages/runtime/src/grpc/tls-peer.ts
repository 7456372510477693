import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { readSentCertificates } from '@mini-spire/sdk/internal/sent-certificates'
import type { TlsPeer } from './call-context.ts'

/** More certificates than this in a chain are not looked at; no identity needs them. */
const longestChain = 16

/** The certificates a peer sent, leaf first. To be called once per socket: {@link readSentCertificates}. */
export function readPeerChain(socket: TLSSocket): readonly X509Certificate[] {
  return readSentCertificates(socket, longestChain)
}

/** Whether `verifyClient` knew the chain. */
export interface VerifiedClient {
  readonly spiffeId: string
}

/**
 * Describes the other end of a TLS connection after its chain was checked.
 *
 * @param verify throws to refuse the chain; not asked when there is none
 */
export function tlsPeer(
  socket: TLSSocket,
  from: Pick<TlsPeer, 'address' | 'port' | 'process'>,
  verify: (chain: readonly Uint8Array[]) => VerifiedClient,
): TlsPeer {
  const certificates = readPeerChain(socket)
  const chain = certificates.map((certificate) => new Uint8Array(certificate.raw))
  const leaf = certificates[0]
  return {
    kind: 'tls',
    ...from,
    chain,
    spiffeId: leaf && verify(chain).spiffeId,
    serialNumber: leaf && BigInt(`0x${leaf.serialNumber}`).toString(),
    notAfterMs: leaf ? Date.parse(leaf.validTo) : 0,
  }
}
