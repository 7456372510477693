import type {
  EndpointProfile,
  FederationRelationship,
} from '../../model/federation-relationship.ts'
import { StoreError } from '../store-error.ts'
import type { BinaryReader } from './binary-reader.ts'
import type { BinaryWriter } from './binary-writer.ts'
import { type IdReader, writeId } from './id-codec.ts'

const profileNumbers = { https_web: 1, https_spiffe: 2 } as const

/** Writes a federation relationship's fields in the order of docs/store-format.md. */
export function writeRelationship(
  writer: BinaryWriter,
  relationship: FederationRelationship,
): void {
  const { trustDomain, bundleEndpointUrl, profile } = relationship
  writer.string(trustDomain.name)
  writer.string(bundleEndpointUrl)
  writer.byte(profileNumbers[profile.kind])
  if (profile.kind === 'https_spiffe') writeId(writer, profile.endpointSpiffeId)
}

/** Reads what {@link writeRelationship} wrote. */
export function readRelationship(reader: BinaryReader, ids: IdReader): FederationRelationship {
  return {
    trustDomain: ids.trustDomain(reader),
    bundleEndpointUrl: reader.string(),
    profile: readProfile(reader, ids),
  }
}

function readProfile(reader: BinaryReader, ids: IdReader): EndpointProfile {
  const number = reader.byte()
  if (number === profileNumbers.https_web) return { kind: 'https_web' }
  if (number === profileNumbers.https_spiffe) {
    return { kind: 'https_spiffe', endpointSpiffeId: ids.id(reader) }
  }
  throw new StoreError('ERR_STORE_CORRUPT', 'stored federation relationship has an unknown profile')
}
