import type { JwtAuthority, TrustBundle } from '../../model/trust-bundle.ts'
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
  writeKeys(writer, bundle.jwtAuthorities)
  writer.signed(bundle.refreshHintSeconds)
  writer.signed(bundle.sequenceNumber)
  // A bundle without them stays as it was before there were any.
  if (bundle.witAuthorities?.length) writeKeys(writer, bundle.witAuthorities)
}

/** Reads what {@link writeBundle} wrote. */
export function readBundle(reader: BinaryReader, ids: IdReader): TrustBundle {
  const bundle: TrustBundle = {
    trustDomain: ids.trustDomain(reader),
    x509Authorities: readList(reader, () => ({
      certificate: reader.bytes(),
      tainted: reader.byte() !== 0,
    })),
    jwtAuthorities: readKeys(reader),
    refreshHintSeconds: reader.signed(),
    sequenceNumber: reader.signed(),
  }
  return reader.isAtEnd ? bundle : { ...bundle, witAuthorities: readKeys(reader) }
}

function writeKeys(writer: BinaryWriter, keys: readonly JwtAuthority[]): void {
  writer.unsigned(keys.length)
  for (const { keyId, publicKey, expiresAtSeconds, tainted } of keys) {
    writer.string(keyId)
    writer.bytes(publicKey)
    writer.signed(expiresAtSeconds)
    writer.byte(tainted ? 1 : 0)
  }
}

function readKeys(reader: BinaryReader): readonly JwtAuthority[] {
  return readList(reader, () => ({
    keyId: reader.string(),
    publicKey: reader.bytes(),
    expiresAtSeconds: reader.signed(),
    tainted: reader.byte() !== 0,
  }))
}
