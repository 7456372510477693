import type { TLSSocket } from 'node:tls'
import type { X509BundleSource } from '../bundle/index.ts'
import { readSentCertificates } from '../sent-certificates.ts'
import type { SpiffeId } from '../spiffe-id/index.ts'
import { verifyX509Svid } from '../x509-svid/index.ts'
import type { Authorizer } from './authorizer.ts'
import { TlsError } from './tls-error.ts'

/** Who is at the other end: verified and authorized. */
export interface TlsPeer {
  readonly spiffeId: SpiffeId
  /** Certificates as the peer sent them, DER, leaf first. */
  readonly chain: readonly Uint8Array[]
}

/** How a peer is checked. */
export interface PeerCheck {
  /** Roots by trust domain, asked anew for each peer. */
  readonly bundles: X509BundleSource
  readonly authorize: Authorizer
  /** @default the machine's time */
  readonly now?: () => Date
}

/** More than verification reads; a chain is never longer. */
const maxChain = 32

/** The chain that the peer sent, DER, leaf first. To be called once per socket: {@link readSentCertificates}. */
export function readPeerChain(socket: TLSSocket): readonly Uint8Array[] {
  return readSentCertificates(socket, maxChain).map(({ raw }) => raw)
}

/**
 * Verifies a chain and lets the ID in or not. This takes the place of Node's own check, which knows neither URI names nor
 * trust domains.
 *
 * @throws {TlsError} `ERR_TLS_NO_CERTIFICATE`; {@link X509SvidError} when the chain proves nothing; what the authorizer throws
 */
export function checkPeer(chain: readonly Uint8Array[], check: PeerCheck): TlsPeer {
  if (chain.length === 0)
    throw new TlsError('ERR_TLS_NO_CERTIFICATE', 'peer presented no certificate')
  const now = check.now?.() ?? new Date()
  const spiffeId = verifyX509Svid(chain, check.bundles, { now })
  check.authorize(spiffeId)
  return { spiffeId, chain }
}
