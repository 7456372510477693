import { parseCertificate } from '@mini-spire/sdk/x509'
import type { X509Authority } from '../model/trust-bundle.ts'

/** What becomes of the own bundle's X.509 authorities when the upstream authority's roots arrive. */
export interface SyncedRoots {
  /** The list afterwards; undefined: nothing changes. */
  readonly x509Authorities: readonly X509Authority[] | undefined
  /** Those that the upstream authority has tainted and this bundle has not yet: what they signed is to be replaced first. */
  readonly newlyTainted: readonly X509Authority[]
  /** Subject key identifiers (lower-case hex) of those that are gone. */
  readonly revoked: readonly string[]
}

/**
 * Brings the own bundle in line with the upstream authority's roots.
 *
 * New roots come in with the mark they have there. A root that is tainted there and known here is not marked yet, only
 * reported: this server stops using it first, so that nobody renews with an authority that it would have to replace again.
 * A root that is tainted here and missing there has been revoked. One that is untainted and missing stays, until it expires.
 */
export function syncedWithUpstream(
  known: readonly X509Authority[],
  upstream: readonly X509Authority[],
): SyncedRoots {
  const byKeyId = new Map(upstream.map((root) => [subjectKeyId(root), root]))
  const isRevoked = (root: X509Authority): boolean =>
    root.tainted && !byKeyId.has(subjectKeyId(root))
  const newlyTainted = known.filter(
    (root) => !root.tainted && byKeyId.get(subjectKeyId(root))?.tainted === true,
  )
  const added = upstream.filter((root) => !known.some((one) => isSame(one, root)))
  const gone = known.filter(isRevoked)
  const isChanged = added.length > 0 || gone.length > 0
  return {
    x509Authorities: isChanged
      ? [...known.filter((root) => !isRevoked(root)), ...withoutRepeats(added)]
      : undefined,
    newlyTainted,
    revoked: gone.map(subjectKeyId),
  }
}

/** An authority's subject key identifier in lower-case hex; empty when it has none. */
export function subjectKeyId({ certificate }: X509Authority): string {
  return Buffer.from(parseCertificate(certificate).subjectKeyId ?? []).toString('hex')
}

function isSame(a: X509Authority, b: X509Authority): boolean {
  return Buffer.compare(a.certificate, b.certificate) === 0
}

function withoutRepeats(roots: readonly X509Authority[]): readonly X509Authority[] {
  return roots.filter((root, index) => roots.findIndex((one) => isSame(one, root)) === index)
}
