import type { RegistrationEntry } from '../../model/registration-entry.ts'
import type { BinaryReader } from './binary-reader.ts'
import type { BinaryWriter } from './binary-writer.ts'
import { type IdReader, readList, writeId, writeSelectors, writeStrings } from './id-codec.ts'

/** Bits of the byte that says what an entry is. */
export const entryFlag = {
  admin: 1,
  downstream: 2,
  storeSvid: 4,
  disableX509SvidPrefetch: 8,
  includeJti: 16,
} as const

/** Writes an entry's fields in the order of docs/store-format.md. */
export function writeEntry(writer: BinaryWriter, entry: RegistrationEntry): void {
  writer.string(entry.id)
  writeId(writer, entry.spiffeId)
  writeId(writer, entry.parentId)
  writeSelectors(writer, entry.selectors)
  writer.byte(
    (entry.admin ? entryFlag.admin : 0) +
      (entry.downstream ? entryFlag.downstream : 0) +
      (entry.storeSvid ? entryFlag.storeSvid : 0) +
      (entry.disableX509SvidPrefetch ? entryFlag.disableX509SvidPrefetch : 0) +
      (entry.jwtSvidIncludeJti ? entryFlag.includeJti : 0),
  )
  writer.signed(entry.x509SvidTtlSeconds)
  writer.signed(entry.jwtSvidTtlSeconds)
  writer.signed(entry.expiresAtSeconds)
  writer.signed(entry.revisionNumber)
  writer.signed(entry.createdAtSeconds)
  writer.string(entry.hint)
  writeStrings(writer, entry.dnsNames)
  writer.unsigned(entry.federatesWith.length)
  for (const { name } of entry.federatesWith) writer.string(name)
}

/** Reads what {@link writeEntry} wrote. */
export function readEntry(reader: BinaryReader, ids: IdReader): RegistrationEntry {
  const id = reader.string()
  const spiffeId = ids.id(reader)
  const parentId = ids.id(reader)
  const selectors = ids.selectors(reader)
  const flags = reader.byte()
  const x509SvidTtlSeconds = reader.signed()
  const jwtSvidTtlSeconds = reader.signed()
  const expiresAtSeconds = reader.signed()
  const revisionNumber = reader.signed()
  const createdAtSeconds = reader.signed()
  const hint = reader.string()
  const dnsNames = readList(reader, () => reader.string())
  const federatesWith = readList(reader, () => ids.trustDomain(reader))
  return {
    id,
    spiffeId,
    parentId,
    selectors,
    x509SvidTtlSeconds,
    jwtSvidTtlSeconds,
    federatesWith,
    admin: (flags & entryFlag.admin) !== 0,
    downstream: (flags & entryFlag.downstream) !== 0,
    expiresAtSeconds,
    dnsNames,
    revisionNumber,
    storeSvid: (flags & entryFlag.storeSvid) !== 0,
    hint,
    createdAtSeconds,
    disableX509SvidPrefetch: (flags & entryFlag.disableX509SvidPrefetch) !== 0,
    jwtSvidIncludeJti: (flags & entryFlag.includeJti) !== 0,
  }
}
