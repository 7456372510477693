import { createHash } from 'node:crypto'
import type {
  ComposedIdentity,
  CredentialComposer,
  X509SvidAttributes,
} from '../credential-composer.ts'

/** x500UniqueIdentifier [RFC 4519 2.44]. */
const uniqueIdentifier = '2.5.4.45'
const hashBytes = 16

/**
 * Gives the subject of every workload's X509-SVID an attribute that is the same for each certificate of a SPIFFE ID and
 * differs from one ID to the next: some consumers know certificates by their subject alone.
 */
export class UniqueIdComposer implements CredentialComposer {
  readonly name = 'uniqueid'

  async composeWorkloadX509Svid(
    { spiffeId }: ComposedIdentity,
    attributes: X509SvidAttributes,
  ): Promise<X509SvidAttributes> {
    const own = { oid: uniqueIdentifier, value: uniqueIdOf(spiffeId.toString()) }
    const others = attributes.subject.extraNames ?? []
    const extraNames = others.some(({ oid }) => oid === uniqueIdentifier)
      ? others.map((name) => (name.oid === uniqueIdentifier ? own : name))
      : [...others, own]
    return { ...attributes, subject: { ...attributes.subject, extraNames } }
  }
}

/** The first half of the SHA-256 hash of a SPIFFE ID, lower-case hex. */
function uniqueIdOf(spiffeId: string): string {
  return createHash('sha256').update(spiffeId).digest().subarray(0, hashBytes).toString('hex')
}
