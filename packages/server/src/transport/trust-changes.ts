import type { Peer, TlsPeer } from '@mini-spire/runtime/grpc/call-context'
import { type Certificate, parseCertificate } from '@mini-spire/sdk/x509'
import type { TrustBundle } from '../model/trust-bundle.ts'
import type { AppliedChange } from '../store/store.ts'
import type { ConnectionCutter } from './agent-evictions.ts'
import type { ServerSvidRotator } from './server-svid.ts'

/** What reacts to changes of trust while the server runs. */
export interface TrustReactions {
  readonly cutter: ConnectionCutter
  /** Judges a client's certificates as a new connection would be judged now, or throws. */
  readonly verifyClient: (chain: readonly Uint8Array[]) => unknown
  /** Keeps the server's own SVID; told of every change of the own trust domain's roots. */
  readonly svid: Pick<ServerSvidRotator, 'followRoots'>
}

/** Options of {@link TrustChanges}. */
export interface TrustChangesOptions {
  readonly trustDomainName: string
  /** A bundle as it is when asked. */
  readonly findBundle: (trustDomainName: string) => TrustBundle | undefined
}

/**
 * Makes changes of bundles bite on what lives: who is connected by the grace of a root that is gone is cut, and the server's
 * SVID is replaced when its root has become tainted. It does not matter which server made the change.
 */
export class TrustChanges {
  readonly #options: TrustChangesOptions
  #reactions: TrustReactions | undefined

  constructor(options: TrustChangesOptions) {
    this.#options = options
  }

  /** From now on changes bite; before that there is nothing to bite on. */
  begin(reactions: TrustReactions): void {
    this.#reactions = reactions
  }

  /** Has changes applied, and reacts to what they did to the bundles. */
  around(changes: readonly AppliedChange[], apply: () => void): void {
    const { findBundle, trustDomainName } = this.#options
    const names = changes.filter(({ kind }) => kind === 'bundle').map(({ key }) => key)
    const before = names.map(findBundle)
    apply()
    const reactions = this.#reactions
    if (!reactions) return
    for (const [index, name] of names.entries()) {
      const after = findBundle(name)
      const removed = removedRoots(before[index], after)
      if (removed.length > 0) cutUntrusted(reactions, removed)
      if (name === trustDomainName)
        reactions.svid.followRoots({ tainted: taintedRoots(after), removed })
    }
  }
}

function removedRoots(
  before: TrustBundle | undefined,
  after: TrustBundle | undefined,
): readonly Uint8Array[] {
  const hex = (der: Uint8Array): string => Buffer.from(der).toString('hex')
  const kept = new Set(after?.x509Authorities.map(({ certificate }) => hex(certificate)))
  const roots = before?.x509Authorities.map(({ certificate }) => certificate) ?? []
  return roots.filter((root) => !kept.has(hex(root)))
}

function taintedRoots(bundle: TrustBundle | undefined): readonly Uint8Array[] {
  const authorities = bundle?.x509Authorities ?? []
  return authorities.filter(({ tainted }) => tainted).map(({ certificate }) => certificate)
}

/** Only who names a removed root as an issuer is judged again: with many connections, judging all would take long. */
function cutUntrusted(
  { cutter, verifyClient }: TrustReactions,
  removed: readonly Uint8Array[],
): void {
  const roots = removed.map(parseCertificate)
  const isBelow = ({ chain }: TlsPeer): boolean =>
    chain.some((der) => {
      const certificate = parseCertificate(der)
      return roots.some((root) => namesIssuer(certificate, root))
    })
  const isTrusted = ({ chain }: TlsPeer): boolean => {
    try {
      verifyClient(chain)
      return true
    } catch {
      return false
    }
  }
  cutter.closeConnections((peer: Peer) => peer.kind === 'tls' && isBelow(peer) && !isTrusted(peer))
}

/** By key identifier, or by name where a certificate has none. */
function namesIssuer({ authorityKeyId, issuerRaw }: Certificate, issuer: Certificate): boolean {
  return authorityKeyId && issuer.subjectKeyId
    ? Buffer.compare(authorityKeyId, issuer.subjectKeyId) === 0
    : Buffer.compare(issuerRaw, issuer.subjectRaw) === 0
}
