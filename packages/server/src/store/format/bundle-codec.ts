import type { TrustBundle } from '../../model/trust-bundle.ts'
import type { BinaryReader } from './binary-reader.ts'
import type { BinaryWriter } from './binary-writer.ts'
import { type IdReader, readList } from './id-codec.ts'

/** Writes a bundle's fields in the order of docs/store-format.md. */
export function writeBundle(writer: BinaryWriter, bundle: TrustBundle): void {
  writer.string(bundle.trustDomain.name)
  writer.unsigned(bundle.x509Authorities.length)
  for (const { certificate, tainted } of bundle.x509Authorities) {
    writer.bytes(certificate)
    writer.byte(tainted ? 1 : 0)
  }
  writer.unsigned(bundle.jwtAuthorities.length)
  for (const { keyId, publicKey, expiresAtSeconds, tainted } of bundle.jwtAuthorities) {
    writer.string(keyId)
    writer.bytes(publicKey)
    writer.signed(expiresAtSeconds)
    writer.byte(tainted ? 1 : 0)
  }
  writer.signed(bundle.refreshHintSeconds)
  writer.signed(bundle.sequenceNumber)
}

/** Reads what {@link writeBundle} wrote. */
export function readBundle(reader: BinaryReader, ids: IdReader): TrustBundle {
  return {
    trustDomain: ids.trustDomain(reader),
    x509Authorities: readList(reader, () => ({
      certificate: reader.bytes(),
      tainted: reader.byte() !== 0,
    })),
    jwtAuthorities: readList(reader, () => ({
      keyId: reader.string(),
      publicKey: reader.bytes(),
      expiresAtSeconds: reader.signed(),
      tainted: reader.byte() !== 0,
    })),
    refreshHintSeconds: reader.signed(),
    sequenceNumber: reader.signed(),
  }
}
